"""From the store to advice: what is read, what is attached to a proposal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from analyzer.cost.settings import CostSettings, Plan, Price
from analyzer.density.breakeven import BreakevenSettings
from analyzer.density.fullness import densities
from analyzer.density.placement import what_if
from analyzer.journal.advice import attach, breakeven_of, plan_now
from analyzer.journal.records import decision
from analyzer.model import Action, Decision, DecisionId, DecisionState
from analyzer.store.database import Store
from collector.model import Rejected, ResourceId, TenantId
from tests.analyzer.cost import house
from tests.analyzer.cost.house import WEEK, Hour, add

HOUR_US = 3_600_000_000
NOW = WEEK.end
TERMS = CostSettings(prices=(Price("db:1", "1"), Price("db:2", "2")), plans=(Plan("pro", "30"),))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """acme works by day on db:1, globex by night on db:2; hooli is tied to db:2 in no way."""
    store = Store.open(None)
    for name in ("db:1", "db:2"):
        house.resource(store, name, 1.0)
    for name in ("acme", "globex"):
        house.tenant(store, name, plan="pro")
    week = WEEK
    for _ in range(4):
        hours = []
        for at in range(168):
            day = at % 24 >= 12
            hours.append(Hour(at, "acme", "db:1", int(0.6 * HOUR_US) if day else 0, 5))
            hours.append(Hour(at, "globex", "db:2", 0 if day else int(0.6 * HOUR_US), 5))
        add(store, hours, week.start)
        week = week.previous()
    yield store
    store.close()


def test_the_plan_puts_night_beside_day_and_says_what_it_saves(store):
    found = plan_now(store, now=NOW, settings=TERMS)
    assert [(m.tenant, m.target) for m in found.moves] == [("acme", "db:2")]
    assert found.saving == pytest.approx(168 * 365.2425 / 12 / 7)


def test_a_what_if_tells_headroom_risk_and_everybodys_cost(store):
    found = what_if(store, tenant="acme", source="db:1", target="db:2", now=NOW, settings=TERMS)
    assert found.source.packing_after == 0
    assert found.target.packing_after == pytest.approx(0.6)
    assert (found.target.risk_before, found.target.risk_after) == (0.0, 0.0)
    assert found.costs[0].tenant == "acme"


def test_a_break_even_reads_four_weeks(store):
    advice = breakeven_of(store, "acme", now=NOW, settings=TERMS, terms=BreakevenSettings())
    assert advice.breakeven.weeks == 4
    assert advice.breakeven.resource == "db:1"
    assert advice.action is None  # nobody is harmed
    with pytest.raises(Rejected, match="did nothing"):
        breakeven_of(store, "nobody", now=NOW, settings=TERMS, terms=BreakevenSettings())


def test_a_proposal_to_promote_gets_its_break_even_once(store):
    made = Decision(
        id=DecisionId("DEC-1"), action=Action.PROMOTE, state=DecisionState.PROPOSED,
        tenant=TenantId("acme"), resource=ResourceId("db:1"), incident=None, reason="performance",
        created_at=NOW, expires_at=NOW + timedelta(days=7), target="database",
        evidence=("blamed 5 times in 7 days",),
    )  # fmt: skip
    from analyzer.journal.transitions import _write_decision

    with store.transaction() as tx:
        _write_decision(tx, made, NOW)
    for _ in range(2):
        attach(store, now=NOW, settings=TERMS, terms=BreakevenSettings())
    found = decision(store, DecisionId("DEC-1"))
    assert found is not None
    assert found.evidence[0] == "blamed 5 times in 7 days"
    assert found.evidence[1].startswith("break-even of a database of its own: 0 of 4 weeks for it")
    assert sum(words.startswith("break-even") for words in found.evidence) == 1
    assert any("to be worth it" in words for words in found.evidence)


def test_density_says_what_binds_and_what_is_left_when_one_is_lost(store, tmp_path: Path):
    rows = {row.resource: row for row in densities(store, now=NOW)}
    one = rows["db:1"]
    assert one.packing == pytest.approx(0.6)
    assert one.n1_headroom == pytest.approx(0.4)  # the other's night falls beside its day
    assert one.binding == "time"
    assert {d.name: d.full for d in one.dimensions} == {"time": pytest.approx(0.6)}
    assert one.lorenz[0] == 0.0
    assert one.lorenz[-1] == 1.0
    assert list(one.lorenz) == sorted(one.lorenz)
