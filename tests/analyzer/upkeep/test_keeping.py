"""Backup, restore, rebuild and the proof that everything adds up."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from analyzer.upkeep import backup
from analyzer.upkeep.backup import DamagedError
from analyzer.upkeep.compaction import CompactionSettings, compact
from analyzer.upkeep.verification import Check, verify
from analyzer.usage import rollup
from analyzer.usage.rollup import RetentionSettings
from collector.config import SpoolSettings
from collector.model import USAGE_SCHEMA, Frame, UsageRows
from collector.spool import Spool
from tests.analyzer.ingest.door import _ask, samples, series
from tests.analyzer.upkeep.test_compaction import GRAINS, sums

AT = datetime(2026, 1, 5, tzinfo=UTC)
SOON = CompactionSettings(ten_seconds_h=1, minutes_d=1, hours_d=1)


class House:
    """A data directory with a real spool, drained into a real store."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.data / "partywall.duckdb", threads=1)
        self.ingest = Ingest(self.store, keep=self.data / "spool" / "drained")

    def send(self, *frames: Frame) -> None:
        spool = Spool(SpoolSettings(directory=self.data / "spool"))
        asyncio.run(spool.append(frames))
        spool.close()

    def rows(self, hours: range, tenant: str = "acme") -> UsageRows:
        stamps = [(AT + timedelta(hours=h)).replace(tzinfo=None) for h in hours]
        known = {"ts": stamps, "window_s": [10] * len(stamps), "tenant": [tenant] * len(stamps),
                 "resource": ["db:1"] * len(stamps), "family": ["query"] * len(stamps),
                 "count": list(hours), "busy_us": [7] * len(stamps)}  # fmt: skip
        arrays = [pa.array(known.get(f.name, [None] * len(stamps)), f.type) for f in USAGE_SCHEMA]
        return UsageRows(pa.table(arrays, schema=USAGE_SCHEMA))

    def cycle(self) -> None:
        self.ingest.drain(self.data / "spool", now=AT + timedelta(days=9))
        rollup.roll_up(self.store, now=AT + timedelta(days=9), settings=RetentionSettings())

    def compact(self) -> None:
        compact(self.store, now=AT + timedelta(days=9), settings=SOON)

    def verify(self) -> list[Check]:
        return verify(self.store, spool_directory=self.data / "spool")

    def wrong(self) -> list[str]:
        return [f"{one.what} {one.about}: {one.detail}" for one in self.verify() if not one.ok]

    def says(self) -> dict[str, object]:
        return {grain: sums(self.store, grain) for grain in GRAINS}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A data directory as the service left it, for each test to copy."""
    data: Path = tmp_path_factory.mktemp("built") / "data"
    data.mkdir()
    house = House(data)
    house.send(house.rows(range(1, 60)))
    house.cycle()
    house.compact()
    house.send(house.rows(range(60, 70)), house.rows(range(60, 70), "globex"))
    house.cycle()
    house.store.close()
    return data


@pytest.fixture
def house(built, tmp_path) -> Iterator[House]:
    shutil.copytree(built, tmp_path / "data")
    house = House(tmp_path / "data")
    yield house
    house.store.close()


def test_what_was_made_by_the_service_adds_up(house) -> None:
    assert house.wrong() == []
    kinds = {one.what for one in house.verify()}
    assert kinds == {"roll-up", "file", "spool"}
    assert len(house.verify()) > 8


DAMAGE = [
    ("DELETE FROM hot_1m WHERE tenant = 'globex'", "roll-up 10s = 1m on 2026-01-07: "),
    ("UPDATE usage_1d SET busy_us = busy_us + 1", "roll-up 1h = 1d on 2026-01-05: busy_us: "),
    ("UPDATE segments SET samples = samples + 1", "spool "),
]


@pytest.mark.parametrize(("sql", "named"), DAMAGE)
def test_the_first_difference_is_named(house, sql, named) -> None:
    house.store._connection.execute(sql)
    assert house.wrong()[0].startswith(named)


def test_a_file_that_changed_or_is_gone_is_named(house) -> None:
    path = next(house.store.cold.directory.glob("1h-*.parquet"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + b"x" + whole[-8:])
    assert any(path.name in line and "other content" in line for line in house.wrong())
    path.write_bytes(whole)
    assert house.wrong() == []


def test_a_backup_taken_while_it_runs_comes_back_equal(house, tmp_path) -> None:
    house.send(house.rows(range(70, 75)))  # in the spool, not drained yet
    (house.data / "reports").mkdir()
    (house.data / "reports" / "one.csv").write_text("a,b\n")
    done = backup.backup(house.store, house.data, tmp_path / "copy", now=AT)
    assert done.files > 6
    house.cycle()
    said = house.says()
    back = House.__new__(House)
    back.data = tmp_path / "back"
    backup.restore(tmp_path / "copy", back.data)
    back.open()
    back.cycle()
    assert (back.says(), back.wrong()) == (said, [])
    assert (back.data / "reports" / "one.csv").read_text() == "a,b\n"
    back.store.close()


def test_the_owner_still_holds_its_file_after_a_backup(house, tmp_path) -> None:
    """POSIX drops a process's lock when it closes any handle on the file: nobody may open one."""
    import subprocess
    import sys

    backup.backup(house.store, house.data, tmp_path / "copy", now=AT)
    house.verify()
    path = house.data / "partywall.duckdb"
    other = [sys.executable, "-c", f"import duckdb; duckdb.connect({str(path)!r})"]
    assert subprocess.run(other, capture_output=True, check=False).returncode != 0


def test_restore_refuses_what_it_would_overwrite_and_what_is_damaged(house, tmp_path) -> None:
    copy, there = tmp_path / "copy", tmp_path / "there"
    backup.backup(house.store, house.data, copy, now=AT)
    there.mkdir()
    (there / "precious").write_text("mine")
    with pytest.raises(FileExistsError):
        backup.restore(copy, there)
    backup.restore(copy, there, force=True)
    assert [p.read_text() for p in tmp_path.glob("there.before-*/precious")] == ["mine"]
    with pytest.raises(FileExistsError):
        backup.backup(house.store, house.data, copy, now=AT)
    damaged = next((copy / "cold").glob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedError, match=damaged.name):
        backup.restore(copy, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_lost_database_is_made_anew_from_state_files_and_spool(house) -> None:
    """Counters too: the readings after the state are counted from where it left them."""
    house.send(series(1), samples((1, 10, 5), (1, 20, 9)))
    house.cycle()
    backup.write_state(house.store, house.data, now=AT)
    house.send(samples((1, 30, 14)))
    house.send(house.rows(range(70, 75)))
    house.cycle()
    house.store._connection.execute("INSERT INTO annotations (id) VALUES ('lost-with-the-file')")
    said = house.says()
    house.store.close()
    (house.data / "partywall.duckdb").write_bytes(b"not a database")
    state, again = backup.rebuild(house.data)
    assert (state.parent.name, again) == ("state", 2)
    house.open()
    house.cycle()
    assert (house.says(), house.wrong()) == (said, [])


def test_drained_segments_go_once_two_states_cover_them(house) -> None:
    drained = house.data / "spool" / "drained"
    assert len(list(drained.glob("*.seg"))) == 2
    for hour in range(3):
        backup.write_state(house.store, house.data, now=AT + timedelta(hours=hour))
    assert list(drained.glob("*.seg")) == []
    assert len(backup.states(house.data)) == backup.KEEP_STATES


def test_a_damaged_state_is_passed_over_and_without_any_it_says_so(house) -> None:
    for hour in range(2):
        backup.write_state(house.store, house.data, now=AT + timedelta(hours=hour))
    newest, older = backup.states(house.data)
    (newest / "segments.parquet").write_bytes(b"no")
    said = house.says()
    house.store.close()
    assert backup.rebuild(house.data)[0] == older
    house.open()
    house.cycle()
    assert house.says() == said
    house.store.close()
    (older / "segments.parquet").write_bytes(b"no")
    with pytest.raises(DamagedError, match="segments"):
        backup.rebuild(house.data)
    house.open()
    assert _ask(house.store, "SELECT count(*) FROM segments")[0][0] > 0
