import asyncio
import os
import random
import threading
from pathlib import Path

import pytest

from collector import segments
from collector.config import SpoolSettings
from collector.files import DiskFiles
from collector.model import Frame, Rejected, Rejection
from collector.spool import Spool, discard, generation_of, read_segment, sealed, segment_id
from tests.collector.disks import CrashFiles, FailingFiles, copy
from tests.collector.frames import plains, samples, series


def settings(directory: Path, **other: float) -> SpoolSettings:
    defaults: dict[str, float] = {"seal_s": 60, "retry_s": 0}
    return SpoolSettings(directory=directory, **{**defaults, **other})  # type: ignore[arg-type]


def append(spool: Spool, *frames: Frame) -> None:
    spool.enqueue(frames).result(timeout=10)


def read_all(directory: Path) -> list[object]:
    return [one for path in sealed(directory) for one in plains(read_segment(path))]


def wait_for_segments(directory: Path, count: int) -> list[Path]:
    for _ in range(500):
        if len(found := sealed(directory)) >= count:
            return found
        threading.Event().wait(0.01)
    raise AssertionError(f"{os.listdir(directory)}")


def test_what_was_appended_is_read_back_in_order(tmp_path):
    spool = Spool(settings(tmp_path))
    append(spool, series(0), samples(1.0))
    append(spool, samples(2.0, 3.0))
    spool.close()

    assert read_all(tmp_path) == plains([series(0), samples(1.0), samples(2.0, 3.0)])


def test_appends_of_many_coroutines_are_all_there_once(tmp_path):
    async def many(spool: Spool) -> None:
        await asyncio.gather(*(spool.append([samples(float(n))]) for n in range(200)))

    spool = Spool(settings(tmp_path, seal_bytes=2000))
    asyncio.run(many(spool))
    spool.close()

    assert sorted(map(str, read_all(tmp_path))) == sorted(
        map(str, plains(samples(float(n)) for n in range(200)))
    )


def test_a_segment_is_sealed_when_it_is_old_enough(tmp_path):
    spool = Spool(settings(tmp_path, seal_s=0.05))
    append(spool, samples(1.0))
    wait_for_segments(tmp_path, 1)
    append(spool, samples(2.0))
    first, second = wait_for_segments(tmp_path, 2)
    spool.close()

    assert segment_id(first) < segment_id(second)
    assert generation_of(segment_id(first)) == generation_of(segment_id(second))
    assert spool.generation == generation_of(segment_id(first))


def test_an_idle_spool_writes_nothing(tmp_path):
    spool = Spool(settings(tmp_path, seal_s=0.01))
    spool.seal()
    spool.close()

    assert os.listdir(tmp_path) == ["collector.lock"]


def test_the_name_of_a_segment_sorts_by_generation_then_number(tmp_path):
    names = []
    for _ in range(3):
        spool = Spool(settings(tmp_path, seal_bytes=1))
        append(spool, samples(1.0))
        append(spool, samples(2.0))
        spool.close()
        names.append(spool.generation)

    assert names == sorted(names)
    assert [generation_of(segment_id(p)) for p in sealed(tmp_path)] == sorted(names * 2)


def test_a_new_generation_sorts_last_even_when_the_clock_went_back(tmp_path):
    future = "20991231T235959.000000Z-00000000"
    (tmp_path / f"{future}-00000001.seg").write_bytes(segments.MAGIC)
    spool = Spool(settings(tmp_path))
    spool.close()

    assert spool.generation > future


def test_two_collectors_cannot_share_a_spool(tmp_path):
    spool = Spool(settings(tmp_path))
    with pytest.raises(Rejected, match="another collector") as caught:
        Spool(settings(tmp_path))
    spool.close()

    assert caught.value.reason is Rejection.UNAVAILABLE
    Spool(settings(tmp_path)).close()


def test_a_closed_spool_takes_nothing(tmp_path):
    spool = Spool(settings(tmp_path))
    spool.close()
    spool.close()

    with pytest.raises(Rejected) as caught:
        append(spool, samples(1.0))
    assert caught.value.reason is Rejection.UNAVAILABLE


def test_a_spool_nobody_drains_says_overloaded_until_it_is_drained(tmp_path):
    spool = Spool(settings(tmp_path, undrained_bytes=10))
    append(spool, samples(1.0))
    spool.seal()
    with pytest.raises(Rejected) as caught:
        append(spool, samples(2.0))
    assert caught.value.reason is Rejection.OVERLOADED
    assert caught.value.retry_after_s > 0
    assert not spool.healthy

    for path in sealed(tmp_path):
        discard(path)
        discard(path)
    spool.seal()

    append(spool, samples(2.0))
    spool.close()


def test_an_old_generation_is_refused(tmp_path):
    spool = Spool(settings(tmp_path))
    old = spool.generation
    append(spool, samples(1.0))
    spool.restart_generation()
    spool.seal()

    with pytest.raises(Rejected, match="generation"):
        spool.enqueue([samples(2.0)], generation=old)
    spool.enqueue([samples(3.0)], generation=spool.generation).result(10)
    spool.close()

    assert [generation_of(segment_id(p)) for p in sealed(tmp_path)] == [old, spool.generation]


class HeldFiles(DiskFiles):
    """A disk that syncs nothing until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def sync(self, fd: int) -> None:
        self.go.wait(10)
        super().sync(fd)


def test_a_cancelled_append_is_written_all_the_same(tmp_path):
    """It may carry the declaration of a series that later appends only refer to."""
    held = HeldFiles()

    async def run(spool: Spool) -> None:
        writing = asyncio.create_task(spool.append([samples(0.0)]))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(spool.append([samples(1.0)]))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        held.go.set()
        await writing
        await spool.append([samples(2.0)])

    spool = Spool(settings(tmp_path), files=held)
    asyncio.run(run(spool))
    spool.close()

    assert read_all(tmp_path) == plains([samples(0.0), samples(1.0), samples(2.0)])


def test_a_missing_directory_has_no_segments(tmp_path):
    assert sealed(tmp_path / "nowhere") == []


def write_until(spool: Spool, count: int) -> list[object]:
    """Append `count` batches; the ones that were acknowledged."""
    acknowledged: list[object] = []
    refused: set[Rejection] = set()
    for number in range(count):
        frame = samples(float(number))
        try:
            append(spool, frame)
        except Rejected as rejected:
            refused.add(rejected.reason)
        else:
            acknowledged += plains([frame])
        if number % 3 == 2:
            spool.seal()
    assert refused <= {Rejection.UNAVAILABLE}
    return acknowledged


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fail_at", range(1, 45))
def test_whichever_call_fails_no_acknowledged_frame_is_lost(tmp_path, fail_at, times):
    files = FailingFiles(fail_at, times=times)
    spool = Spool(settings(tmp_path), files=files)
    acknowledged = write_until(spool, 8)
    spool.close()
    Spool(settings(tmp_path)).close()  # the next start heals what is left

    found = read_all(tmp_path)
    assert len(acknowledged) >= 8 - times - 1
    assert [one for one in found if one in acknowledged] == acknowledged
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".open")]


def test_the_failures_above_reach_every_call(tmp_path):
    files = FailingFiles(10_000)
    spool = Spool(settings(tmp_path), files=files)
    write_until(spool, 8)
    spool.close()

    assert 25 <= files.calls < 45


def test_a_disk_failure_begins_a_new_generation(tmp_path):
    spool = Spool(settings(tmp_path), files=FailingFiles(6))
    before = spool.generation
    results = []
    for number in range(4):
        try:
            append(spool, samples(float(number)))
        except Rejected:
            results.append((number, spool.generation != before))
    spool.close()

    assert len(results) == 1
    assert results[0][1]


@pytest.mark.parametrize("seed", range(25))
def test_a_power_cut_keeps_every_acknowledged_frame(tmp_path, seed):
    rng = random.Random(seed)
    files = CrashFiles()
    spool = Spool(settings(tmp_path / "a"), files=files)
    acknowledged: list[object] = []
    for number in range(rng.randint(1, 12)):
        frame = samples(float(number))
        append(spool, frame)
        acknowledged += plains([frame])
        if rng.random() < 0.3:
            spool.seal()
    files.power_cut(tmp_path / "a", tmp_path / "b", rng)
    spool.close()
    Spool(settings(tmp_path / "b")).close()

    assert read_all(tmp_path / "b") == acknowledged


class ForgetfulFiles(CrashFiles):
    """A broken disk layer: says synced, syncs nothing."""

    def sync(self, fd: int) -> None:
        pass


def test_the_power_cut_above_would_notice_a_missing_sync(tmp_path):
    files = ForgetfulFiles()
    spool = Spool(settings(tmp_path / "a"), files=files)
    for number in range(20):
        append(spool, samples(float(number)))
    files.power_cut(tmp_path / "a", tmp_path / "b", random.Random(1))
    spool.close()
    Spool(settings(tmp_path / "b")).close()

    assert len(read_all(tmp_path / "b")) < 20


def test_a_torn_tail_is_cut_at_any_byte_when_the_next_run_opens(tmp_path):
    spool = Spool(settings(tmp_path / "a"))
    append(spool, series(0), samples(1.0))
    append(spool, samples(2.0))
    copy(tmp_path / "a", tmp_path / "b")
    spool.close()
    (open_one,) = (tmp_path / "b").glob("*.open")
    data = open_one.read_bytes()
    whole = plains([series(0), samples(1.0), samples(2.0)])

    counts = set()
    for end in range(0, len(data) + 1, 3):
        for path in (tmp_path / "b").glob("*.seg"):
            path.unlink()
        open_one.write_bytes(data[:end])
        Spool(settings(tmp_path / "b")).close()
        found = read_all(tmp_path / "b")
        assert found == whole[: len(found)]
        counts.add(len(found))
    assert counts >= {0, 1, 2}


def test_a_damaged_segment_is_read_up_to_the_damage_and_said(tmp_path):
    spool = Spool(settings(tmp_path))
    append(spool, samples(1.0))
    append(spool, samples(2.0))
    spool.close()
    (path,) = sealed(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])

    found: list[Frame] = []
    with pytest.raises(ValueError, match="damaged"):
        found.extend(read_segment(path))
    assert plains(found) == plains([samples(1.0)])
