"""The supervisor, with small children instead of the roles."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from partywall import ports
from partywall.up import Child, Patience, Supervisor, answers

SERVER = """
import http.server, os, sys
from partywall import lifeline
lifeline.hold()
print("hello from", os.getpid(), flush=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
QUICK = Patience(first_backoff_s=0.05, check_s=0.1, answer_s=0.3, misses=2, start_s=20, stop_s=5)


def child(role: str = "collector", code: str = SERVER, port: int = 0) -> Child:
    port = port or ports.free_port()
    return Child(role, (sys.executable, "-c", code, str(port)), f"http://127.0.0.1:{port}")


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until_gone(pid: int, within_s: float = 10) -> bool:
    end = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


def test_a_killed_role_is_started_again_and_said_so() -> None:
    said: list[str] = []
    logged: list[str] = []

    async def story() -> tuple[int, int]:
        one = child()
        supervisor = Supervisor([one], say=said.append, log=logged.append, patience=QUICK)
        running = asyncio.create_task(supervisor.run())
        await asyncio.wait_for(supervisor.ready(), 20)
        first = supervisor.pids["collector"]
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(20):
            while supervisor.pids["collector"] == first or not await answers(one.url, 1):
                await asyncio.sleep(0.05)
        second = supervisor.pids["collector"]
        supervisor.stop()
        await asyncio.wait_for(running, 10)
        return first, second

    first, second = asyncio.run(story())
    assert said == ["collector was killed by SIGKILL: starting it again in 0.05 s"]
    assert logged == [f"collector | hello from {first}", f"collector | hello from {second}"]
    assert wait_until_gone(second)


def test_a_role_that_hangs_is_killed_and_started_again() -> None:
    said: list[str] = []

    async def story() -> None:
        supervisor = Supervisor([child()], say=said.append, log=lambda _: None, patience=QUICK)
        running = asyncio.create_task(supervisor.run())
        await asyncio.wait_for(supervisor.ready(), 20)
        os.kill(supervisor.pids["collector"], signal.SIGSTOP)
        async with asyncio.timeout(20):
            while not said:
                await asyncio.sleep(0.05)
        supervisor.stop()
        await asyncio.wait_for(running, 10)

    asyncio.run(story())
    assert said[0].startswith("collector has not answered 2 health checks in a row")


def test_a_role_that_cannot_start_is_tried_with_longer_pauses() -> None:
    said: list[str] = []

    async def story() -> None:
        broken = child(code="raise SystemExit(7)")
        supervisor = Supervisor([broken], say=said.append, log=lambda _: None, patience=QUICK)
        running = asyncio.create_task(supervisor.run())
        async with asyncio.timeout(20):
            while len(said) < 3:
                await asyncio.sleep(0.02)
        supervisor.stop()
        await asyncio.wait_for(running, 10)

    asyncio.run(story())
    assert said[:3] == [
        f"collector ended with exit code 7: starting it again in {s} s" for s in (0.05, 0.1, 0.2)
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux")
def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    code = SERVER.replace(
        'print("hello', f'open({str(pidfile)!r}, "w").write(str(os.getpid()));print("hello'
    )
    one = child(code=code)
    parent = subprocess.Popen(
        [sys.executable, "-c", f"""
import asyncio
from partywall.up import Child, Supervisor
asyncio.run(Supervisor([Child(*{(one.role, one.argv, one.url)!r})], say=print, log=print).run())
"""],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 20
        while not (pidfile.exists() and pidfile.read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        pid = int(pidfile.read_text())
        assert alive(pid)
    finally:
        parent.kill()
        parent.wait()
    assert wait_until_gone(pid)
