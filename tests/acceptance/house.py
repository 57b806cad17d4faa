"""The whole service in real processes, for tests: start it, ask it, stop it, leave nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx
import pyarrow as pa

from partywall import lifeline, ports

ARROW = "application/vnd.apache.arrow.stream"
ARTEFACTS = Path(__file__).parents[2] / "artefacts"
T = TypeVar("T")


@dataclass
class House:
    """A running `partywall up`. `lines` is all it said, role prefixes included."""

    directory: Path
    config: Path
    urls: dict[str, str]
    process: subprocess.Popen[str] | None = None
    lines: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "partywall", "up", "--config", str(self.config)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
            env=lifeline.environment(), cwd=self.directory,
        )  # fmt: skip
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        for url in self.urls.values():
            self.until(partial(self._healthy, url), 90, f"{url} answers")

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with suppress(ValueError):
            for line in process.stderr:
                self.lines.append(line.rstrip())

    def _healthy(self, url: str) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(url + "/healthz", timeout=2, trust_env=False).status_code == 200
        return False

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        process = self.process
        if process is None:
            return 0
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if process.stderr is not None:
            process.stderr.close()
        self.process = None
        return code

    def pid(self, role: str) -> int:
        """The process of a role, found among the children of `up`."""
        assert self.process is not None
        word = {"collector": "collect", "analyzer": "analyze", "dashboard": "dashboard"}[role]
        listing = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        for line in listing.splitlines():
            pid, _, args = line.strip().partition(" ")
            if f"partywall {word} " in args + " ":
                return int(pid)
        raise AssertionError(f"no {role} among {listing!r}")

    def kill(self, role: str) -> None:
        """kill -9."""
        os.kill(self.pid(role), signal.SIGKILL)

    def get(self, path: str, **params: str) -> httpx.Response:
        """Ask the analyzer."""
        url = self.urls["analyzer"] + "/api/v1" + path
        answer = httpx.get(url, params=params, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer

    def send(self, table: pa.Table, batch: str = "") -> None:
        """Usage rows through the native door, again and again until they are taken."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        headers = {"Content-Type": ARROW, "X-Partywall-Batch": batch}
        self.post("/api/v1/usage", sink.getvalue().to_pybytes(), headers)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """POST to the collector until it answers 2xx; what it refuses for good is an error."""
        end = time.monotonic() + 120
        while True:
            with suppress(httpx.TransportError):
                answer = httpx.post(
                    self.urls["collector"] + path, content=body, headers=headers, timeout=30,
                    trust_env=False,
                )  # fmt: skip
                if answer.is_success:
                    return
                assert answer.status_code in (429, 503), answer.text
            assert time.monotonic() < end, "the collector took nothing for two minutes"
            time.sleep(0.3)

    def until(self, found: Callable[[], T], within_s: float, what: str) -> T:
        """Wait for something to be true and answer it; else fail with the service's last words."""
        end = time.monotonic() + within_s
        last = ""
        while time.monotonic() < end:
            try:
                if value := found():
                    return value
            except (httpx.HTTPError, json.JSONDecodeError) as wrong:
                last = repr(wrong)
            assert self.process is None or self.process.poll() is None, "\n".join(self.lines[-30:])
            time.sleep(0.5)
        words = "\n".join([last, *self.lines[-30:]])
        raise AssertionError(f"not within {within_s:g} s: {what}\n{words}")


@contextmanager
def house(directory: Path, more: str = "") -> Iterator[House]:
    """The service with its data in `directory`; `more` is further TOML."""
    listens = {role: f"127.0.0.1:{ports.free_port()}" for role in ("collector", "analyzer")}
    listens["dashboard"] = f"127.0.0.1:{ports.free_port()}"
    sections = [f"[{role}]\nlisten = '{listen}'" for role, listen in listens.items()]
    config = directory / "partywall.toml"
    directory.mkdir(parents=True, exist_ok=True)
    config.write_text("\n".join([f"[service]\ndata = '{directory / 'data'}'", *sections, more]))
    made = House(directory, config, {role: f"http://{at}" for role, at in listens.items()})
    try:
        made.start()
        yield made
    except BaseException:
        for question in ("status", "incidents", "resources", "usage"):
            with suppress(httpx.HTTPError):
                keep(f"{directory.name}-{question}.json", made.get(f"/{question}").text)
        raise
    finally:
        made.stop()
        keep(directory.name + ".log", "\n".join(made.lines))


def keep(name: str, text: str) -> None:
    """Keep something for people to look at after the run."""
    ARTEFACTS.mkdir(exist_ok=True)
    (ARTEFACTS / name).write_text(text, "utf-8")
