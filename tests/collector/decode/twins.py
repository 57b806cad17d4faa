"""Two books that were told the same: one read by the compiled loops, one by the form without."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from collector import loops
from collector.model import Rejected
from collector.readings import Readings
from collector.series import Origin, SeriesBook
from tests.collector.books import book
from tests.collector.senders import field

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
ORIGIN = Origin("twins")
T = 1_795_000_000_000

Read = Callable[[bytes, SeriesBook, int], Readings]
Sample = tuple[str, int, bytes, int]
Said = tuple[str, list[Sample], list[tuple[str, int]]]


def told(read: Read, data: bytes, known: SeriesBook, most: int) -> Said:
    """What reading a body gives: why it was refused, its samples by key, the refused parts."""
    known.begin_body()
    try:
        found = read(data, known, most)
    except Rejected as rejected:
        return rejected.reason, [], []
    keys = {slot: f"{e[0].door} {e[1]!r}" for slot, e in enumerate(known._keys) if e}
    starts = [0] * len(found.slots) if found.start_ms is None else found.start_ms.tolist()
    samples = zip(
        found.slots.tolist(), found.ts_ms.tolist(), (v.tobytes() for v in found.values), starts,
        strict=True,
    )  # fmt: skip
    refused = [(one.reason.value, one.count) for one in found.refused]
    said = sorted((keys[slot], ts, value, start) for slot, ts, value, start in samples)
    return "", said, sorted(refused)


class Twins:
    """`agree` reads a body by both forms, which must say the same of it."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.fast, self.plain = book(), book()

    def agree(self, data: bytes, *, most: int = 1000) -> Said:
        by_loops = told(self._read, data, self.fast, most)
        kept = dict(loops._loaded)
        loops._loaded.clear()
        try:
            without = told(self._read, data, self.plain, most)
        finally:
            loops._loaded.update(kept)
        assert by_loops == without
        return by_loops

    def agree_mutated(self, whole: bytes, rng: random.Random) -> None:
        """With a few bytes of a known body changed, gone or come, and of the known one after it."""
        self.agree(whole)
        body = bytearray(whole + rng.choice([b"", field(3, b"odd"), b"\x50\x01"]))
        for _ in range(rng.randint(1, 5)):
            at = rng.randrange(len(body))
            body[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        self.agree(bytes(body))
        self.agree(whole)

    def agree_cut(self, whole: bytes) -> None:
        """Cut at any byte."""
        self.agree(whole)
        for end in range(len(whole)):
            self.agree(whole[:end])

    def agree_found(self, parser: str) -> None:
        """On what fuzzing a parser found, each body twice."""
        found = sorted((CORPUS / parser).iterdir())
        assert found
        for file in found:
            for _ in range(2):
                self.agree(file.read_bytes())
