"""The thread that reads bodies, one at a time and in fair order.

A body that brings many new series is read for long. It lets others by: at every pause the waiting
bodies of cheap senders are read in between, on the same thread, one of each sender. One of those
that turns out to be long itself is put back and read in its own turn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from collector.model import Rejected, Rejection
from collector.turns import TooManyWaiting, Turns

Answer = TypeVar("Answer")


class Postponed(Exception):
    """The body that was read in between is long: it has to wait for its own turn."""


@dataclass(frozen=True, slots=True)
class Later(Generic[Answer]):
    """An answer that counts when `done` is: whoever asked is woken once, by the thread that ends
    it."""

    done: Future[None]
    answer: Answer

    def tell(self, asker: Future[Answer]) -> None:
        """Hand the answer on, or what went wrong, once it is known."""
        self.done.add_done_callback(lambda done: self._end(asker, done))

    def _end(self, asker: Future[Answer], done: Future[None]) -> None:
        if error := done.exception():
            asker.set_exception(error)
        else:
            asker.set_result(self.answer)


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    done: Future[Any]


class Reader:
    """Runs work of many senders on one thread. `cpu_s` reads that thread's CPU time."""

    def __init__(self, cpu_s: Callable[[], float] = time.thread_time) -> None:
        self._cpu_s = cpu_s
        self._turns: Turns[_Job] = Turns()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._running: list[str] = []
        self._lent_s = 0.0

    @property
    def in_between(self) -> bool:
        """Whether another body is half read below the one that runs."""
        return len(self._running) > 1

    def close(self) -> None:
        """Take nothing more."""
        self._thread.shutdown(wait=False)

    async def run(self, sender: str, work: Callable[[], Answer | Later[Answer]]) -> Answer:
        """What `work` returns, when the sender's turn has come (and `Later` is done).

        `work` may be begun anew after `Postponed` came out of it. Raises Rejected(OVERLOADED) when
        too many bodies of the sender wait already.
        """
        job = _Job(work, Future())
        with self._lock:
            try:
                self._turns.put(sender, job)
            except TooManyWaiting as full:
                detail = "too many bodies of this sender wait to be read: send it again"
                raise Rejected(Rejection.OVERLOADED, detail, retry_after_s=1) from full
        self._thread.submit(self._turn)  # one for each that waits, or more
        answer: Answer = await asyncio.wrap_future(job.done)
        return answer

    def pause(self) -> None:
        """Called while a long body is read: lets a body of every waiting cheap sender by.

        Raises Postponed when the caller itself was let by.
        """
        if self.in_between:
            raise Postponed
        if not self._running or not self._turns.senders:
            return
        served = list(self._running)
        while found := self._next(served):
            served.append(found[0])
            self._read(*found)

    def _next(self, served: list[str]) -> tuple[str, _Job] | None:
        with self._lock:
            return self._turns.take_cheap(served)

    def _turn(self) -> None:
        with self._lock:
            found = self._turns.take()
        if found:
            self._read(*found)

    def _read(self, sender: str, job: _Job) -> None:
        if not job.done.running() and not job.done.set_running_or_notify_cancel():
            return
        lent_before, self._lent_s = self._lent_s, 0.0
        began = self._cpu_s()
        self._running.append(sender)
        answer, error, again = None, None, False
        try:
            answer = job.work()
        except Postponed:
            again = True
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it is the asker's
            error = raised
        self._running.pop()
        used = self._cpu_s() - began
        with self._lock:
            self._turns.spent(sender, 2 * used if again else used - self._lent_s)
            if again:
                self._turns.put_back(sender, job)
        self._lent_s = lent_before + used
        if error is not None:
            job.done.set_exception(error)
        elif isinstance(answer, Later):
            answer.tell(job.done)
        elif not again:
            job.done.set_result(answer)
