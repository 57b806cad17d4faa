"""Bodies as a platform's agents would send them: twelve series a tenant, cumulative counters.

All bodies of a block of series differ only in eight bytes of value and a time: a template is made
once, and each step's numbers are written into it. So a million samples are ready in a second.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cramjam
import numpy as np

SERIES = 12
SHARDS = 16
STEP_MS = 15_000
BOUNDS = ("0.005", "0.025", "0.1", "0.5", "2.5", "+Inf")
_T6 = 6  # bytes of a present-day millisecond time as a varint

Labels = Mapping[str, str]


def labels_of(tenant: int) -> list[dict[str, str]]:
    """The twelve series of a tenant, in the order they are sent."""
    own = {
        "instance": f"10.4.{tenant % 8}.{tenant % 251}:9100",
        "job": "platform",
        "shard": f"shard-{tenant % SHARDS:02d}",
        "tenant": f"tenant-{tenant:06d}",
    }
    names = [
        "partywall_finished_total", "partywall_errors_total", "partywall_latency_seconds_sum",
        "partywall_busy_seconds_total", "partywall_volume_total", "partywall_waiting",
    ]  # fmt: skip
    buckets = [{"__name__": "partywall_latency_seconds_bucket", "le": le} for le in BOUNDS]
    return [{**one, **own} for one in [*({"__name__": name} for name in names), *buckets]]


def values(tenants: np.ndarray, step: int) -> np.ndarray:
    """[tenants, 12] cumulative values at a step: whole counts, full doubles for seconds."""
    rate = 1.0 + 4000.0 / (1.0 + tenants % 997)
    count = np.floor(rate * (step + 1) * 15.0) + 1
    found = np.empty((len(tenants), SERIES))
    found[:, 0], found[:, 1] = count, np.floor(count / 61) + 1
    found[:, 2] = count * 0.0317 + np.sin(tenants + step) * 1e-3 + 1
    found[:, 3] = count * 0.0113 + np.cos(tenants + step) * 1e-3 + 1
    found[:, 4], found[:, 5] = count * 7, 1 + (tenants + step) % 13
    for place, share in enumerate((0.2, 0.6, 0.9, 0.98, 0.999, 1.0)):
        found[:, 6 + place] = np.floor(count * share)
    return found


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


@dataclass(frozen=True, slots=True)
class Template:
    """Raw bytes, and where in them each sample's value and each time stands."""

    raw: np.ndarray
    value_at: np.ndarray
    time_at: np.ndarray
    fixed_time: bool = False  # 8 bytes of nanoseconds instead of a varint of milliseconds

    def fill(self, numbers: np.ndarray, ts_ms: int) -> bytes:
        """The body of one step."""
        raw = self.raw.copy()
        flat = np.ascontiguousarray(numbers.ravel(), "<f8")
        raw[self.value_at[:, None] + np.arange(8)] = flat.view(np.uint8).reshape(-1, 8)
        time = struct.pack("<Q", ts_ms * 10**6) if self.fixed_time else varint(ts_ms)
        raw[self.time_at[:, None] + np.arange(len(time))] = np.frombuffer(time, np.uint8)
        return raw.tobytes()


class _Builder:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.length = 0
        self.value_at: list[int] = []
        self.time_at: list[int] = []

    def add(self, part: bytes) -> int:
        """Append; returns where it begins."""
        self.parts.append(part)
        self.length += len(part)
        return self.length - len(part)

    def template(self, **more: object) -> Template:
        raw = np.frombuffer(b"".join(self.parts), np.uint8)
        places = (np.array(self.value_at, np.int64), np.array(self.time_at, np.int64))
        return Template(raw, *places, **more)  # type: ignore[arg-type]


SAMPLE = b"\x12\x10\x09" + bytes(8) + b"\x10" + bytes(_T6)


def remote_write(tenants: np.ndarray) -> Template:
    """`prometheus.WriteRequest`."""
    build = _Builder()
    for tenant in tenants.tolist():
        for labels in labels_of(tenant):
            pairs = sorted(labels.items())
            head = b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in pairs)
            at = build.add(b"\x0a" + varint(len(head) + len(SAMPLE)) + head + SAMPLE)
            end = at + len(build.parts[-1])
            build.value_at.append(end - 15)
            build.time_at.append(end - _T6)
    return build.template()


def remote_write_v2(tenants: np.ndarray) -> Template:
    """`io.prometheus.write.v2.Request`: symbols, then references."""
    symbols: dict[str, int] = {"": 0}
    entries = []
    for tenant in tenants.tolist():
        for labels in labels_of(tenant):
            words = [word for pair in sorted(labels.items()) for word in pair]
            refs = b"".join(varint(symbols.setdefault(word, len(symbols))) for word in words)
            entries.append(field(1, refs) + SAMPLE)
    build = _Builder()
    build.add(b"".join(field(4, word.encode()) for word in symbols))
    for entry in entries:
        end = build.add(field(5, entry)) + len(build.parts[-1])
        build.value_at.append(end - 15)
        build.time_at.append(end - _T6)
    return build.template()


def otlp(tenants: np.ndarray) -> Template:
    """`ExportMetricsServiceRequest`: one resource, four sums and a gauge with a point a tenant."""
    build = _Builder()
    names = [("partywall.finished", "", 7), ("partywall.errors", "", 7),
             ("partywall.busy", "s", 7), ("partywall.volume", "", 7),
             ("partywall.waiting", "", 5)]  # fmt: skip
    metrics: list[bytes] = []
    offset = 0
    spots: list[tuple[int, int]] = []
    for name, unit, kind in names:
        head = field(1, name.encode()) + (field(3, unit.encode()) if unit else b"")
        points = []
        for tenant in tenants.tolist():
            own = labels_of(tenant)[0]
            attributes = b"".join(_attribute(7, k, own[k]) for k in ("shard", "tenant"))
            points.append(field(1, b"\x19" + bytes(8) + b"\x21" + bytes(8) + attributes))
        body = b"".join(points) + (b"\x10\x02\x18\x01" if kind == 7 else b"")
        metric = field(2, head + field(kind, body))
        at = offset + metric.index(points[0]) if points else offset
        for point in points:
            inner = at + 1 + len(varint(len(point) - 2))  # behind tag and length
            spots.append((inner + 1, inner + 10))
            at += len(point)
        metrics.append(metric)
        offset += len(metric)
    wrapped = field(1, field(1, _attribute(1, "service.name", "platform"))
                    + field(2, b"".join(metrics)))  # fmt: skip
    shift = wrapped.index(metrics[0])
    build.add(wrapped)
    for time_at, value_at in spots:
        build.time_at.append(time_at + shift)
        build.value_at.append(value_at + shift)
    return build.template(fixed_time=True)


def _attribute(number: int, key: str, value: str) -> bytes:
    return field(number, field(1, key.encode()) + field(2, field(1, value.encode())))


@dataclass(frozen=True, slots=True)
class Form:
    """How a body is shaped and addressed."""

    name: str
    template: Callable[[np.ndarray], Template]
    columns: tuple[int, ...]
    press: Callable[[bytes], bytes]
    headers: Labels


def _snappy(body: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(body))


_EVERY = tuple(range(SERIES))
RW1 = Form("RW1", remote_write, _EVERY, _snappy, {
    "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
})  # fmt: skip
RW2 = Form("RW2", remote_write_v2, _EVERY, _snappy, {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "2.0.0",
})  # fmt: skip
OTLP = Form("OTLP", otlp, (0, 1, 3, 4, 5), bytes, {"Content-Type": "application/x-protobuf"})
FORMS = {form.name: form for form in (RW1, RW2, OTLP)}


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: `bodies[step][connection]` are compressed bodies of about `size` samples."""

    form: Form
    tenants: int
    size: int
    connections: int
    bodies: list[list[list[bytes]]]

    @property
    def samples_a_step(self) -> int:
        return self.tenants * len(self.form.columns)

    @property
    def steps(self) -> int:
        return len(self.bodies)


def load(form: Form, tenants: int, size: int, connections: int, steps: int, end_ms: int) -> Load:
    """Everything of a run, ready to be sent. A series stays with one connection."""
    of_a_body = max(1, size // len(form.columns))
    blocks = [np.arange(at, min(at + of_a_body, tenants)) for at in range(0, tenants, of_a_body)]
    bodies: list[list[list[bytes]]] = [[[] for _ in range(connections)] for _ in range(steps)]
    for number, (block, template) in enumerate(_templates(form, blocks)):
        for step in range(steps):
            numbers = values(block, step)[:, form.columns]
            if form is OTLP:
                numbers = numbers.T
            body = template.fill(numbers, end_ms - (steps - 1 - step) * STEP_MS)
            bodies[step][number % connections].append(form.press(body))
    return Load(form, tenants, size, connections, bodies)


def _templates(form: Form, blocks: list[np.ndarray]) -> Iterator[tuple[np.ndarray, Template]]:
    for block in blocks:
        yield block, form.template(block)
