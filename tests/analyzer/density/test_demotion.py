"""A tenant with a database of its own goes back when that pays and fits, and not otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.cost.settings import CostSettings, Price
from analyzer.decisions.lifecycle import Verb
from analyzer.density.breakeven import BreakevenSettings
from analyzer.density.demotion import Pool, Stay, demotion, roomiest
from analyzer.journal.advice import attach, breakeven_of, propose_demotions
from analyzer.journal.records import DecisionFilter, decisions
from analyzer.journal.transitions import change_decision
from analyzer.model import Action, DecisionState
from analyzer.notify.event import Links
from analyzer.store.database import Store
from collector.model import Rejected, TenantId
from tests.analyzer.cost import house
from tests.analyzer.cost.house import WEEK

HOUR_US = 3_600_000_000
NOW = WEEK.end
TERMS = BreakevenSettings(own_per_month="0", move_cost="26")
MONEY = CostSettings(prices=(Price("db:1", "0.1"), Price("db:2", "0.1"), Price("db:own", "0.1")))


def pool(load: float = 0.5, *, lost: float | None = 0.8, capacity: float = 2.0) -> Pool:
    return Pool("db:1", capacity, 20.0, np.full(672, load), lost)


STAY = Stay(
    "acme", "db:own", "database", np.full(672, 0.2), own_price=10.0, caused=0.0, charged=10.0,
    pinned=False, weeks_since_move=8.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("why", "stay", "where", "said"),
    [
        ("all is well", STAY, pool(), None),
        ("alone in its kind", STAY, pool(lost=None), None),
        ("pinned by regulation", replace(STAY, pinned=True), pool(), "it is tied to where it is"),
        ("moved lately", replace(STAY, weeks_since_move=7.9), pool(), "its last move is 7.9 weeks"),
        ("pool too full", STAY, pool(1.45), "it does not fit: db:1 has room for 0.15"),
        ("fits until one is lost", STAY, pool(lost=1.9), "it does not fit when another is lost"),
        ("was noisy before", replace(STAY, caused=9.0), pool(), "it pays in 0 of 4 weeks"),
        ("own is nearly free", replace(STAY, own_price=0.5), pool(), "it pays in 0 of 4 weeks"),
    ],
)
def test_it_goes_back_only_when_nothing_speaks_against_it(why, stay, where, said):
    found = demotion(stay, where, settings=TERMS)
    assert found is not None
    assert found.holds is (said is None), why
    assert any(words.startswith(said) for words in found.against) if said else not found.against


def test_the_money_is_counted_to_the_cent():
    found = demotion(STAY, pool(), settings=TERMS)
    assert found is not None
    # 10 a week saved, the move of 26 over 26 weeks, the pool stays as large; 2 x 0.1 x 10 needed.
    assert found.saving == pytest.approx(9.0)
    assert found.threshold == pytest.approx(2.0)
    assert found.payback_weeks == pytest.approx(2.6)
    said = found.sentences("EUR", 2)
    assert said[0] == (
        "break-even of a database of its own, backwards: going back to db:1 saves 9.00 EUR a week"
        " (needed: over 2.00 EUR), in 4 of 4 weeks"
    )
    assert "has room for 1.1 up to 80% full, 1.2 when one is lost" in said[2]


def test_three_of_four_weeks_must_speak_for_it():
    for loud, holds in ((1, True), (2, False)):
        own = np.full(672, 0.2)
        own[: loud * 168] = 1.2  # the pool would have to double in these weeks
        found = demotion(replace(STAY, own=own), pool(lost=None, load=0.35), settings=TERMS)
        assert found is not None
        assert found.weeks_for == 4 - loud
        assert any("it pays in" in words for words in found.against) is not holds


def test_only_busy_hours_that_last_count_not_one_odd_hour():
    own = np.full(672, 0.2)
    own[5] = 50.0
    found = demotion(replace(STAY, own=own), pool(), settings=TERMS)
    assert found is not None
    assert found.p99 == pytest.approx(0.2)


@given(st.floats(0.01, 3), st.floats(0, 3), st.floats(0, 3))
def test_what_goes_back_always_fits(own, load, lost):
    where = pool(load, lost=lost)
    found = demotion(replace(STAY, own=np.full(672, own)), where, settings=TERMS)
    assert found is not None
    if found.holds:
        assert load + own <= 0.8 * where.capacity + 1e-9
        assert lost + own <= where.capacity + 1e-9


def test_the_pool_with_the_most_room_is_chosen_with_one_lost_as_well():
    tight = Pool("db:0", 2.0, 20.0, np.full(672, 0.1), 1.9)
    found = roomiest([tight, pool()])
    assert found is not None
    assert found.resource == "db:1"
    assert roomiest([]) is None


# --- from the store ------------------------------------------------------------------------------


@pytest.fixture
def store() -> Iterator[Store]:
    """acme has db:own to itself since January; globex and hooli share db:1 and db:2."""
    store = Store.open(None)
    for name in ("db:1", "db:2", "db:own"):
        house.resource(store, name, 1.0)
    for name in ("acme", "globex", "hooli"):
        house.tenant(store, name)
    house.sql(store, "UPDATE tenants SET isolation = 'database' WHERE id = 'acme'")
    house.place(store, "acme", "db:own", "database")
    house.place(store, "globex", "db:1")
    house.place(store, "hooli", "db:2")
    for name, where, load in (
        ("acme", "db:own", 0.05), ("globex", "db:1", 0.25), ("hooli", "db:2", 0.2),
    ):  # fmt: skip
        house.sql(
            store,
            "INSERT INTO hot_1h (ts, window_s, tenant, resource, family, busy_us, \"count\")"
            " SELECT ? - to_hours(n + 1), 3600, ?, ?, 'query', ?, 5 FROM range(672) AS r(n)",
            NOW.replace(tzinfo=None), name, where, int(load * HOUR_US),
        )  # fmt: skip
    yield store
    store.close()


def propose(store: Store, now: datetime = NOW) -> list[tuple[str, str | None]]:
    made = propose_demotions(
        store, now=now, settings=MONEY, terms=TERMS, mode="shadow", links=Links()
    )
    return [(one.tenant, one.target) for one in made]


def test_the_timetable_proposes_it_once_with_its_break_even(store):
    assert propose(store) == [("acme", "shared")]
    (found,) = decisions(store, DecisionFilter(tenant=TenantId("acme")))
    assert (found.action, found.state) == (Action.DEMOTE, DecisionState.PROPOSED)
    assert (found.resource, found.reason) == ("db:own", "performance")
    assert "backwards: going back to db:2 saves" in found.evidence[0]
    assert propose(store) == []
    assert attach(store, now=NOW, settings=MONEY, terms=TERMS) == []
    with store.reader() as reader:
        assert reader.row("journal_decision", id=found.id) is not None


def test_what_a_person_turned_down_is_not_proposed_again_for_eight_weeks(store):
    propose(store)
    (found,) = decisions(store)
    change_decision(store, found.id, Verb.REJECT, by="ada", now=NOW, links=Links())
    assert propose(store, NOW + timedelta(hours=1)) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tenants SET pins = ['eu'] WHERE id = 'acme'",
        "UPDATE tenants SET deleted_at = TIMESTAMP '2026-11-01' WHERE id = 'acme'",
        "UPDATE placements SET from_ts = TIMESTAMP '2026-11-01' WHERE tenant = 'acme'",
        "UPDATE resources SET capacity = 0.3 WHERE id IN ('db:1', 'db:2')",
        "UPDATE resources SET capacity = NULL WHERE id IN ('db:1', 'db:2')",
        "UPDATE resources SET kind = 'queue' WHERE id IN ('db:1', 'db:2')",
        "UPDATE placements SET isolation = 'database'",
        "UPDATE tenants SET isolation = 'shared' WHERE id = 'acme'",
        "UPDATE hot_1h SET resource = 'db:1' WHERE tenant = 'acme'",
    ],
)
def test_it_is_not_proposed(store, change):
    house.sql(store, change)
    assert propose(store) == []


def test_asked_it_says_what_speaks_against_it(store):
    house.sql(store, "UPDATE tenants SET pins = ['eu'] WHERE id = 'acme'")
    advice = breakeven_of(store, "acme", now=NOW, settings=MONEY, terms=TERMS)
    assert advice.action is None
    assert advice.back is not None
    assert advice.back.against == ("it is tied to where it is (pins of the tenant)",)
    assert advice.sentences("EUR", 2)[-1] == advice.back.against[0]


def test_who_shares_its_database_is_told_that_there_is_none_to_give_up(store):
    house.sql(store, "UPDATE hot_1h SET resource = 'db:1' WHERE tenant = 'acme'")
    with pytest.raises(Rejected, match="no database of its own to give up"):
        breakeven_of(store, "acme", now=NOW, settings=MONEY, terms=TERMS)
