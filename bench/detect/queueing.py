"""Event-level queueing: every operation has an arrival, a size and a moment it finishes.

Processor sharing runs in virtual time: while N operations share C cores, each progresses at
min(1, C / N); an operation of size x that arrives at virtual time v leaves at v + x. FIFO keeps a
heap of the moments its C workers become free. Both loops are compiled (numba): a run of 100,000
operations takes about 20 ms instead of 300 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numba
import numpy as np

CROWD = 150
"""Operations in the system per core beyond which new ones are turned away (an error at once)."""


@dataclass(frozen=True, slots=True)
class Server:
    """A shared resource. `speed` [seconds] multiplies its capacity second by second; with
    `collapse` > 0 efficiency falls as 1 / (1 + collapse * (N / C - knee)) beyond `knee` operations
    per core, but never below one over `most_lost`.
    """

    cores: float
    speed: np.ndarray
    discipline: str = "ps"
    collapse: float = 0.0
    knee: float = 4.0
    most_lost: float = 2.5


def serve(server: Server, at: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Finishing times of operations arriving at `at` (ascending) of `size` core-seconds."""
    if not at.size:
        return np.zeros(0)
    speed = np.ascontiguousarray(server.speed, dtype=np.float64)
    at, size = at.astype(np.float64), size.astype(np.float64)
    if server.discipline == "fifo":
        workers = max(round(server.cores), 1)
        done: np.ndarray = _fifo(at, size, speed, workers, 2.0 * CROWD * float(size.mean()))
    else:
        done = _sharing(
            at, size, speed, server.cores, server.collapse, server.knee, server.most_lost
        )
    return done


Made = TypeVar("Made", bound=Callable[..., Any])


def compiled(made: Made) -> Made:
    """The same function as machine code, kept beside the source."""
    return cast(Made, numba.njit(cache=True, nogil=True)(made))


@compiled
def _push(keys: np.ndarray, jobs: np.ndarray, n: int, key: float, job: int) -> None:
    at = n
    while at > 0:
        up = (at - 1) // 2
        if keys[up] <= key:
            break
        keys[at], jobs[at] = keys[up], jobs[up]
        at = up
    keys[at], jobs[at] = key, job


@compiled
def _sift(keys: np.ndarray, jobs: np.ndarray, n: int, key: float, job: int) -> None:
    """Put (key, job) in the place of the root of a heap of n."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and keys[child + 1] < keys[child]:
            child += 1
        if key <= keys[child]:
            break
        keys[at], jobs[at] = keys[child], jobs[child]
        at = child
    keys[at], jobs[at] = key, job


@compiled
def _fifo(
    at: np.ndarray, size: np.ndarray, speed: np.ndarray, workers: int, room: float
) -> np.ndarray:
    free, nobody = np.zeros(workers), np.zeros(workers, np.int64)
    last = speed.size - 1
    done = np.empty(at.size)
    for k in range(at.size):
        t = at[k]
        if free[0] - t > room:
            done[k] = t
            continue
        begin = free[0] if free[0] > t else t
        end = begin + size[k] / speed[min(int(begin), last)]
        _sift(free, nobody, workers, end, 0)
        done[k] = end
    return done


@compiled
def _sharing(
    at: np.ndarray,
    size: np.ndarray,
    speed: np.ndarray,
    cores: float,
    collapse: float,
    knee: float,
    most_lost: float,
) -> np.ndarray:
    last = speed.size - 1
    done = np.zeros(at.size)
    room = int(CROWD * cores) + 2
    keys, jobs = np.empty(room), np.empty(room, np.int64)
    virtual, now, n = 0.0, 0.0, 0
    for k in range(at.size + 1):
        t = at[k] if k < at.size else np.inf
        while n:
            second = int(now)
            pace = cores * speed[min(second, last)] / n
            if collapse > 0.0 and n > knee * cores:
                pace /= min(1.0 + collapse * (n / cores - knee), most_lost)
            pace = min(pace, 1.0)
            end = now + (keys[0] - virtual) / pace
            # The pace may change with the second: advance at most to its end.
            stop = min(t, second + 1.0)
            if end <= stop:
                virtual, now = keys[0], end
                done[jobs[0]] = end
                n -= 1
                if n:
                    _sift(keys, jobs, n, keys[n], jobs[n])
            else:
                virtual += (stop - now) * pace
                now = stop
                if stop == t:
                    break
        if k == at.size:
            break
        now = t
        if n > CROWD * cores:
            done[k] = t
            continue
        _push(keys, jobs, n, virtual + size[k], k)
        n += 1
    return done
