"""Prometheus text format 0.0.4 and OpenMetrics → arrays.

A series is known by the text before its value, as in `decode.remote_write`. Known lines are read by
a compiled loop where there is one; else each costs a split, a lookup and a float. Only a new one
has its labels read.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from types import ModuleType

import numpy as np

from collector.decode.compression import Plain
from collector.keys import KeyIndex, page_loops
from collector.model import Rejected, Rejection
from collector.readings import Readings, Refused
from collector.series import LONG_KEY, REPEATED, Origin, SeriesBook, short_key

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*(?P<quoted>")?(?P<name>(?(quoted)(?:[^"\\]|\\.)*"|[^\s="{},]+))\s*')
_VALUE = re.compile(r'=\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n"}


def decode(
    body: bytes,
    book: SeriesBook,
    origin: Origin,
    *,
    now_ms: int,
    max_series: int,
    openmetrics: bool = False,
) -> Readings:
    """Read a whole page; a line that cannot be read is refused by its number, the rest is kept.

    A line without a timestamp gets `now_ms`. OpenMetrics timestamps are seconds, text ones
    milliseconds. Raises Rejected(TOO_MANY_FIELDS) beyond `max_series` lines.
    """
    if body.count(b"\n") >= max_series:
        raise Rejected(Rejection.TOO_MANY_FIELDS, f"more than {max_series} lines on the page")
    unit_ms = 1000.0 if openmetrics else 1.0
    loops = page_loops()
    page = _Page(book, origin, now_ms, unit_ms)
    if loops is not None:
        return _compiled(loops, body, book.index(origin), page)
    start = 0
    for line in body.split(b"\n"):
        page.read(body, start, start + len(line))
        start += len(line) + 1
    return page.readings()


def _compiled(loops: ModuleType, body: bytes, index: KeyIndex, page: _Page) -> Readings:
    """What `page` says of all lines, known ones by the compiled loop."""
    plain = Plain.of(body)
    slots, ts_ms, values, others = index.scratch(body.count(b"\n") + 1)
    count, left = loops.page(
        plain.room, plain.length, page.unit_ms, page.now_ms, index.seed, index.table,
        index.entries, index.known, index.arena, slots, ts_ms, values, others,
    )  # fmt: skip
    found = Readings(slots[:count].copy(), ts_ms[:count].copy(), values[:count].copy())
    if not left:
        return found
    learnt: list[tuple[int, int, int]] = []
    for start, stop, end in others[:left, :3].tolist():
        taken = page.read(body, start, stop)
        key = body[start:end] if 0 < end - start <= LONG_KEY else None
        if taken is not None and taken[1] == key and page.is_kept(taken[0]):
            learnt.append((start, end, taken[0]))
    known = np.array(learnt, np.int64).reshape(-1, 3)
    index.remember(plain.room, known[:, :2].copy(), known[:, 2].copy())
    return found.followed_by(page.readings())


class _Page:
    def __init__(self, book: SeriesBook, origin: Origin, now_ms: int, unit_ms: float) -> None:
        self._book = book
        self._origin = origin
        self._known = book.table(origin)
        self.now_ms = now_ms
        self.unit_ms = unit_ms
        self.is_kept = book.is_kept
        self._slots: list[int] = []
        self._ts_ms: list[int] = []
        self._values: list[float] = []
        self._refused: Refused | None = None

    def read(self, body: bytes, start: int, stop: int) -> tuple[int, bytes] | None:
        """Take the line body[start:stop], or count it as refused. The slot of its sample, and the
        key it was read by."""
        line = body[start:stop]
        if not line or line.startswith(b"#"):
            return None
        try:
            return self.line(line)
        except (Rejected, ValueError, OverflowError) as error:
            self._refuse(body, start, error)
            return None

    def line(self, line: bytes) -> tuple[int, bytes] | None:
        """Take one sample line; None when it is blank."""
        end = line.rfind(b"}") + 1
        if end and (exemplar := line.find(b"# {", line.find(b"}"))) >= 0:
            line = line[:exemplar]
            end = line.rfind(b"}") + 1
        if not end:
            line = line.strip()
            end = len(line.split(None, 1)[0]) if line else 0
        key, rest = line[:end].strip(), line[end:].split()
        if not key and not rest:
            return None
        if not 1 <= len(rest) <= 2 or not key:
            raise ValueError("expected name{labels} value [timestamp]")
        value, ts_ms = _number(rest[0]), self._time(rest)
        slot = self._known.get(short_key(key))
        if slot is None:
            labels = labels_of(key.decode())
            slot = self._book.learn(self._origin, short_key(key), labels, now_s=self.now_ms / 1000)
        self._slots.append(slot)
        self._ts_ms.append(ts_ms)
        self._values.append(value)
        return slot, key

    def _time(self, rest: list[bytes]) -> int:
        if len(rest) == 1:
            return self.now_ms
        ms = float(rest[1]) * self.unit_ms
        if not abs(ms) < 2**62:
            raise ValueError("timestamp out of range")
        return round(ms)

    def _refuse(self, body: bytes, start: int, error: Exception) -> None:
        """Count a line that cannot be read; the first one is told."""
        if self._refused is None:
            number = body.count(b"\n", 0, start) + 1
            self._refused = Refused(Rejection.MALFORMED, 0, f"line {number}: {error}")
        self._refused = replace(self._refused, count=self._refused.count + 1)

    def readings(self) -> Readings:
        """All lines taken so far."""
        return Readings(
            np.array(self._slots, np.int64),
            np.array(self._ts_ms, np.int64),
            np.array(self._values, np.float64),
            None,
            (self._refused,) if self._refused else (),
        )


def _number(text: bytes) -> float:
    if b"_" in text:  # Python reads 1_000, nobody else does
        raise ValueError(f"{text[:40]!r} is no number")
    value = float(text)
    return math.nan if math.isnan(value) else value


def labels_of(text: str) -> dict[str, str]:
    """Name and labels of `name{a="b",...}`, also in the form `{"name",a="b"}`.

    Raises ValueError when it is neither.
    """
    name, brace, inner = text.partition("{")
    labels: dict[str, str] = {}
    if name := name.strip():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is no metric name")
        labels["__name__"] = name
    if brace:
        _read_labels(inner, labels)
    return labels


def _read_labels(inner: str, labels: dict[str, str]) -> None:
    at = 0
    while not inner[at:].lstrip().startswith("}"):
        name, at = _label_name(inner, at)
        value = _VALUE.match(inner, at)
        if value is None:
            if "__name__" in labels:
                raise ValueError(f'label {name[:40]!r} has no ="value"')
            labels["__name__"] = name
        else:
            if name in labels:
                labels[REPEATED] = name
            labels[name] = _unescape(value["value"])
            at = value.end()
        if inner[at : at + 1] not in {",", "}"}:
            raise ValueError(f"expected , or }} after label {name[:40]!r}")
        at += inner[at] == ","
    if inner[at:].strip() != "}":
        raise ValueError("expected a value after }, found more text")


def _label_name(inner: str, at: int) -> tuple[str, int]:
    found = _LABEL.match(inner, at)
    if found is None:
        raise ValueError("unfinished labels")
    name = found["name"]
    return (_unescape(name[:-1]) if found["quoted"] else name), found.end()


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)
