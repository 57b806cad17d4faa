"""Recent windows of every resource, in memory, fed from the store a cycle at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from analyzer.detect import DetectSettings, ResourceWindows, learn
from analyzer.detect.arrays import LOCKS, MEASURES, SIGNALS
from analyzer.detect.season import Season, seasoned
from analyzer.model import Incident, Kind
from analyzer.store.database import Store
from analyzer.usage import baseline
from analyzer.usage.quantiles import middles
from analyzer.usage.ring import AHEAD, Ring
from collector.model import GRAIN_S, LATENCY_BOUNDS, ResourceId, ResourceKind, TenantId

_NEVER = datetime.max.replace(tzinfo=UTC)

SHY = 3
"""Grains between two attempts to learn something while nothing is known."""

SLICE = 100_000
"""Rows read from the store at a time; at least `SLICE_S` of them."""

SLICE_S = timedelta(seconds=30)

_SEASONAL = (
    "demand", "demand_spread", "felt", "felt_spread", "demand_before", "felt_before",
)  # fmt: skip
_SUMS = [place for place, name in enumerate(SIGNALS) if name != "log_latency"]


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """TOML section `[windows]`. `length_s` of history is held in memory; windows of the last
    `late_s` are read again each cycle, so that late rows count; what is normal is learned again
    every `learn_every_s`. Harm that lasts longer than `accept_s` is the new normal: from then on
    its windows teach again.
    """

    length_s: int = 5400
    late_s: int = 60
    learn_every_s: int = 300
    accept_s: int = 6 * 3600

    def problems(self) -> list[str]:
        """Every invalid value at once, as "key: what, remedy"."""
        found = []
        if self.length_s < 1800:
            found.append("windows.length_s: the detector needs at least 1800 seconds of history")
        if self.late_s < 0:
            found.append("windows.late_s: must not be negative")
        if self.learn_every_s < GRAIN_S:
            found.append(f"windows.learn_every_s: must be at least {GRAIN_S}")
        return found


class Windows:
    """Rings of all resources. `advance` reads what is new; iterating gives all of each ring.

    `ahead` is for how many grains `take_ahead` needs room.
    """

    def __init__(
        self,
        store: Store | None,
        settings: WindowSettings | None = None,
        detect: DetectSettings | None = None,
        ahead: int = AHEAD,
    ) -> None:
        self._store = store
        self._settings = settings or WindowSettings()
        self._detect = detect or DetectSettings()
        self._ahead = ahead
        self._rings: dict[ResourceId, Ring] = {}
        self._epoch = store.epoch if store else 0
        self._until: datetime | None = None
        self._wrote: datetime | None = None
        self._hour: datetime | None = None
        self._seasons: Mapping[ResourceId, pl.DataFrame] = {}
        self._plans: Mapping[str, str] = {}
        self._planned_at: datetime | None = None

    def __iter__(self) -> Iterator[ResourceWindows]:
        for ring in self._rings.values():
            yield ring.windows()

    def newer(self, seen: Mapping[ResourceId, np.datetime64]) -> Iterator[ResourceWindows]:
        """Those whose newest window is not the one `seen`: what was judged is not read again."""
        for ring in self._rings.values():
            newest = ring.newest
            if newest is not None and seen.get(ring.resource) != newest:
                yield ring.windows(self._looked_at(ring))

    def _looked_at(self, ring: Ring) -> int | None:
        """Newest windows the detector reads where it knows what is normal (None: all)."""
        if ring.normal is None:
            return None
        settings = self._detect.at_grain(ring.window_s)
        return settings.recent + settings.smooth

    @property
    def kinds(self) -> dict[ResourceId, ResourceKind]:
        return {ring.resource: ring.kind for ring in self._rings.values()}

    def wrote(self, since: datetime | None) -> None:
        """New usage begins at `since` (None: there is none): the next `advance` reads from there,
        and what it has not read yet. Without this word it reads all of `late_s` again."""
        known = [at for at in (self._wrote, since) if at is not None]
        self._wrote = min(known, default=_NEVER)

    def advance(self, until: datetime) -> None:
        """Read usage up to `until` (aware; complete windows only) and learn what is due."""
        if self._store is None:
            raise RuntimeError("these windows have no store: feed them with `take_ahead`")
        if self._epoch != self._store.epoch:  # another database: its rows may bear other names
            self._rings.clear()
            self._epoch, self._until, self._hour = self._store.epoch, None, None
        since = until - timedelta(seconds=self._settings.length_s)
        if self._until is not None:
            late = self._until - timedelta(seconds=self._settings.late_s)
            since = max(since, late, min(self._until, self._wrote or late))
        self._wrote = None if self._wrote is None else _NEVER
        kinds = self._store.rows("windows_resources")
        for resource, kind, capacity in kinds:
            self.describe(resource, kind, capacity)
        self._turn(self._store, until)
        self._know_plans(self._store, until)
        for begins, ends, frame in _slices(self._store, since, until):
            self._replace(frame, since=begins, until=ends)
        self.show(until)

    def _turn(self, store: Store, until: datetime) -> None:
        """Each hour of the week has its own habits."""
        newest = until - timedelta(seconds=GRAIN_S)
        hour = newest.replace(minute=0, second=0, microsecond=0)
        if hour == self._hour:
            return
        self._hour = hour
        before = baseline.of_hour(store, hour - timedelta(hours=1)).select(
            "resource", "tenant", demand_before="demand", felt_before="felt"
        )
        known = baseline.of_hour(store, hour).join(before, on=["resource", "tenant"], how="left")
        parts_ = known.partition_by("resource", as_dict=True)
        self._seasons = {ResourceId(str(key[0])): part for key, part in parts_.items()}
        for ring in self._rings.values():
            self._expect(ring)

    def _know_plans(self, store: Store, until: datetime) -> None:
        """A new tenant is held against its plan's; plans change seldom."""
        every = timedelta(seconds=self._settings.learn_every_s)
        if self._planned_at is None or until - self._planned_at >= every:
            self._planned_at = until
            known = dict(store.rows("windows_plans"))
            self._plans = self._plans if known == self._plans else known
        for ring in self._rings.values():
            ring.plans = self._plans

    def describe(self, resource: ResourceId, kind: str | None, capacity: float | None) -> None:
        """Tell what a resource is; a resource only seen in usage is a database without capacity."""
        ring = self._ring(resource)
        ring.kind = ResourceKind(kind) if kind in set(ResourceKind) else ring.kind
        ring.capacity = capacity if capacity and capacity > 0 else None

    def _replace(self, narrow: pl.DataFrame, *, since: datetime, until: datetime) -> None:
        """Replace the windows since..until by these rows (columns of `recent_usage`)."""
        end = _grain(until)
        for resource in narrow["resource"].unique() if narrow.height else ():
            self._ring(ResourceId(resource))
        for ring in self._rings.values():
            ring.advance(end)
            ring.clear(_grain(since))
        for part in parts(narrow) if narrow.height else ():
            feed(self._ring(part.resource), part)
        self._until = until

    def take_ahead(self, narrow: pl.DataFrame, *, until: datetime) -> None:
        """Write rows (ts, tenant, resource, window_s and the measures) up to `until` before their
        time; `show` then lets windows be seen one by one."""
        for part in parts(narrow) if narrow.height else ():
            ring = self._ring(part.resource)
            ring.reserve(_grain(until))
            feed(ring, part)
        for ring in self._rings.values():
            ring.reserve(_grain(until))

    def show(self, until: datetime) -> None:
        """Let windows up to `until` be seen, and learn what is due."""
        end = _grain(until)
        for ring in self._rings.values():
            ring.advance(end)
        self._learn(end)

    def exclude(self, incidents: Iterable[Incident]) -> None:
        """Poison the windows of incidents: harm never teaches what is normal (self-inflicted harm
        is one tenant's and robust statistics bear it)."""
        for incident in incidents:
            ring = self._rings.get(incident.resource)
            if ring is not None and incident.kind is not Kind.SELF_INFLICTED:
                accepted = incident.started_at + timedelta(seconds=self._settings.accept_s)
                end = min(incident.ended_at or incident.updated_at, accepted)
                ring.poison(_grain(incident.started_at), _grain(end) + 1)

    def _ring(self, resource: ResourceId) -> Ring:
        ring = self._rings.get(resource)
        if ring is None:
            length = self._settings.length_s // GRAIN_S
            ring = Ring(resource, ResourceKind.DATABASE, None, length, self._ahead)
            self._rings[resource] = ring
        return ring

    def _learn(self, end: int) -> None:
        """Learn for rings that know nothing yet, and for a few of those that are due: all at once
        would make one cycle in thirty slow."""
        every = self._settings.learn_every_s // GRAIN_S
        rings = list(self._rings.values())
        due = [r for r in rings if r.normal is not None and end - r.learned_at >= every]
        due.sort(key=lambda r: r.learned_at)
        few = due[: 1 + 2 * len(rings) // every]
        for ring in [r for r in rings if r.normal is None and end - r.learned_at >= SHY] + few:
            ring.choose_window()
            ring.trailing = learn(ring.windows(), self._detect) or ring.trailing
            self._expect(ring)
            ring.learned_at = end

    def _expect(self, ring: Ring) -> None:
        """What is normal now: what the last hours taught, drawn toward the hour of the week."""
        ring.normal, known = ring.trailing, self._seasons.get(ring.resource)
        if ring.trailing is not None and known is not None:
            who = ring.tenants[: ring.trailing.demand.size]
            ring.normal = seasoned(ring.trailing, season_of(known, who), self._absorbed(ring))

    def _absorbed(self, ring: Ring) -> float:
        """The part of the trailing windows that lies in this hour of the week."""
        if self._hour is None:
            return 0.0
        inside = ring.end * GRAIN_S - self._hour.timestamp()
        return min(max(inside / self._settings.length_s, 0.0), 1.0)


def _slices(
    store: Store, since: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime, pl.DataFrame]]:
    """Recent usage in pieces of about `SLICE` rows: after a start an hour and a half is read, which
    whole would be more than the memory of the rings themselves."""
    middle = bucket_middles({int(i): tuple(b) for i, b in store.rows("windows_bounds")})
    span, ends = SLICE_S, since
    if until - since > SLICE_S:
        (oldest,) = store.rows("oldest_recent", since=_naive(since), until=_naive(until))[0]
        ends = until if oldest is None else max(oldest.replace(tzinfo=UTC), since)
    while since < until:
        ends = min(ends + span, until)
        if until - ends < span / 2:  # a crumb is not worth a question of its own
            ends = until
        frame = store.frame("recent_usage", since=_naive(since), until=_naive(ends), middles=middle)
        yield since, ends, frame
        if frame.height:  # how much a silent stretch is followed by, it does not tell
            span = max(SLICE_S, min(span * min(SLICE / frame.height, 2.0), until - since))
        since = ends


def season_of(known: pl.DataFrame, tenants: Sequence[TenantId]) -> Season:
    """Rows of `baseline.of_hour` of one resource as arrays in the order of `tenants`."""
    order = pl.DataFrame({"tenant": list(tenants)}, schema={"tenant": pl.String})
    rows = order.join(known, on="tenant", how="left", maintain_order="left")
    return Season(
        weeks=rows["weeks"].cast(pl.Float64).fill_null(0.0).to_numpy(),
        **{name: rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in _SEASONAL},
    )


@dataclass(frozen=True, slots=True)
class Part:
    """One resource's rows: `rows` [measures, n] of tenant `tenants[who[n]]` from grain `grains[n]`
    on, `widths[n]` seconds long."""

    resource: ResourceId
    tenants: list[TenantId]
    who: npt.NDArray[np.int64]
    grains: npt.NDArray[np.int64]
    widths: npt.NDArray[np.int64]
    rows: npt.NDArray[np.float32]


def parts(narrow: pl.DataFrame) -> Iterator[Part]:
    """Narrow rows (ts, tenant, resource, window_s and the measures) by resource, in the order in
    which resources appear.

    Everything that is a column's work is done once for all resources: with 500 of them a part a
    resource would be a hundred small operations each.
    """
    resources = narrow["resource"].unique(maintain_order=True)
    of = narrow["resource"].cast(pl.Enum(resources)).to_physical().to_numpy()
    order = np.argsort(of, kind="stable")
    names = narrow["tenant"].unique(maintain_order=True)
    who = narrow["tenant"].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int64)[order]
    grains = (narrow["ts"].dt.epoch("s").to_numpy() // GRAIN_S)[order]
    widths = narrow["window_s"].cast(pl.Int64).fill_null(GRAIN_S).to_numpy()[order]
    told = SIGNALS if all(name in narrow.columns for name in LOCKS) else MEASURES
    columns = [narrow[m].cast(pl.Float32).fill_null(np.nan).to_numpy() for m in told]
    rows = np.stack(columns)[:, order]
    edges = np.searchsorted(of[order], np.arange(len(resources) + 1))
    known = [TenantId(name) for name in names.to_list()]
    for resource, low, high in zip(resources.to_list(), edges, edges[1:], strict=False):
        mine, places = np.unique(who[low:high], return_inverse=True)
        own = rows[:, low:high]
        if not np.isfinite(own[len(MEASURES) :]).any():
            own = own[: len(MEASURES)]  # few resources have locks: the others need no room
        yield Part(
            ResourceId(resource), [known[i] for i in mine.tolist()], places, grains[low:high],
            widths[low:high], own,
        )  # fmt: skip


def feed(ring: Ring, part: Part) -> None:
    """Write one resource's rows into its ring.

    A row of a longer window is spread over the grains it covers, sums divided, so that history at
    a minute does not look like bursts of one grain in six.
    """
    who, grains, widths, rows = part.who, part.grains, part.widths, part.rows
    pieces = np.maximum(widths // GRAIN_S, 1)
    if (pieces > 1).any():
        rows = rows.copy()
        rows[[place for place in _SUMS if place < len(rows)]] /= pieces
        whose = np.repeat(np.arange(pieces.size), pieces)
        ahead = np.arange(whose.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        who, grains, widths = who[whose], grains[whose] + ahead, widths[whose]
        rows = rows[:, whose]
    ring.write(part.tenants, who, grains, rows, widths)


def bucket_middles(bounds: Mapping[int, Sequence[float]]) -> list[list[float]]:
    """Of each known set of bounds its id and the middles of its buckets, for `recent_usage`."""
    known = {0: LATENCY_BOUNDS, **bounds}
    return [[float(number), *middles(edges).tolist()] for number, edges in known.items()]


def add_up(narrow: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Rows of equal `keys` become one: sums (unknown only if all are), log latency weighted by
    the column `timed`, the longest `window_s`."""
    sums = [
        pl.when(pl.col(m).count() > 0).then(pl.col(m).sum()).alias(m)
        for m in SIGNALS
        if m != "log_latency" and m in narrow.columns
    ]
    weight = pl.when(pl.col("log_latency").is_finite()).then(pl.col("timed")).otherwise(0.0)
    log = (pl.col("log_latency").fill_nan(0.0) * weight).sum() / weight.sum()
    return narrow.group_by(keys, maintain_order=True).agg(
        pl.col("window_s").max(), log.alias("log_latency"), *sums
    )


def _grain(moment: datetime) -> int:
    return int(moment.timestamp()) // GRAIN_S


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
