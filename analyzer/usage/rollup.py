"""10 s -> 1 min -> 1 h -> 1 day: sums exactly, means weighted by window, and only what changed.

The drain marks minutes dirty; a minute redone marks its hour, an hour its day. A window is redone
once the watermark has passed its end, by deleting and summing again, so that doing it twice changes
nothing. Where the finer rows are already given up (`retained`), late rows are added instead. Where
the old sums have moved into a file (`analyzer.compaction`), only the difference is added.

    usage_10s --dirty 1m--> usage_1m --dirty 1h--> usage_1h --dirty 1d--> usage_1d
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from analyzer.store.database import Store
from analyzer.store.reader import Transaction
from collector.model import GRAIN_S, USAGE_SCHEMA


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long each grain is kept, and how long the newest window waits for stragglers."""

    ten_seconds_h: int = 26
    minutes_d: int = 15
    hours_d: int = 400
    days_d: int = 1826
    ledger_d: int = 2
    grace_s: int = 10

    def problems(self) -> list[str]:
        """Everything wrong, as "key: what, remedy"."""
        found = [
            f"retention.{name}: {value} is too short, use {least} or more"
            for name, value, least in (
                ("ten_seconds_h", self.ten_seconds_h, 2),
                ("minutes_d", self.minutes_d, 2),
                ("hours_d", self.hours_d, 15),
                ("days_d", self.days_d, 31),
                ("ledger_d", self.ledger_d, 1),
            )
            if value < least
        ]
        if not 0 <= self.grace_s <= 600:
            found.append(f"retention.grace_s: {self.grace_s} is out of range, use 0 to 600")
        kept = (self.ten_seconds_h / 24, self.minutes_d, self.hours_d, self.days_d)
        if sorted(kept) != list(kept):
            found.append("retention: a coarser grain is kept shorter than a finer one, raise it")
        return found


@dataclass(frozen=True, slots=True)
class Grain:
    """A level of the roll-up: the table it fills, from which, and how much is done at once."""

    name: str
    source: str
    width: timedelta
    coarser: str | None
    coarser_unit: timedelta
    span: timedelta


MINUTE = Grain("1m", "10s", timedelta(minutes=1), "1h", timedelta(hours=1), timedelta(minutes=15))
HOUR = Grain("1h", "1m", timedelta(hours=1), "1d", timedelta(days=1), timedelta(hours=3))
DAY = Grain("1d", "1h", timedelta(days=1), None, timedelta(days=1), timedelta(days=2))
GRAINS = (MINUTE, HOUR, DAY)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the store keeps UTC without zone
_KEYS = ("ts", "window_s", "tenant", "resource", "family", "bounds")
_MEASURES = [name for name in USAGE_SCHEMA.names if name not in _KEYS]
_FEW, _MANY = 50_000, 500_000  # rows written at once: take more, take less
_PART, _PARTS = 300_000, 8  # rows read at once, as far as so many parts do; sums are wide


def watermark(store: Store) -> datetime | None:
    """Up to where data is complete; None before the first data."""
    found: datetime | None = store.rows("watermark")[0][0]
    return None if found is None else found.replace(tzinfo=UTC)


def roll_up(store: Store, *, now: datetime, settings: RetentionSettings) -> int:
    """Redo what is dirty and complete, then advance the watermark (a reader that sees it finds
    everything before it rolled up). Returns the windows redone.
    """
    until = _due(store, _naive(now), settings)
    if until is None:
        return 0
    redone = sum(_redo(store, grain, until) for grain in GRAINS)
    with store.transaction() as tx:
        tx.execute("clear_watermark")
        tx.execute("set_watermark", at=until)
    return redone


def _due(store: Store, now: datetime, settings: RetentionSettings) -> datetime | None:
    """Newest sample or now, whichever is earlier, less the grace; never back."""
    newest: datetime | None = store.rows("newest")[0][0]
    old: datetime | None = store.rows("watermark")[0][0]
    if newest is None:
        return old
    due = min(newest, now) - timedelta(seconds=settings.grace_s)
    return max(_floor(due, timedelta(seconds=GRAIN_S)), old or _EPOCH)


def _redo(store: Store, grain: Grain, until: datetime) -> int:
    found = store.rows("dirty_windows", grain=grain.name, until=until - grain.width)
    windows = [row[0] for row in found]
    gone = dict(store.rows("retained")).get(grain.source, _EPOCH)
    runs = _Runs(windows, grain.span)
    for run in runs:  # others may write in between: after a standstill there are many
        # A minute comes every minute: sums held twice, once a thread, are memory for half a second.
        threads = store.on_one_thread() if grain is MINUTE else nullcontext()
        with threads, store.transaction() as tx:
            runs.wrote(_redo_run(tx, grain, run, gone))
    return len(windows)


class _Runs:
    """Dirty windows in runs that are close together; the span adapts to the rows they make."""

    def __init__(self, windows: Sequence[datetime], span: timedelta) -> None:
        self._windows = windows
        self._span = span

    def __iter__(self) -> Iterator[Sequence[datetime]]:
        at = 0
        while at < len(self._windows):
            end = at
            while end < len(self._windows) and self._windows[end] - self._windows[at] < self._span:
                end += 1
            yield self._windows[at:end]
            at = end

    def wrote(self, rows: int) -> None:
        if rows < _FEW and self._span < timedelta(days=60):
            self._span *= 2
        elif rows > _MANY:
            self._span /= 2


def _redo_run(tx: Transaction, grain: Grain, run: Sequence[datetime], gone: datetime) -> int:
    redone = [window for window in run if window >= gone]
    added = [window for window in run if window < gone]
    if redone:
        tx.execute(f"clear_{grain.name}", windows=redone)
    span = {"low": run[0], "high": run[-1] + grain.width}
    parts = min(-(-tx.rows(f"rows_{grain.source}", **span)[0][0] // _PART) or 1, _PARTS)
    written = sum(
        tx.execute(f"roll_up_{grain.name}", windows=list(run), parts=parts, part=part, **span)
        for part in range(parts)
    )
    if grain is DAY:
        tx.execute("clear_peaks", windows=list(run))
        tx.execute("find_peaks", windows=redone, **span)
    elif redone:  # days never move into files
        _keep_what_is_new(tx, grain, redone)
    if redone and tx.rows("kept_shorter", grain=grain.source):
        tx.execute(f"consume_shorter_{grain.source}", windows=redone)
    if added:
        tx.execute(f"consume_{grain.source}", windows=added)
    tx.execute("clear_dirty", grain=grain.name, windows=list(run))
    if grain.coarser is not None:
        above = sorted({_floor(window, grain.coarser_unit) for window in run})
        tx.execute("mark_windows", grain=grain.coarser, windows=above)
    return written


def _keep_what_is_new(tx: Transaction, grain: Grain, windows: Sequence[datetime]) -> None:
    """Sums that lie in a file cannot be deleted: rows add up, so the new ones are reduced to what
    they say more."""
    span = {"low": windows[0], "high": windows[-1] + grain.width}
    if not tx.rows("any_cold", grain=grain.name, **span)[0][0]:
        return
    tx.execute(f"take_back_{grain.name}", windows=list(windows), **span)
    net = tx.frame(f"net_{grain.name}", windows=list(windows))
    says = pl.any_horizontal(pl.col(*_MEASURES).fill_null(0) != 0)
    net = net.filter(says | (pl.col("parts") == 1)).drop("parts")
    tx.execute(f"clear_{grain.name}", windows=list(windows))
    tx.load(f"put_back_{grain.name}", net.to_arrow())


def retain(store: Store, *, now: datetime, settings: RetentionSettings) -> int:
    """Give up what is older than its grain is kept, but nothing that still has to be rolled up.

    Also prunes the ledgers. Returns the rows given up.
    """
    at = _naive(now)
    removed = 0
    for grain, keep in (
        (MINUTE, timedelta(hours=settings.ten_seconds_h)),
        (HOUR, timedelta(days=settings.minutes_d)),
        (DAY, timedelta(days=settings.hours_d)),
    ):
        with store.transaction() as tx:
            removed += _retire(tx, grain, at - keep)
    with store.transaction() as tx:
        removed += tx.execute("retire_1d", until=at - timedelta(days=settings.days_d))
        before = _last_drain(tx, at) - timedelta(days=settings.ledger_d)
        for ledger in ("segments", "batches", "generations"):
            tx.execute(f"forget_{ledger}", before=before)
        tx.execute("forget_sids")
    return removed


def _last_drain(tx: Transaction, at: datetime) -> datetime:
    """Ledgers age by drains, not by the clock: files outlast a standstill."""
    found: datetime | None = tx.rows("last_drain")[0][0]
    return at if found is None else min(at, found)


def _retire(tx: Transaction, grain: Grain, until: datetime) -> int:
    """Rows of the grain's source up to `until`, cut where a coarser window begins; a file goes as
    a whole, once all of it is old."""
    oldest: datetime | None = tx.rows("oldest_dirty", grain=grain.name)[0][0]
    until = _floor(until if oldest is None else min(until, oldest), grain.coarser_unit)
    unit: datetime | None = tx.rows("straddling_unit", grain=grain.source, until=until)[0][0]
    until = until if unit is None else _floor(min(until, unit), grain.coarser_unit)
    if until <= dict(tx.rows("retained")).get(grain.source, _EPOCH):
        return 0
    removed = tx.execute(f"retire_{grain.source}", until=until)
    if grain is DAY:
        tx.execute("retire_peaks", until=until)
    old = tx.rows("old_cold_files", grain=grain.source, until=until)
    if old:
        tx.changes_files = True
        removed += sum(rows for _, rows in old)
        tx.execute("drop_cold_files", grain=grain.source, files=[file for file, _ in old])
    tx.execute("clear_retained", grain=grain.source)
    tx.execute("set_retained", grain=grain.source, until=until)
    return removed


def _floor(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % width


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
