"""Event-level queueing: every operation has an arrival, a size and a moment it finishes.

Processor sharing runs in virtual time: while N operations share C cores, each progresses at
min(1, C / N); an operation of size x that arrives at virtual time v leaves at v + x. FIFO keeps a
heap of the moments its C workers become free.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace

import numpy as np

MOST_LOST = 2.5
"""A collapsing resource keeps at least this part (one over it) of its efficiency."""

CROWD = 150
"""Operations in the system per core beyond which new ones are turned away (an error at once)."""


@dataclass(frozen=True, slots=True)
class Server:
    """A shared resource. `speed` [seconds] multiplies its capacity second by second; with
    `collapse` > 0 efficiency falls as 1 / (1 + collapse * (N / C - 4)) beyond four per core.
    """

    cores: float
    speed: np.ndarray
    discipline: str = "ps"
    collapse: float = 0.0


def serve(server: Server, at: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Finishing times of operations arriving at `at` (ascending) of `size` core-seconds."""
    if server.discipline == "fifo":
        return _fifo(server, at, size)
    return _sharing(server, at, size)


def _fifo(server: Server, at: np.ndarray, size: np.ndarray) -> np.ndarray:
    free = [0.0] * max(round(server.cores), 1)
    speed, last = server.speed.tolist(), server.speed.size - 1
    done = np.empty(at.size)
    room = 2.0 * CROWD * float(size.mean()) if size.size else 0.0
    for k, (t, x) in enumerate(zip(at.tolist(), size.tolist(), strict=True)):
        if free[0] - t > room:
            done[k] = t
            continue
        begin = free[0] if free[0] > t else t
        end = begin + x / speed[min(int(begin), last)]
        heapreplace(free, end)
        done[k] = end
    return done


def _sharing(server: Server, at: np.ndarray, size: np.ndarray) -> np.ndarray:
    # The hot loop of bench and scenarios: `_pace` is written out here, calls would double its time.
    speed, last = server.speed.tolist(), server.speed.size - 1
    cores, collapse = server.cores, server.collapse
    done = [0.0] * at.size
    inside: list[tuple[float, int]] = []
    virtual, now, n = 0.0, 0.0, 0
    for k, (t, x) in enumerate(zip(at.tolist(), size.tolist(), strict=True)):
        while n:
            second = int(now)
            pace = cores * speed[second if second < last else last] / n
            if collapse and n > 4 * cores:
                pace /= min(1.0 + collapse * (n / cores - 4.0), MOST_LOST)
            if pace > 1.0:
                pace = 1.0
            end = now + (inside[0][0] - virtual) / pace
            # The pace may change with the second: advance at most to its end.
            stop = t if t < second + 1 else second + 1.0
            if end <= stop:
                virtual, job = heappop(inside)
                now = end
                done[job] = end
                n -= 1
            else:
                virtual += (stop - now) * pace
                now = stop
                if stop == t:
                    break
        now = t
        if n > CROWD * cores:
            done[k] = t
            continue
        heappush(inside, (virtual + x, k))
        n += 1
    while inside:
        pace = _pace(server, now, len(inside))
        finish, job = heappop(inside)
        now += (finish - virtual) / pace
        virtual = finish
        done[job] = now
    return np.array(done)


def _pace(server: Server, now: float, n: int) -> float:
    """Progress of each of `n` operations per second."""
    each = server.cores * float(server.speed[min(int(now), server.speed.size - 1)]) / n
    if server.collapse and n > 4 * server.cores:
        each /= min(1.0 + server.collapse * (n / server.cores - 4.0), MOST_LOST)
    return min(each, 1.0)
