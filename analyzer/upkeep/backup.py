"""Backup, restore and rebuild: copies of everything, checked by their digests.

A backup is the database as of one moment, the Parquet files it names, the spool, the key of sealed
secrets and the rendered reports, with a `manifest.json` of sizes and SHA-256. It is taken while the
service runs: the cycle waits while the database is copied, the collector never does.

A state is smaller and lies in the data directory itself: every table as Parquet, written by the
`state` job, and the spool segments drained since. If the database file is lost or damaged,
`rebuild` makes it anew from the newest whole state, and the next drains bring the rest.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from analyzer.store.database import Store
from analyzer.store.outside import copied, digests
from analyzer.store.transcript import batches, tables, unseeded
from collector import spool

MANIFEST = "manifest.json"
KEEP_STATES = 2
DATABASE = "partywall.duckdb"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a backup or a state."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied, and where it is."""

    directory: Path
    files: int
    bytes: int


class DamagedError(Exception):
    """A backup or state is not what its manifest says; the message names the first file."""


def backup(store: Store, data: Path, target: Path, *, now: datetime) -> Copied:
    """Copy everything to an empty directory, while the service runs.

    Raises FileExistsError when the target holds something, OSError when it cannot be written.
    """
    target = target.absolute()
    if target.exists() and any(target.iterdir()):
        raise FileExistsError(f"{target} is not empty")
    with store.files:  # no file goes while it is copied
        with store.alone, store.still():
            store.checkpoint()
            with store.reader() as reader:
                cold = [f"cold/{row[1]}" for row in reader.rows("cold_files")]
            now_or_never = [DATABASE, *_under(data, "spool")]
            done = _copy(data, target, now_or_never)
        rest = [*cold, *_under(data, "reports"), *_under(data, "state"), "secrets.key"]
        done += _copy(data, target, [one for one in rest if (data / one).is_file()])
    _write_manifest(target, done, now)
    return Copied(target, len(done), sum(entry.bytes for entry in done))


def restore(source: Path, data: Path, *, force: bool = False) -> Copied:
    """Copy a backup into the data directory of a stopped service, checked before and after.

    With `force` what is there already is moved aside to `<data>.before-<random>`. Raises
    FileExistsError without it, DamagedError when the backup is not whole.
    """
    entries = checked(source)
    if data.exists() and any(data.iterdir()):
        if not force:
            raise FileExistsError(f"{data} is not empty")
        data.rename(data.with_name(f"{data.name}.before-{secrets.token_hex(4)}"))
    done = _copy(source, data, [entry.path for entry in entries])
    _compare(entries, done)
    return Copied(data, len(done), sum(entry.bytes for entry in done))


def checked(source: Path) -> list[Entry]:
    """The files of a backup or state, after comparing each with the manifest.

    Raises DamagedError on the first that differs.
    """
    try:
        listed = json.loads((source / MANIFEST).read_text("utf-8"))["files"]
        entries = [Entry(str(e["path"]), int(e["bytes"]), str(e["sha256"])) for e in listed]
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise DamagedError(f"{source / MANIFEST} is missing or not readable ({wrong})") from wrong
    for entry, found in zip(entries, digests([source / e.path for e in entries]), strict=True):
        if ".." in Path(entry.path).parts or Path(entry.path).is_absolute():
            raise DamagedError(f"{entry.path} leads out of the directory")
        if found != (entry.bytes, entry.sha256):
            raise DamagedError(f"{entry.path} is {'missing' if found is None else 'not as it was'}")
    return entries


def write_state(store: Store, data: Path, *, now: datetime) -> Copied:
    """Write every table as of one moment; then let go of drained segments it covers."""
    place = data / "state" / f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    half = place.with_name(f".{place.name}")
    half.mkdir(parents=True)
    try:
        with store.snapshot() as reader:
            for name in tables(reader):
                _write_table(half / f"{name}.parquet", list(batches(reader, name)))
            drained = {row[0] for row in reader.rows("segment_ids")}
        paths = sorted(half.glob("*.parquet"))
        found = digests(paths)
        entries = [Entry(p.name, *one) for p, one in zip(paths, found, strict=True) if one]
        _write_manifest(half, entries, now)
        half.rename(place)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    for old in states(data)[KEEP_STATES:]:
        shutil.rmtree(old, ignore_errors=True)
    for path in spool.sealed(data / "spool" / "drained"):
        if spool.segment_id(path) in drained and _covered(data, path):
            path.unlink(missing_ok=True)
    return Copied(place, len(entries), sum(entry.bytes for entry in entries))


def _covered(data: Path, segment: Path) -> bool:
    """Is it older than the oldest state that is kept? The one before the newest must do too."""
    kept = states(data)
    return len(kept) >= KEEP_STATES and segment.stat().st_mtime < kept[-1].stat().st_mtime


def states(data: Path) -> list[Path]:
    """The states there are, newest first."""
    found = [p for p in (data / "state").glob("*") if p.is_dir() and not p.name.startswith(".")]
    return sorted(found, reverse=True)


def rebuild(data: Path) -> tuple[Path, int]:
    """Make the database anew from the newest whole state. Returns the state, and how many drained
    segments wait to be drained again.

    The old file, if there is one, is kept beside it. Raises DamagedError when no state is whole.
    """
    state = _newest_whole(data)
    fresh_path = data / f"rebuilding-{secrets.token_hex(4)}.duckdb"
    fresh = Store.open(fresh_path)
    try:
        with fresh.reader() as own:
            seeded = {n: own.arrow("whole_table", table=n).to_pylist() for n in tables(own)}
        for name, rows in seeded.items():
            file = state / f"{name}.parquet"
            if file.exists():
                fresh.put(name, unseeded(pq.read_table(file), rows))
        fresh.checkpoint()
        done = {row[0] for row in fresh.rows("segment_ids")}
    finally:
        fresh.close()
    database = data / DATABASE
    for old in (database, database.with_name(f"{DATABASE}.wal")):
        with suppress(FileNotFoundError):
            old.rename(old.with_name(f"{old.name}.replaced"))
    os.replace(fresh_path, database)
    again = 0
    for path in spool.sealed(data / "spool" / "drained"):
        if spool.segment_id(path) not in done:
            path.rename(data / "spool" / path.name)
            again += 1
    return state, again


def _newest_whole(data: Path) -> Path:
    worst = "there is none: the `state` job has not run yet"
    for state in states(data):
        try:
            checked(state)
        except DamagedError as damaged:
            worst = str(damaged)
        else:
            return state
    raise DamagedError(f"no state under {data / 'state'} can be used: {worst}")


def _write_table(path: Path, parts: Sequence[object]) -> None:
    if not parts:
        return
    first = parts[0]
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:  # type: ignore[attr-defined]
        for part in parts:
            writer.write_table(part)


def _under(data: Path, folder: str) -> Iterator[str]:
    for path in sorted((data / folder).rglob("*")):
        if path.is_file():
            yield str(path.relative_to(data))


def _copy(source: Path, target: Path, files: Sequence[str]) -> list[Entry]:
    found = copied([(source / file, target / file) for file in files]) if files else []
    return [Entry(file, *one) for file, one in zip(files, found, strict=True)]


def _compare(entries: Sequence[Entry], done: Sequence[Entry]) -> None:
    written: Mapping[str, Entry] = {entry.path: entry for entry in done}
    for entry in entries:
        if written.get(entry.path) != entry:
            raise DamagedError(f"{entry.path} changed while it was copied")


def _write_manifest(target: Path, entries: Sequence[Entry], now: datetime) -> None:
    text = json.dumps(
        {"made_at": now.isoformat(), "files": [asdict(entry) for entry in entries]}, indent=1
    )
    half = target / f".{MANIFEST}"
    half.write_text(text, "utf-8")
    half.replace(target / MANIFEST)
