"""What people's labels say of the blames, and the thresholds in force because of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from analyzer.incidents.flags import FlagPolicy
from analyzer.incidents.labels import Labelled, TuningSettings, threshold
from analyzer.model import IncidentId, Kind
from analyzer.notify.clock import stored
from analyzer.store.database import Store


def labelled(store: Store, settings: TuningSettings, now: datetime) -> list[Labelled]:
    """Incidents labelled within `settings.days`, by their newest label."""
    since = stored(now - timedelta(days=settings.days))
    rows = store.rows("journal_labelled", since=since)
    return [
        Labelled(IncidentId(name), Kind(kind), confidence, right)
        for name, kind, confidence, right in rows
    ]


def in_force(
    store: Store, flags: FlagPolicy, settings: TuningSettings, now: datetime
) -> FlagPolicy:
    """The flags as labels have tuned them; as configured where tuning is not enabled."""
    if not settings.enabled:
        return flags
    found = threshold(labelled(store, settings, now), settings, flags.min_confidence)
    return replace(flags, min_confidence=found.value)
