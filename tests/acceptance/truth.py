"""One story told through every door: events → the messages senders would make of them.

A story runs over several scrapes; the first finds every counter at zero. Its platform may restart
once: the counters begin again, and the next scrape finds them at zero. Explicit buckets stand at
the default bounds, so that all doors must agree in every bucket.
"""

from __future__ import annotations

import bisect
import io
import itertools
import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import pyarrow as pa

from collector.decode.native_histogram import CUSTOM
from collector.model import BUCKETS, LATENCY_BOUNDS
from tests.collector.senders import (
    RW1_HEADERS,
    RW2_HEADERS,
    SymbolTable,
    field,
    native,
    otlp_point,
    otlp_protobuf,
    otlp_request,
    series,
    snappy,
    varint,
    write_request,
)

TENANTS = ("acme", "globex", "initech", "umbrella")
STEP_MS = 5_000


@dataclass(frozen=True, slots=True)
class Event:
    """One finished operation."""

    tenant: str
    micros: int
    failed: bool

    @property
    def seconds(self) -> float:
        return self.micros / 1e6


@dataclass(frozen=True, slots=True)
class Message:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Story:
    """`rounds[n]`: the events between scrape n and n+1; before round `restart` all begins anew."""

    begins_ms: int
    rounds: tuple[tuple[Event, ...], ...]
    restart: int = -1

    @classmethod
    def told(cls, begins_ms: int, *, seed: int, count: int, scrapes: int = 6, restart: int = -1):
        rng = random.Random(seed)
        done = [
            Event(
                rng.choice(TENANTS[: rng.randint(1, 4)]),
                round(10 ** rng.uniform(2.5, 6.5)),
                rng.random() < 0.1,
            )
            for _ in range(count)
        ]
        rounds = [tuple(done[number::scrapes]) for number in range(scrapes)]
        if restart >= 0:
            rounds.insert(restart, ())
        return cls(begins_ms, tuple(rounds), restart)

    @property
    def events(self) -> list[Event]:
        return [event for part in self.rounds for event in part]

    def at_ms(self, scrape: int) -> int:
        return self.begins_ms + scrape * STEP_MS

    def start_ms(self, scrape: int) -> int:
        """When the counters of a scrape began."""
        began_again = 0 <= self.restart < scrape
        return self.at_ms(self.restart) + 1 if began_again else self.begins_ms

    @cached_property
    def scrapes(self) -> list[dict[str, State]]:
        """What counters hold at every scrape, per tenant."""
        state = {tenant: State() for tenant in TENANTS}
        found = [state]
        for number, part in enumerate(self.rounds):
            if number == self.restart:
                state = {tenant: State() for tenant in TENANTS}
            state = {t: state[t].after([e for e in part if e.tenant == t]) for t in TENANTS}
            found.append(state)
        return found

    @cached_property
    def parts(self) -> list[dict[str, State]]:
        """What happened between a scrape and the next, per tenant."""
        return [
            {t: State().after([e for e in part if e.tenant == t]) for t in TENANTS}
            for part in self.rounds
        ]


@dataclass(frozen=True, slots=True)
class State:
    """Everything counted so far of one tenant."""

    events: tuple[Event, ...] = ()

    def after(self, more: Sequence[Event]) -> State:
        return State((*self.events, *more))

    @property
    def errors(self) -> int:
        return sum(event.failed for event in self.events)

    @property
    def micros(self) -> int:
        return sum(event.micros for event in self.events)

    def explicit(self) -> list[int]:
        """Disjoint counts at the default bounds."""
        counts = [0] * BUCKETS
        for event in self.events:
            counts[bisect.bisect_left(LATENCY_BOUNDS, event.seconds)] += 1
        return counts

    def exponential(self, schema: int) -> tuple[int, list[int]]:
        """Index of the first bucket (it ends at base^index), and the counts from there on."""
        ends = Counter(math.ceil(math.log2(e.seconds) * 2**schema) for e in self.events)
        if not ends:
            return 0, []
        return min(ends), [ends[index] for index in range(min(ends), max(ends) + 1)]


Totals = dict[tuple[str, str], int]


def expected(story: Story) -> Totals:
    """Integers the store must hold, by tenant and column."""
    sums = Counter[tuple[str, str]]()
    for event in story.events:
        bucket = bisect.bisect_left(LATENCY_BOUNDS, event.seconds)
        sums[event.tenant, "count"] += 1
        sums[event.tenant, "errors"] += event.failed
        sums[event.tenant, "busy_us"] += event.micros
        sums[event.tenant, "latency_sum_us"] += event.micros
        sums[event.tenant, f"b{bucket:02d}"] += 1
    return {key: value for key, value in sums.items() if value}


# --- remote write -------------------------------------------------------------------------------

_PLAIN = (
    ("partywall_errors_total", "errors", 1.0),
    ("partywall_busy_seconds_total", "micros", 1e6),
)


def named(metric: str, tenant: str, **more: str) -> dict[str, str]:
    return {"__name__": metric, "tenant": tenant, "resource": "db:shard-1", **more}


def counters(state: Mapping[str, State]) -> Iterator[tuple[dict[str, str], float]]:
    """The plain counters of a scrape."""
    for tenant, one in state.items():
        for metric, attribute, unit in _PLAIN:
            yield named(metric, tenant), getattr(one, attribute) / unit


def classic(state: Mapping[str, State]) -> Iterator[tuple[dict[str, str], float]]:
    """Plain counters and classic histograms of a scrape."""
    yield from counters(state)
    for tenant, one in state.items():
        below = itertools.accumulate(one.explicit())
        for le, count in zip([*map(repr, LATENCY_BOUNDS), "+Inf"], below, strict=True):
            yield named("partywall_latency_seconds_bucket", tenant, le=le), count
        yield named("partywall_latency_seconds_count", tenant), len(one.events)
        yield named("partywall_latency_seconds_sum", tenant), one.micros / 1e6


def _native(one: State, at_ms: int, form: str, start_ms: int) -> bytes:
    total = one.micros / 1e6
    if form == "custom":
        bounds = LATENCY_BOUNDS
        return native(at_ms, one.explicit(), schema=CUSTOM, custom=bounds, total=total)
    schema = 5 if form == "float" else 2
    first, counts = one.exponential(schema)
    more = {"start_ms": start_ms} if form == "started" else {}
    floats = form == "float"
    return native(at_ms, counts, schema=schema, first=first, total=total, floats=floats, **more)


def rw1(story: Story, form: str = "classic") -> list[Message]:
    """Remote write 1.0; `form` of the histograms: classic, int, float, custom."""
    found = []
    for scrape, state in enumerate(story.scrapes):
        at = story.at_ms(scrape)
        plain = classic(state) if form == "classic" else counters(state)
        entries = [series(labels, [(value, at)]) for labels, value in plain]
        for tenant, one in state.items() if form != "classic" else ():
            made = _native(one, at, form, story.start_ms(scrape))
            entries.append(series(named("partywall_latency_seconds", tenant), []) + field(4, made))
        found.append(Message("/api/v1/write", RW1_HEADERS, snappy(write_request(*entries))))
    return found


def rw2(story: Story, form: str = "classic") -> list[Message]:
    """Remote write 2.0, with the counters' start; `form` as for `rw1`, or started."""
    found = []
    for scrape, state in enumerate(story.scrapes):
        at, table = story.at_ms(scrape), SymbolTable()
        start = b"\x30" + varint(story.start_ms(scrape))
        plain = classic(state) if form == "classic" else counters(state)
        entries = [table.series(labels, [(value, at)]) + start for labels, value in plain]
        for tenant, one in state.items() if form != "classic" else ():
            made = _native(one, at, form, story.start_ms(scrape))
            labels = named("partywall_latency_seconds", tenant)
            entries.append(table.native_series(labels, made))
        found.append(Message("/api/v1/write", RW2_HEADERS, snappy(table.request(*entries))))
    return found


# --- OpenTelemetry ------------------------------------------------------------------------------


def otlp(story: Story, *, delta: bool, exponential: bool, as_json: bool) -> list[Message]:
    """OTLP/HTTP, in all its forms."""
    states = story.parts if delta else story.scrapes
    found = []
    for number, state in enumerate(states):
        scrape = number + delta
        start = story.at_ms(number) if delta else story.start_ms(scrape)
        times = (story.at_ms(scrape), start)
        metrics = [*_otlp_sums(state, times, delta=delta)]
        metrics.append(_otlp_histogram(state, times, delta=delta, exponential=exponential))
        request = otlp_request(metrics, {"service.name": "api"})
        kind = "application/json" if as_json else "application/x-protobuf"
        body = json.dumps(request).encode() if as_json else otlp_protobuf(request)
        found.append(Message("/v1/metrics", {"Content-Type": kind}, body))
    return found


def _otlp_sums(
    state: Mapping[str, State], times: tuple[int, int], *, delta: bool
) -> Iterator[dict[str, object]]:
    for name, unit, attribute, scale in (
        ("partywall.errors", "{operation}", "errors", 1),
        ("partywall.busy", "s", "micros", 1e6),
    ):
        points = [
            otlp_point(
                {"tenant.id": tenant, "resource": "db:shard-1"},
                *times,
                asDouble=getattr(one, attribute) / scale,
            )
            for tenant, one in state.items()
        ]
        data = {"dataPoints": points, "isMonotonic": True}
        yield {"name": name, "unit": unit, "sum": {**data, **_temporality(delta)}}


def _otlp_histogram(
    state: Mapping[str, State], times: tuple[int, int], *, delta: bool, exponential: bool
) -> dict[str, object]:
    points = []
    for tenant, one in state.items():
        values: dict[str, object] = {"count": str(len(one.events)), "sum": one.micros / 1e6}
        if exponential:
            first, counts = one.exponential(4)
            side = {"offset": first - 1, "bucketCounts": [str(count) for count in counts]}
            values |= {"scale": 4, "zeroCount": "0", "positive": side}
        else:
            values["bucketCounts"] = [str(count) for count in one.explicit()]
            values["explicitBounds"] = list(LATENCY_BOUNDS)
        labels = {"tenant.id": tenant, "resource": "db:shard-1"}
        at_ms, start_ms = times
        points.append(otlp_point(labels, at_ms, start_ms, **values))
    kind = "exponentialHistogram" if exponential else "histogram"
    data = {"dataPoints": points, **_temporality(delta)}
    return {"name": "partywall.latency", "unit": "s", kind: data}


def _temporality(delta: bool) -> dict[str, object]:
    return {"aggregationTemporality": 1 if delta else 2}


# --- native rows --------------------------------------------------------------------------------


def rows(story: Story, *, arrow: bool) -> list[Message]:
    """Finished usage rows, one batch a round."""
    found = []
    for number, state in enumerate(story.parts):
        made = [
            {
                "ts": story.at_ms(number) / 1000,
                "window_s": STEP_MS // 1000,
                "tenant": tenant,
                "resource": "db:shard-1",
                "family": "query",
                "count": len(one.events),
                "errors": one.errors,
                "busy_s": one.micros / 1e6,
                "latency_sum_s": one.micros / 1e6,
                "latency_buckets": one.explicit(),
            }
            for tenant, one in state.items()
        ]
        body = _arrow(made) if arrow else "\n".join(map(json.dumps, made)).encode()
        kind = "application/vnd.apache.arrow.stream" if arrow else "application/x-ndjson"
        headers = {"Content-Type": kind, "X-Partywall-Batch": f"round-{number}"}
        found.append(Message("/api/v1/usage", headers, body))
    return found


def _arrow(made: list[dict[str, object]]) -> bytes:
    table = pa.Table.from_pylist(made)
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


Door = Callable[[Story], list[Message]]

DOORS: dict[str, Door] = {
    "remote write 1": rw1,
    "remote write 2": rw2,
    **{f"remote write 1, native {form}": partial(rw1, form=form) for form in ("int", "custom")},
    **{f"remote write 2, native {form}": partial(rw2, form=form) for form in ("float", "started")},
    **{
        f"OTLP {'JSON' if as_json else 'protobuf'}, {'delta' if delta else 'cumulative'}, "
        f"{'exponential' if exponential else 'explicit'}": partial(
            otlp, delta=delta, exponential=exponential, as_json=as_json
        )
        for as_json, delta, exponential in itertools.product((False, True), repeat=3)
    },
    "NDJSON": partial(rows, arrow=False),
    "Arrow": partial(rows, arrow=True),
}
