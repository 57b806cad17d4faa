"""Starts the roles as child processes, keeps them alive, stops them together."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from partywall import lifeline

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Child:
    """One role to keep alive: its name, the command, the base of its URLs."""

    role: str
    argv: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits, in seconds."""

    first_backoff_s: float = 0.5
    longest_backoff_s: float = 30.0
    stable_s: float = 60.0  # alive that long: the next death starts at the first backoff again
    start_s: float = 90.0  # a role that has not answered by then is started anew
    check_s: float = 2.0
    answer_s: float = 5.0
    misses: int = 5  # checks in a row without an answer before a role counts as hung
    stop_s: float = 20.0


class Supervisor:
    """Three roles, one life. `run` returns when `stop` is called and everything has ended."""

    def __init__(
        self, children: Sequence[Child], *, say: Say, log: Say, patience: Patience | None = None
    ) -> None:
        self._children = children
        self._say = say
        self._log = log
        self._patience = patience or Patience()
        self._stopping = asyncio.Event()
        self._healthy = {child.role: asyncio.Event() for child in children}
        self.pids: dict[str, int] = {}
        self.restarts = 0

    async def run(self) -> None:
        """Keep every role alive until `stop`."""
        async with asyncio.TaskGroup() as group:
            for child in self._children:
                group.create_task(self._keep(child))

    def stop(self) -> None:
        """Ask everything to end."""
        self._stopping.set()

    async def ready(self) -> None:
        """Return once every role has answered its health check."""
        for healthy in self._healthy.values():
            await healthy.wait()

    async def _keep(self, child: Child) -> None:
        backoff = self._patience.first_backoff_s
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            how = await self._live(child)
            if self._stopping.is_set():
                return
            if clock() - began > self._patience.stable_s:
                backoff = self._patience.first_backoff_s
            self._say(f"{child.role} {how}: starting it again in {backoff:g} s")
            self.restarts += 1
            await self._pause(backoff)
            backoff = min(backoff * 2, self._patience.longest_backoff_s)

    async def _live(self, child: Child) -> str:
        """One life of a role, from start to end; in words, how it ended."""
        process = await asyncio.create_subprocess_exec(
            *child.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=lifeline.environment(),
            start_new_session=True,
        )
        self.pids[child.role] = process.pid
        pump = asyncio.create_task(self._pump(child.role, process))
        watch = asyncio.create_task(self._watch(child))
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({watch, ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            how = watch.result() if watch.done() else ""
            if how:
                process.kill()
            elif not ended.done():
                await self._end(child.role, process)
            await ended
            await asyncio.wait({pump}, timeout=1)
            return how or _how_it_ended(process.returncode)
        finally:
            for task in (pump, watch, ended, stopping):
                task.cancel()
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _end(self, role: str, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self._patience.stop_s)
        except TimeoutError:
            self._say(f"{role} did not stop within {self._patience.stop_s:g} s: killed")
            with suppress(ProcessLookupError):
                process.kill()

    async def _watch(self, child: Child) -> str:
        """Returns, in words, why a living role must be started anew."""
        clock = asyncio.get_running_loop().time
        began, misses, answered = clock(), 0, False
        while True:
            await asyncio.sleep(self._patience.check_s if answered else 0.2)
            if await answers(child.url + "/healthz", self._patience.answer_s):
                misses, answered = 0, True
                self._healthy[child.role].set()
                continue
            misses += 1
            if not answered and clock() - began > self._patience.start_s:
                return f"has not answered within {self._patience.start_s:g} s of its start"
            if answered and misses >= self._patience.misses:
                return f"has not answered {misses} health checks in a row"

    async def _pump(self, role: str, process: asyncio.subprocess.Process) -> None:
        """Hand on the role's log, line by line, with its name in front."""
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._log(f"{role:<9} | {line.decode('utf-8', 'replace')}")
        if rest:
            self._log(f"{role:<9} | {rest.decode('utf-8', 'replace')}")

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _how_it_ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


async def answers(url: str, within_s: float) -> bool:
    """Does a GET of this URL answer with a status below 500?"""
    parts = urlsplit(url)
    writer = None
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            writer.write(f"{request}Connection: close\r\n\r\n".encode())
            status = (await reader.readline()).split()
            return len(status) > 1 and status[1].isdigit() and int(status[1]) < 500
    except (OSError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.close()


def roles(config_file: str | None, urls: dict[str, str]) -> list[Child]:
    """The three roles as commands of this same Python."""
    option = ("--config", config_file) if config_file else ()
    commands = {"collector": "collect", "analyzer": "analyze", "dashboard": "dashboard"}
    return [
        Child(role, (sys.executable, "-m", "partywall", command, *option), urls[role])
        for role, command in commands.items()
    ]


async def serve(children: Sequence[Child], *, say: Say, log: Say) -> None:
    """`partywall up`: everything until SIGTERM or SIGINT, with words on stderr."""
    supervisor = Supervisor(children, say=say, log=log)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    announce = asyncio.create_task(_announce(supervisor, children, say))
    try:
        await supervisor.run()
    finally:
        announce.cancel()
    say("stopped")


async def _announce(supervisor: Supervisor, children: Sequence[Child], say: Say) -> None:
    await supervisor.ready()
    for child in children:
        say(f"{child.role:<9} {child.url}")
