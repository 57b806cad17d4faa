"""Through real segment files, written by the collector's spool."""

from __future__ import annotations

import asyncio

from analyzer.ingest import Ingest
from collector.config import SpoolSettings
from collector.spool import Spool, sealed
from tests.analyzer.ingest.door import NOW, samples, series, windows


def write(directory, *appends) -> None:
    spool = Spool(SpoolSettings(directory=directory))
    for frames in appends:
        asyncio.run(spool.append(frames))
        spool.seal()
    spool.close()


def test_what_the_collector_acknowledged_is_counted_once(store, tmp_path) -> None:
    declared = [series(0), series(1, "globex")]
    write(tmp_path, [*declared, samples((0, 0, 10), (1, 0, 5))], [samples((0, 15, 14), (1, 15, 6))])
    write(tmp_path, [*declared, samples((0, 30, 20), (1, 30, 2))])
    assert len(sealed(tmp_path)) == 3
    drained = Ingest(store).drain(tmp_path, now=NOW)
    assert (drained.segments, drained.samples, drained.resets) == (3, 6, 1)
    assert windows(store) == {10: 5, 20: 8}
    assert sealed(tmp_path) == []


def test_a_spool_that_does_not_exist_yet_is_empty(store, tmp_path) -> None:
    assert Ingest(store).drain(tmp_path / "spool", now=NOW).segments == 0


def test_what_follows_a_damaged_record_is_set_aside_and_not_removed(store, tmp_path) -> None:
    write(tmp_path, [series(0), samples((0, 0, 10)), samples((0, 15, 14)), samples((0, 30, 90))])
    (segment,) = sealed(tmp_path)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    drained = Ingest(store).drain(tmp_path, now=NOW)
    assert (drained.damaged, sealed(tmp_path)) == (1, [])
    assert segment.with_suffix(".damaged").read_bytes() == data


def test_a_damaged_tail_costs_only_itself(store, tmp_path) -> None:
    write(tmp_path, [series(0), samples((0, 0, 10))], [samples((0, 15, 14)), samples((0, 30, 90))])
    last = sealed(tmp_path)[-1]
    last.write_bytes(last.read_bytes()[:-5])
    Ingest(store).drain(tmp_path, now=NOW)
    assert windows(store) == {10: 4}
