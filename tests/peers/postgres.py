"""Debian's PostgreSQL as a peer: a cluster of its own in a folder, reached over a socket there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from partywall import lifeline, ports

STARTED_S = 30.0


@dataclass(slots=True)
class Postgres:
    """A cluster; `dsn` names its superuser."""

    bin: Path
    directory: Path
    port: int
    options: Sequence[str]
    _process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return self.dsn_of("postgres")

    def dsn_of(self, user: str) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self.bin / "postgres", "-D", self.directory / "data", "-p", str(self.port),
                    "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
                    "-c", "fsync=off", *(f"-c{one}" for one in self.options),
                ],
                stdout=log, stderr=log, preexec_fn=lifeline.die_with_parent, user=_not_root(),
            )  # fmt: skip
        deadline = time.monotonic() + STARTED_S
        ready: list[str | Path] = [
            self.bin / "pg_isready",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail((self.directory / "log").read_text()[-2_000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, as a crash does."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown, children included
            self._process.wait(20)
            self._process = None


@contextmanager
def postgres(*options: str) -> Iterator[Postgres]:
    """A running cluster that trusts the loopback; skipped where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql, or .ci/run")
    initdb = found[-1] if found else Path(str(on_path))
    # Not tmp_path: another user must reach it, and its parents belong to us alone.
    with tempfile.TemporaryDirectory(prefix="partywall-pg-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        if os.geteuid() == 0:
            shutil.chown(directory, _somebody())
        made = subprocess.run(
            [initdb, "-D", directory / "data", "-U", "postgres", "-A", "trust", "-N"],
            capture_output=True, text=True, check=False, cwd="/", user=_not_root(),
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        server = Postgres(initdb.parent, directory, ports.free_port(), options)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _somebody() -> str:
    """Root may not run PostgreSQL: whom we become then."""
    known = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _not_root() -> str | None:
    return _somebody() if os.geteuid() == 0 else None
