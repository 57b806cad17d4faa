"""What each tenant usually does in this hour of the week, learned from every finished hour once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from analyzer.store.database import Store
from analyzer.usage.quantiles import middles
from collector.model import LATENCY_BOUNDS

LEAST_WEEKS = 2
"""Weeks an hour must have taught before anybody goes by it: once is no habit."""

_MEMORY_WEEKS = 8
"""A week older than this hardly counts: habits change."""

_FIRST_SPREAD = 0.3
"""Spread of the logarithm believed of an hour seen once."""

_LATE = timedelta(minutes=10)
"""How long an hour waits for stragglers, and for its incidents to be told."""

_ACCEPT_S = 6 * 3600
"""Harm that lasts longer is the new normal and teaches (as `windows.accept_s`)."""

_KEEP = timedelta(weeks=10)
_AT_ONCE = 24
_HOUR = timedelta(hours=1)


def refresh(store: Store, *, until: datetime) -> int:
    """Learn the hours finished by `until` (aware, data time) since the last refresh, at most a day
    of them; returns how many had data. Minutes of incidents teach nothing.

    One MERGE an hour: it reads the hour's minutes and the baselines of that hour of the week, so
    its cost grows with (tenant, resource) pairs and not with history (30,000 pairs, 1.8 million
    minutes: 3 s of one core, once an hour). Twice-safe: an hour that has taught is not learned
    again; rows that come after that count in the usage, not here.
    """
    finished = _naive(until - _LATE).replace(minute=0, second=0, microsecond=0)
    since: datetime | None = store.rows("baselines_until")[0][0]
    if since is not None and since >= finished:
        return 0
    since = since or datetime.min  # noqa: DTZ901
    for learned in range(_AT_ONCE):
        hour = store.rows("baselines_next_hour", since=since, until=finished)[0][0]
        if hour is None:
            _mark(store, finished)
            return learned
        _learn(store, hour)
        since = hour + _HOUR
    return _AT_ONCE


def _learn(store: Store, hour: datetime) -> None:
    with store.transaction() as tx:
        tx.execute(
            "baselines_learn_hour",
            hour=hour,
            how=hour_of_week(hour),
            middles=_middles(store),
            accept_s=_ACCEPT_S,
            memory=_MEMORY_WEEKS,
            spread=_FIRST_SPREAD,
        )
        if hour.hour == 0:
            tx.execute("baselines_forget", before=hour - _KEEP)
        tx.execute("baselines_clear_until")
        tx.execute("baselines_set_until", until=hour + _HOUR)


def _mark(store: Store, until: datetime) -> None:
    with store.transaction() as tx:
        tx.execute("baselines_clear_until")
        tx.execute("baselines_set_until", until=until)


def _middles(store: Store) -> list[list[float]]:
    """Log bucket middles by id of bounds."""
    bounds = {int(i): tuple(b) for i, b in store.rows("baselines_bounds")}
    return [
        middles(bounds.get(i, LATENCY_BOUNDS)).tolist() for i in range(max(bounds, default=0) + 1)
    ]


def of_hour(store: Store, at: datetime) -> pl.DataFrame:
    """What is usual in the hour of the week of `at` (aware): resource, tenant, weeks, demand (busy
    seconds per second; null where server time is not measured), felt (log seconds), and spreads of
    both logarithms. Only who has `LEAST_WEEKS` of it.
    """
    how = hour_of_week(_naive(at))
    return store.frame("baselines_of_hour", how=how, least=LEAST_WEEKS)


def hour_of_week(moment: datetime) -> int:
    """0 is Monday 00:00 UTC, 167 Sunday 23:00."""
    return moment.weekday() * 24 + moment.hour


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
