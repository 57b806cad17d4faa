"""Series known to this collector: raw label bytes → slot → what to do with its samples.

A receiver looks its raw bytes up in a plain dict (`table`); only a miss costs label parsing,
tenant resolution and limits. A slot holds the answer as numbers in arrays, so that a batch of
samples is resolved, checked and split into series ids by indexing, without Python per sample.

    bytes ──table──▶ slot ──arrays──▶ sid (usage column), second sid, tenant, scale, verdict
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collector.admission import Budgets, check_labels
from collector.catalog import Catalog, Feed
from collector.columns import NO_SERIES, SlotColumns
from collector.config import LimitSettings
from collector.keys import Contexts, KeyIndex, PointIndex, SymbolIndex
from collector.mapping import MappingBook
from collector.model import (
    UNKNOWN_TENANT,
    Column,
    Family,
    MeterKind,
    Rejected,
    Rejection,
    ResourceId,
    Series,
    TenantId,
)
from collector.oddities import Oddities
from collector.quarantine import Quarantine
from collector.tenancy import ANYONE, Claim, Resolver

Labels = Mapping[str, str]
Table = dict[bytes, int]

REPEATED = "\0"
"""Under this name a decoder reports a label that occurs twice."""

MOST_NEW = 10_000
MOST_NEW_BYTES = 16_000_000
"""Series, and bytes of their labels, that one body may bring: learning takes a second then."""

LEARNT_A_TURN = 64
"""Series learnt between two pauses, about 2 ms."""

LONG_KEY = 1024

IGNORED, REFUSED = 1, 2
"""States of a slot that takes no samples: no meter of ours, or refused with a reason."""


class LearntEnough(Exception):
    """The body brings more new series than may be learnt at once; those before are known now."""


def short_key(key: bytes) -> bytes:
    """The key itself, or its digest where the book should not keep so many bytes."""
    return key if len(key) <= LONG_KEY else hashlib.blake2b(key, digest_size=32).digest()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a key was seen: equal keys of one origin mean the same series."""

    door: str
    claim: Claim = ANYONE
    labels: tuple[tuple[str, str], ...] = ()  # added to every series (scrape targets)
    kind: MeterKind | None = None  # None: as the catalog says


class SeriesBook:
    """The series of one spool generation. Not thread safe: one thread owns it.

    `pause` is called while many are learnt; other bodies may be read against this book meanwhile.
    """

    def __init__(
        self,
        catalog: Catalog,
        resolver: Resolver,
        limits: LimitSettings,
        budgets: Budgets,
        *,
        oddities: Oddities | None = None,
        quarantine: Quarantine | None = None,
        pause: Callable[[], None] = lambda: None,
    ) -> None:
        self.mapping = MappingBook()
        self.oddities = oddities or Oddities()
        self._quarantine = quarantine or Quarantine()
        self._pause = pause
        self._catalog = catalog
        self._resolver = resolver
        self._limits = limits
        self._budgets = budgets
        self._tables: dict[Origin, Table] = {}
        self._indexes: dict[Origin, KeyIndex] = {}
        self._points: dict[Origin, PointIndex] = {}
        self.symbols = SymbolIndex()
        self.contexts = Contexts()
        self._keys: list[tuple[Origin, bytes] | None] = []
        self._free: list[int] = []
        self._refusals: dict[int, Rejected] = {}
        self._shared: dict[Rejection | None, int] = {}
        self._dead = 0
        self._new = self._new_bytes = 0
        self._sids: dict[str, int] = {}
        self._tenants: dict[TenantId, int] = {}
        self.columns = SlotColumns()
        self.tenants: list[TenantId] = []
        self._places = np.zeros(0, np.int64)
        self._places_epoch = -1
        self.fresh: list[Series] = []

    def table(self, origin: Origin) -> Table:
        """Known keys of an origin. Read it freely; only `learn` writes."""
        return self._tables.setdefault(origin, {})

    def index(self, origin: Origin) -> KeyIndex:
        """What of the table of an origin the compiled loops can read."""
        return self._indexes.setdefault(origin, KeyIndex())

    def points(self, origin: Origin) -> PointIndex:
        """What the compiled loops can read of the data points of an origin."""
        return self._points.setdefault(origin, PointIndex())

    def places(self, tenants: npt.NDArray[np.int64], *, now_s: float) -> npt.NDArray[np.int64]:
        """Where the budgets keep these of `tenants`: looked up once and not with every body."""
        if self._places_epoch != self._budgets.epoch:
            self._places, self._places_epoch = np.zeros(0, np.int64), self._budgets.epoch
        if len(self._places) < len(self.tenants):
            new = self._budgets.places(self.tenants[len(self._places) :], now_s=now_s)
            self._places = np.concatenate([self._places, new])
        return self._places[tenants]

    def number_of(self, tenant: TenantId) -> int:
        """The index of a tenant in `tenants`, -1 when none of its series was seen."""
        return self._tenants.get(tenant, -1)

    def is_kept(self, slot: int) -> bool:
        """Whether the slot is one key's own."""
        return self._keys[slot] is not None

    def __len__(self) -> int:
        return len(self._keys) - len(self._free)

    @property
    def declared(self) -> int:
        """Series ids given out in this generation."""
        return len(self._sids)

    def refusal(self, slot: int) -> Rejected:
        """Why a slot in state REFUSED takes no samples."""
        return self._refusals[slot]

    def begin_body(self) -> tuple[int, int]:
        """Another body may bring new series; what `resume_body` wants to hear after it."""
        before = self._new, self._new_bytes
        self._new = self._new_bytes = 0
        return before

    def resume_body(self, before: tuple[int, int]) -> None:
        """The body that was half read when the last one began goes on."""
        self._new, self._new_bytes = before

    def learn(self, origin: Origin, key: bytes, labels: Labels, *, now_s: float) -> int:
        """The slot of a series not seen before; its `Series` frames are added to `fresh`.

        Raises LearntEnough when the body brought too many; where they could not be remembered
        either, they share one refusal.
        """
        self._new += 1
        if self._new % LEARNT_A_TURN == 0:
            self._pause()
            if (slot := self.table(origin).get(key, NO_SERIES)) != NO_SERIES:
                return slot  # learnt meanwhile, from another body
        self._new_bytes += sum(map(len, labels)) + sum(map(len, labels.values()))
        if self._new > MOST_NEW or self._new_bytes > MOST_NEW_BYTES:
            return self._too_many_new(origin, key, now_s)
        every = {**labels, **dict(origin.labels)}
        try:
            series, tenant, scale, rule = self._resolve(origin, every, now_s=now_s)
        except Rejected as rejected:
            slot = self._dead_slot(origin, key, rejected, now_s)
            if self._keys[slot] is not None:
                self.mapping.refused(slot, every, rejected)
            return slot
        if not series:
            slot = self._dead_slot(origin, key, None, now_s)
            if self._keys[slot] is not None:
                self.mapping.ignored(slot, every)
            return slot
        slot = self._new_slot(origin, key, now_s)
        self.mapping.taken(slot, rule, every, series)
        if tenant == UNKNOWN_TENANT:
            self._quarantine.learnt(origin.door, every, now_s=now_s)
        sids = [self._declare(one) for one in series]
        self.columns.sid[slot] = sids[0]
        self.columns.second[slot] = sids[1] if len(sids) > 1 else NO_SERIES
        self.columns.tenant[slot] = self._tenant_index(tenant)
        self.columns.scale[slot] = scale
        return slot

    def _too_many_new(self, origin: Origin, key: bytes, now_s: float) -> int:
        if not self._no_room_for_dead():
            raise LearntEnough
        refusal = Rejected(Rejection.TENANT_SERIES, "too many new series in a body: split it")
        return self._dead_slot(origin, key, refusal, now_s)

    def _no_room_for_dead(self) -> bool:
        return self._dead >= self._limits.series_total // 2

    def sweep(self, *, now_s: float) -> None:
        """Forget idle series, and refusals: what was over a limit may fit by now."""
        used = slice(len(self._keys))
        idle = self.columns.seen_s[used] < now_s - self._limits.series_idle_s
        gone = np.flatnonzero(idle | (self.columns.state[used] == REFUSED))
        for slot in gone.tolist():
            if self._keys[slot] is not None:
                self._forget(slot)
        if len(gone):
            for index in (*self._indexes.values(), *self._points.values()):
                index.forget(gone)

    def _dead_slot(self, origin: Origin, key: bytes, refusal: Rejected | None, now_s: float) -> int:
        """A slot that takes no samples. Too many of them share one, or they would fill the book."""
        if not self._no_room_for_dead():
            slot = self._new_slot(origin, key, now_s)
            self._dead += 1
        else:
            slot = self._shared_slot(refusal.reason if refusal else None)
        self.columns.state[slot] = REFUSED if refusal else IGNORED
        if refusal:
            self._refusals[slot] = refusal
        return slot

    def _shared_slot(self, reason: Rejection | None) -> int:
        slot = self._shared.get(reason)
        if slot is None:
            slot = self._shared[reason] = self._allocate(None)
        return slot

    def _new_slot(self, origin: Origin, key: bytes, now_s: float) -> int:
        slot = self._allocate((origin, key))
        columns = self.columns
        columns.sid[slot] = columns.second[slot] = NO_SERIES
        columns.state[slot] = 0
        columns.scale[slot] = 1.0
        columns.seen_s[slot] = now_s
        self.table(origin)[key] = slot
        return slot

    def _allocate(self, entry: tuple[Origin, bytes] | None) -> int:
        if self._free:
            slot = self._free.pop()
            self._keys[slot] = entry
        else:
            slot = len(self._keys)
            self._keys.append(entry)
            self.columns.reserve(slot)
        return slot

    def _forget(self, slot: int) -> None:
        entry = self._keys[slot]
        assert entry is not None
        origin, key = entry
        del self.table(origin)[key]
        self.mapping.forget(slot)
        if self.columns.state[slot] == 0:
            self._budgets.close_series(self.tenants[self.columns.tenant[slot]])
        else:
            self._dead -= 1
        self._refusals.pop(slot, None)
        self._keys[slot] = None
        self._free.append(slot)

    def _resolve(
        self, origin: Origin, labels: Labels, *, now_s: float
    ) -> tuple[list[Series], TenantId, float, str]:
        """The series a metric feeds (none: not ours), whose they are, the unit's scale, the rule.

        The rule's name is what `mapping` shows.
        """
        name = labels.get("__name__", "")
        if not name:
            raise Rejected(Rejection.MISSING_NAME, "series without __name__", field="__name__")
        if repeated := labels.get(REPEATED):
            raise Rejected(
                Rejection.DUPLICATE_LABEL, f"label {repeated[:40]!r} occurs twice", field=repeated
            )
        if "" in labels:
            raise Rejected(Rejection.INVALID_FIELD, "a label without a name", field="labels")
        check_labels(labels, self._budgets.widest)
        feeds = self._catalog.feeds(name, labels)
        if not feeds:
            return [], UNKNOWN_TENANT, 1.0, ""
        tenant = self._resolver.tenant_of(labels, origin.claim)
        self._budgets.check_series(tenant, now_s=now_s)  # a flood is refused before more is done
        self._budgets.check_labels(tenant, labels)
        series = [self._series(origin, feed, tenant, labels) for feed in feeds]
        if len(self) - self._dead >= self._limits.series_total:
            raise Rejected(Rejection.TENANT_SERIES, "the collector holds as many series as it may")
        self._budgets.open_series(tenant, now_s=now_s)
        bucket = feeds[0].column is Column.LATENCY_BUCKET  # there the unit is that of the bound
        return series, tenant, 1.0 if bucket else feeds[0].scale, feeds[0].rule

    def _series(self, origin: Origin, feed: Feed, tenant: TenantId, labels: Labels) -> Series:
        resource, family = self._placed(feed, labels)
        bound = histogram = None
        if feed.column is Column.LATENCY_BUCKET:
            bound = _bound(labels) * feed.scale
            rest = {name: value for name, value in labels.items() if name != "le"}
            histogram = identity(tenant, feed.column, rest)
        elif feed.spare:
            histogram = identity(tenant, feed.column, labels)
        return Series(
            sid=0,
            identity=identity(tenant, feed.column, labels),
            tenant=tenant,
            resource=resource,
            family=family,
            column=feed.column,
            kind=feed.kind if feed.kind is MeterKind.GAUGE else origin.kind or feed.kind,
            bound=bound,
            histogram=histogram,
        )

    def _placed(self, feed: Feed, labels: Labels) -> tuple[ResourceId, Family]:
        family = feed.family
        if family is None and (said := labels.get("family")):
            family = _family(said)
        return self._resolver.resource_of(labels, family, feed.resource)

    def _declare(self, series: Series) -> int:
        """The sid of a series; other spellings of the same labels share it."""
        sid = self._sids.get(series.identity)
        if sid is None:
            sid = self._sids[series.identity] = len(self._sids)
            self.fresh.append(_numbered(series, sid))
        return sid

    def _tenant_index(self, tenant: TenantId) -> int:
        index = self._tenants.get(tenant)
        if index is None:
            index = self._tenants[tenant] = len(self.tenants)
            self.tenants.append(tenant)
        return index


def _numbered(one: Series, sid: int) -> Series:
    """`dataclasses.replace(one, sid=sid)`, in a quarter of the time."""
    return Series(
        sid, one.identity, one.tenant, one.resource, one.family, one.column, one.kind, one.bound,
        one.histogram,
    )  # fmt: skip


def identity(tenant: TenantId, column: Column, labels: Labels) -> str:
    """16 hex digits over whose, what and all labels: equal over restarts of the collector."""
    pairs = "".join(f"{len(k)}:{k}{len(v)}:{v}" for k, v in sorted(labels.items()))
    text = f"{len(tenant)}:{tenant}{column}|{pairs}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _bound(labels: Labels) -> float:
    text = labels.get("le", "")
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if math.isnan(bound) or bound < 0:
        raise Rejected(
            Rejection.INVALID_FIELD, f"le={text[:40]!r} is no upper bound: use a number", field="le"
        )
    return bound


def _family(text: str) -> Family:
    try:
        return Family(text)
    except ValueError:
        names = ", ".join(Family)
        raise Rejected(
            Rejection.INVALID_FIELD, f"family {text[:40]!r} is unknown, use {names}", field="family"
        ) from None
