"""Debian's VictoriaMetrics as a peer and an oracle: takes remote write, answers PromQL."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from partywall import lifeline, ports

STARTED_S = 30.0


@dataclass(frozen=True, slots=True)
class Victoria:
    """A running VictoriaMetrics. `pid` is for measuring what it costs."""

    url: str
    pid: int
    directory: Path

    def write(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Remote write of a body; fails the test when it is not taken."""
        answer = httpx.post(
            self.url + "/api/v1/write", content=body, headers=headers, trust_env=False
        )
        answer.raise_for_status()

    def settle(self) -> None:
        """Make everything written visible to queries."""
        httpx.get(self.url + "/internal/force_flush", trust_env=False).raise_for_status()

    def query(self, promql: str, at_s: float) -> dict[frozenset[tuple[str, str]], float]:
        """An instant query: the labels (`__name__` left out) of each series, and its value."""
        given = {"query": promql, "time": f"{at_s:.3f}", "nocache": "1"}
        answer = httpx.get(self.url + "/api/v1/query", params=given, timeout=60, trust_env=False)
        answer.raise_for_status()
        return {
            frozenset((k, v) for k, v in one["metric"].items() if k != "__name__"): float(
                one["value"][1]
            )
            for one in answer.json()["data"]["result"]
        }


def executable() -> str:
    """The victoria-metrics on PATH; the test is skipped without one."""
    found = shutil.which("victoria-metrics")
    if found is None:
        pytest.skip("no victoria-metrics on PATH: apt-get install victoria-metrics, or .ci/run")
    return found


@contextmanager
def victoria(directory: Path, *options: str) -> Iterator[Victoria]:
    """VictoriaMetrics with its data in `directory`, on a free port of the loopback."""
    directory.mkdir(parents=True, exist_ok=True)
    listen = f"127.0.0.1:{ports.free_port()}"
    with (directory / "victoria.log").open("wb") as log:
        process = subprocess.Popen(
            [
                executable(), f"-httpListenAddr={listen}",
                f"-storageDataPath={directory / 'storage'}", "-retentionPeriod=100y",
                "-search.latencyOffset=0s", *options,
            ],
            stdout=log, stderr=log, preexec_fn=lifeline.die_with_parent,
        )  # fmt: skip
    try:
        _until_answering(f"http://{listen}", process)
        yield Victoria(f"http://{listen}", process.pid, directory)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_answering(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTED_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"victoria-metrics ended with {process.returncode}")
        with suppress(httpx.HTTPError):
            if httpx.get(url + "/health", timeout=1, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"victoria-metrics does not answer at {url}")
