"""`python -m bench.alerts`: two questions, each asked of ours and of Debian's Alertmanager.

1. How long from a change of an incident to the first attempt? Openings at random moments; the clock
   runs from before our transaction (their POST) to the arrival of the request.
2. How long to drain what is queued, and does a slow receiver delay the others? Every opening goes
   to all receivers; the quick ones are timed with a slow one beside them, and without.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench.alerts.sides import BINARY, Side, Sink, alertmanager, ours, sink

SLOW_S = 1.0
QUICK = 3


def main() -> None:
    parser = argparse.ArgumentParser("bench.alerts", description=__doc__)
    parser.add_argument("--openings", type=int, default=300)
    parser.add_argument("--queued", type=int, default=10_000, help="deliveries, over 4 endpoints")
    args = parser.parse_args()
    per = args.queued // (QUICK + 1)
    rows = {"partywall": (latency(_ours, args.openings), *drains(_ours_later, per))}
    if BINARY:
        rows["alertmanager"] = (latency(_theirs, args.openings), *drains(_theirs_at_once, per))
    else:
        print("(no Alertmanager here: apt install prometheus-alertmanager)")
    print(
        f"# Alerts: {args.openings} openings one by one; {per:,} to each of {QUICK + 1} receivers"
    )
    heads = ("p50 ms", "p99 ms", "worst ms", "drain alone s", "beside a slow one s")
    print(" " * 14 + "".join(f"{head:>21}" for head in heads))
    for name, (spread, alone, beside) in rows.items():
        times = (*(1000 * at(spread, q) for q in (0.5, 0.99, 1.0)), alone, beside)
        print(f"{name:14}" + "".join(f"{value:21.1f}" for value in times))
    mine = rows["partywall"]
    print(f"p99 of ours against 1 s: {at(mine[0], 0.99):.2f} s")
    print(f"a slow receiver stretches the drain of the quick ones: {mine[2] / mine[1]:.2f} times")
    if theirs := rows.get("alertmanager"):
        ratio = at(theirs[0], 0.99) / at(mine[0], 0.99)
        print(f"p99, Alertmanager's over ours: {ratio:.2f}")
        print(f"drain alone, Alertmanager's over ours: {theirs[1] / mine[1]:.2f}")


def at(spread: Sequence[float], part: float) -> float:
    return spread[min(int(len(spread) * part), len(spread) - 1)]


def latency(start: Callable, openings: int) -> list[float]:
    """Seconds from the change to the arrival, sorted."""
    chance = random.Random(3)
    with ExitStack() as stack:
        into = stack.enter_context(sink())
        side: Side = stack.enter_context(start([into]))
        side.open(["warm"])
        time.sleep(2)
        told = {}
        for n in range(openings):
            time.sleep(chance.expovariate(8))
            name = f"INC-{n}"
            told[name] = time.time()
            side.open([name])
        got = wait_for(into, openings + 1)
    return sorted(got[name] - at for name, at in told.items())


def drains(start: Callable, each: int) -> tuple[float, float]:
    """Seconds until the quick receivers have everything: alone, and beside a slow one. The number
    of messages to send is the same."""
    return drain(start, each, slow_s=0.0), drain(start, each, slow_s=SLOW_S)


def drain(start: Callable, each: int, slow_s: float) -> float:
    with ExitStack() as stack:
        quick = [stack.enter_context(sink()) for _ in range(QUICK)]
        other = stack.enter_context(sink(slow_s))
        side, go = stack.enter_context(start([*quick, other]))
        names = [f"INC-{n}" for n in range(each)]
        began = time.time()
        for first in range(0, each, 500):
            side.open(names[first : first + 500])
        if go is not None:
            began = time.time()
            go()
        return max(max(wait_for(one, each).values()) for one in quick) - began


def wait_for(into: Sink, count: int, patience_s: float = 600) -> dict[str, float]:
    end = time.monotonic() + patience_s
    while len(got := into.got()) < count:
        if time.monotonic() > end:
            raise TimeoutError(f"{len(got)} of {count} arrived")
        time.sleep(0.25)
    return got


@contextmanager
def _ours(sinks: list[Sink]) -> Iterator[Side]:
    with ours(sinks) as (side, _):
        yield side


@contextmanager
def _ours_later(sinks: list[Sink]) -> Iterator[tuple[Side, Callable[[], None] | None]]:
    """Everything is queued before the sender starts."""
    with ours(sinks, running=False) as (side, timetable):
        yield side, timetable.start


@contextmanager
def _theirs(sinks: list[Sink]) -> Iterator[Side]:
    with alertmanager(sinks) as side:
        yield side


@contextmanager
def _theirs_at_once(sinks: list[Sink]) -> Iterator[tuple[Side, Callable[[], None] | None]]:
    """It has no queue to fill beforehand: the clock runs from the first POST."""
    with alertmanager(sinks) as side:
        yield side, None


if __name__ == "__main__":
    main()
