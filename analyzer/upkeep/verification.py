"""Prove that the grains, the files and the spool say the same, or name the first difference.

Four questions, each a line per grain and day or per file:

* roll-ups: every integer column, summed over the finer and the coarser grain, over complete windows
  nobody marked to be redone and whose finer rows are still kept;
* files: each file the manifest names is there, byte for byte, with the rows it should have;
* spool: each segment on disk that was drained holds what the ledger says was drained;
* hot: no row stands both in a hot table and beyond what is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from analyzer.store.database import Store
from analyzer.store.outside import digests
from analyzer.store.reader import Reader
from analyzer.usage.rollup import GRAINS, Grain
from collector import spool
from collector.model import Samples

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the store keeps UTC without zone


@dataclass(frozen=True, slots=True)
class Check:
    """One thing compared. `about` names it: grains and day, or a file."""

    what: str
    about: str
    ok: bool
    detail: str


def verify(store: Store, *, spool_directory: Path) -> list[Check]:
    """Compare everything at one moment; no cycle runs meanwhile. Wrong ones first."""
    with store.alone, store.still(), store.reader() as reader:
        found = [
            *_roll_ups(reader),
            *_files(reader, store.cold.directory),
            *_segments(reader, spool_directory),
        ]
    return sorted(found, key=lambda check: check.ok)


def _roll_ups(reader: Reader) -> Iterator[Check]:
    mark: datetime | None = reader.rows("watermark")[0][0]
    gone = dict(reader.rows("retained"))
    if mark is None:
        return
    for grain in GRAINS:
        fine = _sums(reader, grain, grain.source, gone, mark)
        coarse = _sums(reader, grain, grain.name, gone, mark)
        for day in sorted(fine.keys() | coarse.keys()):
            yield _same(grain, day, fine.get(day, {}), coarse.get(day, {}))


def _sums(
    reader: Reader, grain: Grain, source: str, gone: dict[str, datetime], mark: datetime
) -> dict[datetime, dict[str, int]]:
    rows = reader.records(
        "verify_sums",
        table=f"usage_{source}",
        grain=grain.name,
        source=grain.source,
        width_s=grain.width.total_seconds(),
        since=gone.get(grain.source, _EPOCH),
        until=_floor(mark, grain.width),
    )
    return {row.pop("day"): {name: value or 0 for name, value in row.items()} for row in rows}


def _same(grain: Grain, day: datetime, fine: dict[str, int], coarse: dict[str, int]) -> Check:
    about = f"{grain.source} = {grain.name} on {day:%Y-%m-%d}"
    for name in fine.keys() | coarse.keys():
        one, other = fine.get(name, 0), coarse.get(name, 0)
        if one != other:
            detail = f"{name}: {one} in {grain.source}, {other} in {grain.name}"
            return Check("roll-up", about, ok=False, detail=detail)
    return Check(
        "roll-up",
        about,
        ok=True,
        detail=f"{len(fine)} columns equal, {fine.get('count', 0)} operations",
    )


def _files(reader: Reader, directory: Path) -> Iterator[Check]:
    manifest = reader.rows("cold_manifest")
    there = digests([directory / row[1] for row in manifest]) if manifest else []
    for (grain, file, _, low, high, rows, size, sha256), found in zip(manifest, there, strict=True):
        about = f"{grain} {file}"
        if found is None:
            yield Check("file", about, ok=False, detail="is missing")
        elif found != (size, sha256):
            yield Check(
                "file",
                about,
                ok=False,
                detail=f"is {found[0]} bytes of other content, {size} were written",
            )
        else:
            path = str(directory / file)
            span = {"low": low, "high": high + timedelta(microseconds=1)}
            count = reader.rows("cold_print_of_file", files=[path], **span)[0][0]
            yield Check("file", about, count == rows, f"{count} rows, {rows} were written")


def _segments(reader: Reader, directory: Path) -> Iterator[Check]:
    paths = [*spool.sealed(directory), *spool.sealed(directory / "drained")]
    ids = [spool.segment_id(path) for path in paths]
    ledger = {r[0]: r[1:] for r in reader.rows("verify_segments", ids=ids)} if ids else {}
    waiting = 0
    for path, ident in zip(paths, ids, strict=True):
        try:
            frames = list(spool.read_segment(path))
        except ValueError as damage:
            yield Check("spool", path.name, ok=False, detail=str(damage))
            continue
        held = (len(frames), sum(len(f.sids) for f in frames if isinstance(f, Samples)))
        if ident not in ledger:
            waiting += 1
        elif ledger[ident] != held:
            detail = f"{held[1]} samples in the segment, {ledger[ident][1]} drained"
            yield Check("spool", path.name, ok=False, detail=detail)
    damaged = sorted(path.name for path in directory.glob("*.damaged"))
    for name in damaged:
        yield Check("spool", name, ok=False, detail="was set aside: it could not be read whole")
    yield Check(
        "spool", str(directory), ok=True, detail=f"{len(paths)} segments, {waiting} not drained yet"
    )


def _floor(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % width
