"""A collector in a process of its own, to be traced and killed: sound, or broken on purpose."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from partywall import lifeline, ports

BREAKS = ("", "unsynced", "early")
"""How a collector may be broken: it never syncs, or it answers before it writes."""

_SERVE = """
import sys, pathlib, threading, uvicorn
from collector import app, spool
from collector.config import CollectorSettings, LimitSettings
from collector.files import DiskFiles

directory, port, broken, idle_s = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
if broken == "unsynced":
    DiskFiles.sync = lambda self, fd: None
elif broken == "early":
    commit = spool.Spool._commit
    def late(self, group):
        for _, done in group:
            done.set_result(None)
        class Said:
            def set_result(self, _): pass
            def set_exception(self, _): pass
        threading.Event().wait(idle_s)
        commit(self, [(data, Said()) for data, _ in group])
    spool.Spool._commit = late
limits = LimitSettings(samples_per_s=1e9, burst=1e9)
collector = app.build(CollectorSettings(data=pathlib.Path(directory), limits=limits))
uvicorn.run(collector, host="127.0.0.1", port=port, log_level="error")
"""


class Serving:
    """One collector over one data directory; it may die and be started again on its port.

    One that answers before it writes lets `idle_s` seconds pass between the two.
    """

    def __init__(self, directory: Path, *, broken: str = "", idle_s: float = 0.05) -> None:
        assert broken in BREAKS
        self.directory = directory
        self.port = ports.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._broken, self._idle_s = broken, idle_s
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it accepts connections. Raises TimeoutError after 20 s."""
        arguments = [str(self.directory), str(self.port), self._broken, str(self._idle_s)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, *arguments], preexec_fn=lifeline.die_with_parent
        )
        for _ in range(1000):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except ConnectionRefusedError:
                assert self._process.poll() is None, "the collector did not start"
                time.sleep(0.02)
            else:
                return
        raise TimeoutError

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: nothing of it runs on."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal and wait for that."""
        assert self._process is not None
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
