"""The one door: resolve, admit, append. What it has accepted is on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.admission import FINE, TENANT_RATE, VERDICTS, Budgets, is_stale, judge
from collector.catalog import Catalog
from collector.columns import NO_SERIES
from collector.config import CollectorSettings, LimitSettings
from collector.loops import compiled
from collector.mapping import Mapped
from collector.metrics import CollectorMetrics
from collector.model import (
    UNKNOWN_TENANT,
    Frame,
    Rejected,
    Rejection,
    Samples,
    TenantId,
    UsageRows,
)
from collector.oddities import Oddities
from collector.quarantine import Quarantine
from collector.reader import Later, Reader
from collector.readings import Readings, Refused
from collector.series import IGNORED, REFUSED, LearntEnough, SeriesBook
from collector.spool import Spool
from collector.tenancy import Resolver

ADMIT = "collector.loops.admit"
SWEEP_S = 60.0
SILENT = 255
"""State of a part of a native histogram whose refusal another part tells."""
NO_STARTS = np.empty(0, np.int64)
GENERATION_SERIES = 1_500_000
"""Series declared before a generation is renewed: both ends keep a table of all of them."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a request. `ignored` samples are of metrics that no meter names.

    `samples` counts what is on disk, the samples of native histograms among them; `parts` of those
    make up `histograms`. Ignored histograms are `histograms`, too: they were read and need not be
    sent again. Exemplars are passed over; those of refused series are not counted.
    """

    samples: int = 0
    rows: int = 0
    ignored: int = 0
    refused: tuple[Refused, ...] = ()
    histograms: int = 0
    parts: int = 0
    exemplars: int = 0

    @property
    def refused_count(self) -> int:
        """Samples or rows not taken."""
        return sum(one.count for one in self.refused)

    @property
    def shed(self) -> bool:
        """Whether nothing was taken and all of it may be sent again later."""
        taken = self.samples or self.rows or self.ignored or self.histograms
        return not taken and all(one.reason.status == 429 for one in self.refused)


Decode = Callable[[SeriesBook], Readings]
Answer = TypeVar("Answer")


class Intake:
    """Takes samples and rows of every receiver.

    Bodies are read on one thread of its own, which alone touches the series and the budgets: the
    event loop goes on answering and receiving while a large body is read. Senders take turns.
    """

    def __init__(
        self, settings: CollectorSettings, spool: Spool, metrics: CollectorMetrics
    ) -> None:
        self._metrics = metrics
        self._limits = settings.limits
        self._catalog = Catalog(settings.meters)
        self._budgets = Budgets(settings.limits)
        self.resolver = Resolver(settings.tenancy)
        self.oddities = Oddities(lambda kind: metrics.oddities.labels(kind).inc())
        self.quarantine = Quarantine()
        self._spool = spool
        self._generation = ""
        self._reader = Reader()
        self._book = self._new_book()
        self._swept_s = 0.0

    def close(self) -> None:
        """Take nothing more."""
        self._reader.close()

    @property
    def known_series(self) -> int:
        """Series held in memory."""
        return len(self._book)

    @property
    def widest(self) -> LimitSettings:
        """The limits before it is known whose a series is: of the tenant who may send the most."""
        return self._budgets.widest

    def body_bytes(self, tenant: str) -> int:
        """Bytes a body may have whose token is bound to this tenant ("" to none)."""
        own = self._budgets.overrides.of(tenant).body_bytes if tenant else 0
        return own or self._limits.body_bytes

    @property
    def overrides_healthy(self) -> bool:
        """Whether the file of limits could be read."""
        return self._budgets.overrides.healthy

    async def mapping(self) -> list[Mapped]:
        """Which rule took which metric of the series known now."""
        return await self._reader.run(
            "", lambda: self._book.mapping.lines(self._book.columns.seen_s)
        )

    async def samples(self, decode: Decode, *, now_ms: int, sender: str = "") -> Accepted:
        """Decode against the known series, check every sample, append, return when on disk.

        Raises Rejected when the body as a whole cannot be read, or the spool cannot take it.
        """
        return self._counted(await self.aside(lambda: self._take(decode, now_ms), sender))

    async def aside(self, work: Callable[[], Answer | Later[Answer]], sender: str = "") -> Answer:
        """What `work` returns, run on the intake's thread when the sender's turn has come.

        Raises Rejected at once while the spool takes nothing: reading the body would be in vain,
        and what its tenants may send must not be charged for it.
        """
        self._spool.check()
        return await self._reader.run(sender, work)

    def _take(self, decode: Decode, now_ms: int) -> Later[Accepted]:
        book = self._current_book(now_ms / 1000)
        before = book.begin_body()
        try:
            readings = decode(book)
        except LearntEnough as enough:
            detail = "more new series than one body may bring: they are noted, send it again"
            raise Rejected(Rejection.UNAVAILABLE, detail, retry_after_s=1) from enough
        finally:
            book.resume_body(before)
        frames, accepted = self._admit(book, readings, now_ms)
        # Series stay "fresh" until a spool took them: a later request carries them then.
        done = self._spool.enqueue([*book.fresh, *frames], generation=self._generation)
        book.fresh = []
        return Later(done, accepted)

    async def rows(
        self,
        table: pa.Table,
        *,
        batch_id: str = "",
        refused: Iterable[Refused] = (),
        now_ms: int,
        sender: str = "",
    ) -> Accepted:
        """Append usage rows whose tenants are resolved, as far as the tenants' rates allow."""
        kept, shed = await self.aside(lambda: self._take_rows(table, batch_id, now_ms), sender)
        return self._counted(Accepted(rows=kept, refused=(*refused, *shed)))

    def _take_rows(
        self, table: pa.Table, batch_id: str, now_ms: int
    ) -> tuple[int, list[Refused]] | Later[tuple[int, list[Refused]]]:
        keep, shed = self._within_rate(table, now_ms / 1000)
        kept = table if keep.all() else table.filter(pa.array(keep))
        if not kept.num_rows:
            return 0, shed
        done = self._spool.enqueue([UsageRows(kept, batch_id)])
        return Later(done, (kept.num_rows, shed))

    def _counted(self, accepted: Accepted) -> Accepted:
        self._metrics.samples.inc(accepted.samples)
        self._metrics.rows.inc(accepted.rows)
        self._metrics.ignored.inc(accepted.ignored)
        for refused in accepted.refused:
            self._metrics.discarded.labels(refused.reason.value).inc(refused.count)
        return accepted

    def _new_book(self) -> SeriesBook:
        self._budgets.forget_series()
        return SeriesBook(
            self._catalog,
            self.resolver,
            self._limits,
            self._budgets,
            oddities=self.oddities,
            quarantine=self.quarantine,
            pause=self._reader.pause,
        )

    def _current_book(self, now_s: float) -> SeriesBook:
        if self._reader.in_between:  # the half read body holds slots of this book
            return self._book
        if self._generation != self._spool.generation:
            self._generation = self._spool.generation
            self._book = self._new_book()
        self._sweep(now_s)
        return self._book

    def _sweep(self, now_s: float) -> None:
        if self._reader.in_between:
            return
        self._budgets.refresh(now_s=now_s)
        if now_s - self._swept_s > SWEEP_S:
            self._swept_s = now_s
            self._book.sweep(now_s=now_s)
            self._budgets.forget_idle(now_s=now_s)
            if self._book.declared > GENERATION_SERIES:
                self._spool.restart_generation()

    def _admit(
        self, book: SeriesBook, readings: Readings, now_ms: int
    ) -> tuple[list[Frame], Accepted]:
        return self._admit_plain(book, readings, now_ms) or self._admit_each(book, readings, now_ms)

    def _admit_plain(
        self, book: SeriesBook, readings: Readings, now_ms: int
    ) -> tuple[list[Frame], Accepted] | None:
        """By the compiled loop, where nothing is refused and nothing is special; else None."""
        loops = compiled(ADMIT)
        exemplars = readings.exemplars is not None and readings.exemplars.size
        if loops is None or readings.owner is not None or exemplars:
            return None
        count, columns, limits = len(readings.slots), book.columns, self._limits
        sids, times, values = np.empty(count, np.uint32), np.empty(count, np.int64), np.empty(count)
        senders, sent = np.empty(count, np.int64), np.zeros(len(book.tenants), np.int64)
        starts = NO_STARTS if readings.start_ms is None else readings.start_ms
        begins = np.empty(len(starts), np.int64)
        live, ignored, who = loops.admit(
            readings.slots, readings.ts_ms, readings.values, columns.sid, columns.second,
            columns.tenant, columns.state, columns.scale, columns.seen_s, now_ms / 1000,
            now_ms - int(limits.past_s * 1000), now_ms + int(limits.future_s * 1000), starts,
            sids, times, values, begins, senders, sent,
        )  # fmt: skip
        if live == loops.NOT_PLAIN or not self._pay(book, senders[:who], sent, now_ms / 1000):
            return None
        if not live:
            return [], Accepted(0, 0, ignored, readings.refused)
        began = None if readings.start_ms is None else begins[:live]
        frame = Samples(sids[:live], times[:live], values[:live], began)
        return [frame], Accepted(live, 0, ignored, readings.refused)

    def _pay(
        self,
        book: SeriesBook,
        senders: npt.NDArray[np.int64],
        sent: npt.NDArray[np.int64],
        now_s: float,
    ) -> bool:
        """Charge each tenant for all it sent; False, and nobody charged, where one may not."""
        places, counts = book.places(senders, now_s=now_s), sent[senders]
        taken = self._budgets.charge(places, counts, now_s=now_s)
        if (taken < counts).any() or not self._budgets.take_of_all(int(taken.sum()), now_s=now_s):
            self._budgets.give_back(places, taken)
            return False
        if (unknown := senders == book.number_of(UNKNOWN_TENANT)).any():
            self.quarantine.came(samples=int(taken[unknown].sum()), now_s=now_s)
        return True

    def _admit_each(
        self, book: SeriesBook, readings: Readings, now_ms: int
    ) -> tuple[list[Frame], Accepted]:
        columns, slots = book.columns, readings.slots
        state = columns.state[slots]
        columns.seen_s[slots] = now_ms / 1000
        verdicts = judge(readings.values, readings.ts_ms, now_ms=now_ms, limits=self._limits)
        verdicts[state != 0] = FINE
        live = (state == 0) & (verdicts == FINE)
        live = self._rate(book, slots, live, verdicts, now_ms / 1000)
        histograms = parts = 0
        ignored = int(np.count_nonzero(state == IGNORED))
        if (owner := readings.owner) is not None:
            state = state.copy()
            histograms = _sink_torn(owner, state, verdicts, live)
            parts = int(np.count_nonzero(live & (owner >= 0)))
            ignored -= int(np.count_nonzero((state == IGNORED) & (owner >= 0)))
        refused = list(readings.refused)
        if not live.all():
            refused += _refused_slots(book, slots[state == REFUSED])
            refused += _refused_samples(book, readings, verdicts)
        frames: list[Frame] = [_split(book, readings, live)] if live.any() else []
        exemplars = 0
        if (theirs := readings.exemplars) is not None:
            exemplars = int(np.count_nonzero(columns.state[theirs] != REFUSED))
        return frames, Accepted(
            int(live.sum()), 0, ignored, tuple(refused), histograms, parts, exemplars
        )

    def _rate(
        self,
        book: SeriesBook,
        slots: npt.NDArray[np.int64],
        live: npt.NDArray[np.bool_],
        verdicts: npt.NDArray[np.uint8],
        now_s: float,
    ) -> npt.NDArray[np.bool_]:
        """Charge each tenant; what is over its rate is marked, the last samples first."""
        tenants = book.columns.tenant[slots]
        if not live.all():
            tenants = np.where(live, tenants, -1)
        senders, sent = _counted(tenants[live], len(book.tenants))
        taken = self._charged(book.places(senders, now_s=now_s), sent, now_s)
        if (unknown := senders == book.number_of(UNKNOWN_TENANT)).any():
            self.quarantine.came(samples=int(taken[unknown].sum()), now_s=now_s)
        for number in np.flatnonzero(taken < sent).tolist():
            over = np.flatnonzero(tenants == senders[number])[taken[number] :]
            verdicts[over] = TENANT_RATE
        live[verdicts != FINE] = False
        return live

    def _charged(
        self, places: npt.NDArray[np.int64], sent: npt.NDArray[np.int64], now_s: float
    ) -> npt.NDArray[np.int64]:
        """How much each tenant may send of what it sent.

        Raises Rejected(OVERLOADED) when all tenants together send too fast; none pays then.
        """
        taken = self._budgets.charge(places, sent, now_s=now_s)
        if not self._budgets.take_of_all(int(taken.sum()), now_s=now_s):
            self._budgets.give_back(places, taken)
            detail = "all tenants together exceed limits.samples_per_s_total: send it again"
            raise Rejected(Rejection.OVERLOADED, detail, retry_after_s=2)
        return taken

    def _within_rate(
        self, table: pa.Table, now_s: float
    ) -> tuple[npt.NDArray[np.bool_], list[Refused]]:
        self._sweep(now_s)
        keep = np.ones(table.num_rows, np.bool_)
        refused = []
        coded = pc.dictionary_encode(table["tenant"].combine_chunks())
        codes = coded.indices.to_numpy(zero_copy_only=False)
        names = coded.dictionary.to_pylist()
        sent = np.bincount(codes, minlength=len(names))
        taken = self._charged(self._budgets.places(names, now_s=now_s), sent, now_s)
        if UNKNOWN_TENANT in names:
            self.quarantine.came(rows=int(taken[names.index(UNKNOWN_TENANT)]), now_s=now_s)
        for index in np.flatnonzero(taken < sent).tolist():
            keep[np.flatnonzero(codes == index)[taken[index] :]] = False
            refused.append(_over_rate(names[index], int(sent[index] - taken[index])))
        return keep, refused


def _sink_torn(
    owner: npt.NDArray[np.int64],
    state: npt.NDArray[np.uint8],
    verdicts: npt.NDArray[np.uint8],
    live: npt.NDArray[np.bool_],
) -> int:
    """Refuse every native histogram of which a part is refused; how many are whole.

    The first bad part of each keeps its reason in `state` or `verdicts`, so that a histogram is
    refused once; its other parts are taken out of `live` in silence.
    """
    part = owner >= 0
    whole = len(np.unique(owner[part]))
    bad = np.flatnonzero(part & ((state == REFUSED) | (verdicts != FINE)))
    torn, first = np.unique(owner[bad], return_index=True)
    live &= ~np.isin(owner, torn)
    again = np.delete(bad, first)
    verdicts[again] = FINE
    state[again] = SILENT
    return whole - len(torn)


def _over_rate(tenant: TenantId, count: int) -> Refused:
    detail = f"tenant {tenant} sends faster than its limit: slow down or raise limits.samples_per_s"
    return Refused(Rejection.TENANT_RATE, count, detail, tenant)


def _split(book: SeriesBook, readings: Readings, live: npt.NDArray[np.bool_]) -> Samples:
    """Live samples with the sids they feed; a slot with a second column gives two samples."""
    columns, slots = book.columns, readings.slots[live]
    values, ts_ms = readings.values[live], readings.ts_ms[live]
    starts = None if readings.start_ms is None else readings.start_ms[live]
    scale = columns.scale[slots]
    if (scale != 1.0).any():
        with np.errstate(invalid="ignore"):  # a stale marker is a signalling NaN
            values = np.where(is_stale(values), values, values * scale)
    sids, second = columns.sid[slots], columns.second[slots]
    if (also := np.flatnonzero(second != NO_SERIES)).size:
        sids = np.concatenate([sids, second[also]])
        ts_ms = np.concatenate([ts_ms, ts_ms[also]])
        values = np.concatenate([values, values[also]])
        starts = None if starts is None else np.concatenate([starts, starts[also]])
    return Samples(sids.astype(np.uint32), ts_ms, values, starts)


def _counted(
    numbers: npt.NDArray[np.int32], size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which numbers below `size` occur and how often: by sorting where they are few."""
    if len(numbers) * 4 < size:
        few, counts = np.unique(numbers, return_counts=True)
        return few.astype(np.int64), counts.astype(np.int64)
    every = np.bincount(numbers, minlength=size)
    found = np.flatnonzero(every)
    return found, every[found]


def _refused_slots(book: SeriesBook, slots: npt.NDArray[np.int64]) -> list[Refused]:
    found: dict[Rejection, Refused] = {}
    for slot, count in zip(*(a.tolist() for a in np.unique_counts(slots)), strict=True):
        why = book.refusal(slot)
        first = found.get(why.reason, Refused(why.reason, 0, why.detail, None, why.field))
        found[why.reason] = replace(first, count=first.count + count)
    return list(found.values())


def _refused_samples(
    book: SeriesBook, readings: Readings, verdicts: npt.NDArray[np.uint8]
) -> list[Refused]:
    found = []
    for verdict in np.unique(verdicts[verdicts != FINE]).tolist():
        where = np.flatnonzero(verdicts == verdict)
        reason, first = VERDICTS[verdict], int(where[0])
        assert reason is not None
        tenant = book.tenants[book.columns.tenant[readings.slots[first]]]
        value, ts_ms = readings.values[first], readings.ts_ms[first]
        detail = f"the first, of tenant {tenant}: value {value} at {ts_ms} ms"
        found.append(Refused(reason, len(where), detail, tenant))
    return found
