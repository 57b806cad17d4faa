"""Whose body is read next, and how long bodies let the others by."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.reader import Postponed, Reader
from collector.turns import QUANTUM_S, TooManyWaiting, Turns

DEAR_S = 20 * QUANTUM_S
CHEAP_S = QUANTUM_S / 4


def waiting(*bodies: str, dear: str = "") -> Turns[str]:
    """Turns where "a1" is a body of sender a; those of `dear` cost much, the others little."""
    turns: Turns[str] = Turns()
    for sender in {one[0] for one in bodies}:
        turns.spent(sender, DEAR_S if sender in dear else CHEAP_S)
    for one in bodies:
        turns.put(one[0], one)
    return turns


def order(turns: Turns[str]) -> list[str]:
    found = []
    while taken := turns.take():
        found.append(taken[1])
    return found


def test_bodies_that_are_cheap_overtake_dear_ones():
    assert order(waiting("a1", "a2", "b1", "c1", dear="a")) == ["b1", "c1", "a1", "a2"]


def test_a_cheap_sender_takes_a_quantum_a_round_and_not_all_it_has_waiting():
    turns = waiting(*(f"a{n}" for n in range(9)), "b0")
    assert order(turns).index("b0") == QUANTUM_S / CHEAP_S


def test_a_stranger_comes_before_who_is_known_to_be_dear():
    turns = waiting("a1", "a2", dear="a")
    turns.put("x", "x1")
    assert order(turns) == ["x1", "a1", "a2"]


def test_a_sender_whose_bodies_were_dear_is_cheap_again_after_some_that_are():
    turns = waiting(dear="a")
    turns.spent("a", DEAR_S)
    for _ in range(10):
        turns.spent("a", 0)
    assert turns.cost("a") < QUANTUM_S


def test_only_cheap_senders_are_let_by_and_none_of_those_that_were():
    turns = waiting("a1", "b1", "b2", "c1", dear="a")
    assert turns.take_cheap({"b"}) == ("c", "c1")
    assert turns.take_cheap({"b"}) is None


def test_a_sender_has_so_many_waiting_and_no_more():
    turns: Turns[int] = Turns(most=2)
    turns.put("a", 1)
    turns.put("a", 2)
    with pytest.raises(TooManyWaiting):
        turns.put("a", 3)
    turns.put("b", 1)


def test_nothing_is_kept_of_senders_that_went_beyond_what_they_cost():
    turns: Turns[int] = Turns()
    for number in range(10_000):
        turns.put(str(number), number)
        turns.spent(str(number), DEAR_S)
        turns.take()
    assert turns.senders == 0
    assert turns.cost("0") == QUANTUM_S, "forgotten"
    assert turns.cost("9999") == DEAR_S


COSTS = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 0.2), min_size=1)
STEPS = st.lists(st.one_of(st.sampled_from("abcdef"), st.none()), max_size=80)


@given(COSTS, STEPS)
def test_every_body_comes_once_and_in_its_senders_order(costs, steps):
    turns: Turns[int] = Turns()
    for sender, cost_s in costs.items():
        turns.spent(sender, cost_s)
    put, taken = defaultdict(list), defaultdict(list)
    for number, sender in enumerate([*steps, *[None] * len(steps)]):
        if sender is not None:
            turns.put(sender, number)
            put[sender].append(number)
        elif found := turns.take():
            taken[found[0]].append(found[1])
    assert put == taken


@given(st.floats(0, 0.4), st.integers(1, 20), st.floats(0, 0.01))
def test_nobody_starves(dear_s, crowd, cheap_s):
    """A dear body waits while the others use what it costs each, and a round more; not longer."""
    turns: Turns[str] = Turns()
    turns.spent("dear", dear_s)
    turns.put("dear", "dear")
    used_s = 0.0
    for number in range(crowd):
        turns.spent(str(number), cheap_s)
        turns.put(str(number), "cheap")
    while (found := turns.take()) and found[0] != "dear":
        used_s += cheap_s
        turns.put(found[0], "cheap")  # there is always another
    assert found, "it came"
    assert used_s <= crowd * (dear_s + 2 * QUANTUM_S + 2 * cheap_s)


def read(*work: tuple[str, Callable[[Reader], None]]) -> None:
    """Let all wait behind one that holds the thread, then let them be read."""

    async def run() -> None:
        reader, go = Reader(), threading.Event()
        first = asyncio.create_task(reader.run("first", lambda: go.wait(10)))
        tasks = [
            asyncio.create_task(reader.run(who, lambda what=what: what(reader)))  # type: ignore[misc]
            for who, what in work
        ]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *tasks)
        reader.close()

    asyncio.run(run())


def test_a_long_body_lets_one_of_each_other_sender_by_at_a_pause():
    story: list[str] = []

    def long(reader: Reader) -> None:
        story.append("begin")
        reader.pause()
        story.append("end")

    def short(name: str) -> Callable[[Reader], None]:
        return lambda _: story.append(name)

    read(("a", long), ("b", short("b1")), ("b", short("b2")), ("c", short("c1")))
    assert story == ["begin", "b1", "c1", "end", "b2"]


def test_a_body_of_the_same_sender_is_not_let_by():
    story: list[str] = []

    def first(reader: Reader) -> None:
        reader.pause()
        story.append("first")

    read(("a", first), ("a", lambda _: story.append("second")))
    assert story == ["first", "second"]


def test_a_long_body_that_was_let_by_is_put_back_and_read_in_its_own_turn():
    story: list[str] = []

    def long(name: str) -> Callable[[Reader], None]:
        def work(reader: Reader) -> None:
            story.append(f"{name} begins")
            reader.pause()
            story.append(f"{name} ends")

        return work

    read(("a", long("a")), ("b", long("b")))
    assert story == ["a begins", "b begins", "a ends", "b begins", "b ends"]


def test_what_goes_wrong_in_a_body_let_by_is_its_own_affair():
    async def run() -> list[object]:
        reader, go = Reader(), threading.Event()

        def long() -> str:
            go.wait(10)
            reader.pause()
            return "fine"

        def wrong() -> None:
            raise KeyError

        tasks = [asyncio.create_task(reader.run(who, what)) for who, what in
                 (("a", long), ("b", wrong))]  # fmt: skip
        await asyncio.sleep(0)
        go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        reader.close()
        return [*found]

    fine, wrong = asyncio.run(run())
    assert fine == "fine"
    assert isinstance(wrong, KeyError)


def test_nobody_is_put_back_when_nothing_else_runs():
    Reader().pause()
    assert issubclass(Postponed, Exception)
