"""What others tell us: a deploy, an outside alert; it stands on the evidence timeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from analyzer.notify.clock import aware, stored
from analyzer.notify.event import Entropy, uuid7
from analyzer.store.database import Store

MAX_TITLE, MAX_DETAIL = 300, 4000


@dataclass(frozen=True, slots=True)
class Annotation:
    """An outside event. `source` is `api`, `alertmanager` or `pagerduty`; `id` is empty until
    it is kept."""

    at: datetime
    title: str
    detail: str = ""
    resource: str | None = None
    tenant: str | None = None
    source: str = "api"
    id: str = ""


def annotate(
    store: Store,
    given: Sequence[Annotation],
    *,
    now: datetime,
    entropy: Entropy = os.urandom,
) -> list[str]:
    """Keep them; one that is there already (a sender's repeat) keeps its id. Returns the ids."""
    with store.transaction() as tx:
        ids = []
        for each in given:
            same = {
                "ts": stored(each.at),
                "title": each.title[:MAX_TITLE],
                "source": each.source,
                "resource": each.resource,
                "tenant": each.tenant,
            }
            row = tx.row("journal_annotation_seen", **same)
            key = row[0] if row else f"ann_{uuid7(now, entropy)}"
            if row is None:
                tx.execute(
                    "journal_annotation_insert",
                    **same,
                    id=key,
                    received_at=stored(now),
                    detail=each.detail[:MAX_DETAIL],
                )
            ids.append(key)
    return ids


def list_annotations(
    store: Store,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    resource: str | None = None,
    tenant: str | None = None,
    limit: int = 200,
) -> list[Annotation]:
    """Newest first; those that name no resource or tenant concern all."""
    rows = store.rows(
        "journal_annotations",
        from_ts=stored(since),
        to_ts=stored(until),
        resource=resource,
        tenant=tenant,
        limit=limit,
    )
    return [
        Annotation(aware(at), title, detail, about, whose, source, key)
        for key, at, title, detail, about, whose, source in rows
    ]
