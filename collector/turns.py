"""Whose body is read next: bodies wait by sender, and senders take turns by what they cost.

Deficit round robin (Shreedhar and Varghese, SIGCOMM 1995), with CPU seconds in the place of bytes.
What a body will cost is not known before it is read, so it is taken to cost what the recent ones of
its sender did. A sender of dear bodies waits rounds for each; one of cheap bodies waits one round.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Generic, TypeVar

QUANTUM_S = 0.002
"""CPU seconds a sender may use a round; a sender whose bodies cost less is cheap."""

MOST_WAITING = 256
"""Bodies of one sender that may wait."""

_DEAREST_S = 0.5
"""A body is taken to cost no more: 250 rounds are long enough."""

_SENDERS_KEPT = 4096

Body = TypeVar("Body")


class TooManyWaiting(Exception):
    """A sender has as many bodies waiting as it may."""


class Turns(Generic[Body]):
    """Bodies that wait, in order within a sender. Knows no clock and no thread."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._ring: deque[str] = deque()
        self._waiting: dict[str, deque[Body]] = {}
        self._credit: dict[str, float] = {}
        self._cost: OrderedDict[str, float] = OrderedDict()

    @property
    def senders(self) -> int:
        """Senders of which a body waits."""
        return len(self._ring)

    def put(self, sender: str, body: Body) -> None:
        """Let a body wait behind the others of its sender. Raises TooManyWaiting."""
        bodies = self._joined(sender)
        if len(bodies) >= self._most:
            raise TooManyWaiting
        bodies.append(body)

    def put_back(self, sender: str, body: Body) -> None:
        """A body that was taken and could not be read to its end: the sender's next one."""
        self._joined(sender).appendleft(body)

    def take(self) -> tuple[str, Body] | None:
        """The next body and its sender, None when none waits."""
        while self._ring:
            sender = self._ring[0]
            if self._credit[sender] >= self.cost(sender):
                return sender, self._taken(sender)
            self._credit[sender] += QUANTUM_S
            self._ring.rotate(-1)
        return None

    def take_cheap(self, besides: Collection[str]) -> tuple[str, Body] | None:
        """The next body of a cheap sender that is none of `besides`."""
        for sender in self._ring:
            if sender not in besides and self.cost(sender) <= QUANTUM_S:
                return sender, self._taken(sender)
        return None

    def spent(self, sender: str, cpu_s: float) -> None:
        """A body of the sender cost so much; half of what is known of it is of older ones."""
        known = self._cost.pop(sender, cpu_s)
        self._cost[sender] = min((known + cpu_s) / 2, _DEAREST_S)
        if len(self._cost) > _SENDERS_KEPT:
            self._cost.popitem(last=False)

    def cost(self, sender: str) -> float:
        """What the sender's next body is taken to cost; a stranger's is cheap."""
        return self._cost.get(sender, QUANTUM_S)

    def _joined(self, sender: str) -> deque[Body]:
        bodies = self._waiting.get(sender)
        if bodies is None:
            bodies = self._waiting[sender] = deque()
            self._credit[sender] = QUANTUM_S
            self._ring.append(sender)
        return bodies

    def _taken(self, sender: str) -> Body:
        bodies = self._waiting[sender]
        body = bodies.popleft()
        self._credit[sender] -= self.cost(sender)
        if not bodies:
            del self._waiting[sender], self._credit[sender]
            self._ring.remove(sender)
        return body
