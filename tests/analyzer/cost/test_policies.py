"""Who pays for idle, for the nameless, for fees over others: every policy, by hand and by law."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.cost.policies import Policy, PolicyPart
from analyzer.cost.settings import CostSettings, Plan, Price, Rate
from analyzer.cost.statement import Statement
from analyzer.store.database import Store
from collector.model import UNKNOWN_TENANT
from tests.analyzer.cost import house
from tests.analyzer.cost.house import CAST, Hour, add, place, resource, statement, tenant
from tests.analyzer.cost.reference import reference

HOUR_US = 3_600_000_000
SHARD = "db:shard-1"
SHEET = (Price(SHARD, "1.00"),)
TIERS = Policy(
    "tiers", "weighted", parts=(PolicyPart("pro", weight="3"), PolicyPart("free", weight="1"))
)
SHARES = Policy(
    "shares", "fixed",
    parts=(PolicyPart(tenant="acme", weight="60"), PolicyPart(tenant="gone", weight="40")),
)  # fmt: skip
CAPPED = Policy("cap", "capped", cap_percent="10")
BY_COUNT = Policy("ops", "by_driver", driver="count")


@pytest.fixture
def store(shelf: Store) -> Store:
    """A shard of one core: acme uses a half of it, globex a quarter, a quarter is idle."""
    house.empty(shelf)
    resource(shelf, SHARD, 1)
    tenant(shelf, "acme", plan="pro")
    tenant(shelf, "globex", plan="free")
    add(shelf, [Hour(at, "acme", SHARD, HOUR_US // 2, 1) for at in range(168)])
    add(shelf, [Hour(at, "globex", SHARD, HOUR_US // 4, 3) for at in range(168)])
    return shelf


def idle_of(s: Statement) -> tuple[dict[str, str], str]:
    return {t.tenant: s.money(t.idle) for t in s.tenants}, s.money(s.idle)


@pytest.mark.parametrize(
    ("policy", "paid", "kept"),
    [
        (TIERS, {"acme": "36.0000", "globex": "6.0000"}, "0.0000"),
        (SHARES, {"acme": "25.2000", "globex": "0.0000"}, "16.8000"),
        (CAPPED, {"acme": "8.4000", "globex": "4.2000"}, "29.4000"),
        (BY_COUNT, {"acme": "10.5000", "globex": "31.5000"}, "0.0000"),
        (Policy("mine", "even"), {"acme": "21.0000", "globex": "21.0000"}, "0.0000"),
        (Policy("mine", "retained"), {"acme": "0.0000", "globex": "0.0000"}, "42.0000"),
    ],
    ids=lambda value: value.how if isinstance(value, Policy) else "",
)
def test_idle_goes_where_its_policy_says(store, policy, paid, kept):
    terms = CostSettings(prices=SHEET, policies=(policy,), idle=policy.name)
    assert terms.problems() == []
    s = statement(store, terms)
    assert idle_of(s) == (paid, kept)
    assert s.bill == s.allocated + s.idle + s.unattributed
    other = replace(terms, idle="retained", prices=(replace(SHEET[0], idle=policy.name),))
    assert idle_of(statement(store, other)) == (paid, kept)


def test_a_placement_undone_at_once_does_not_hide_who_uses_the_resource(store):
    moment = house.MONDAY + timedelta(hours=3)
    place(store, "globex", SHARD, since=moment, until=moment)
    s = statement(store, CostSettings(prices=SHEET, idle="even"))
    assert idle_of(s) == ({"acme": "21.0000", "globex": "21.0000"}, "0.0000")


def test_what_a_tenant_reserved_and_did_not_use_stays_with_it_and_is_told(store):
    tenant(store, "hooli", floor=0.25)
    place(store, "hooli", SHARD)
    add(store, [Hour(0, "hooli", SHARD, HOUR_US // 4)])
    s = statement(store, CostSettings(prices=SHEET, idle="proportional"))
    lines = {t.tenant: (s.money(t.direct), s.money(t.own_idle)) for t in s.tenants}
    assert lines["hooli"] == ("42.0000", "41.7500")
    assert lines["acme"] == ("84.0000", "0.0000")


def test_use_without_a_name_has_a_policy_of_its_own(store):
    add(store, [Hour(at, UNKNOWN_TENANT, SHARD, HOUR_US // 4) for at in range(168)])
    kept = statement(store, CostSettings(prices=SHEET))
    assert kept.money(kept.unattributed) == "42.0000"
    s = statement(store, CostSettings(prices=SHEET, system="proportional"))
    assert {t.tenant: s.money(t.shared) for t in s.tenants} == {
        "acme": "28.0000",
        "globex": "14.0000",
    }
    assert s.unattributed == 0
    assert s.resources[0].coverage == pytest.approx(0.75)


def test_a_fee_over_resources_follows_what_their_tenants_pay_in_order(store):
    resource(store, "pool:web", 1)
    add(store, [Hour(at, "hooli", "pool:web", HOUR_US) for at in range(168)])
    terms = CostSettings(
        prices=(
            Price("support", "0.10", kind="fixed", over=("ops",)),
            Price("ops", "0.30", kind="fixed", over=(SHARD,)),
            *SHEET,
            Price("pool:web", "1.00"),
        )
    )
    assert terms.problems() == []
    s = statement(store, terms)
    paid = {(t.tenant, p.resource): s.money(p.shared) for t in s.tenants for p in t.parts}
    assert {key: amount for key, amount in paid.items() if amount != "0.0000"} == {
        ("acme", "ops"): "33.6000",
        ("globex", "ops"): "16.8000",
        ("acme", "support"): "11.2000",
        ("globex", "support"): "5.6000",
    }
    assert s.bill == s.allocated + s.idle + s.unattributed


def test_a_fee_over_resources_that_nobody_pays_for_is_unattributed(store):
    house.sql(store, "DELETE FROM hot_1h")
    s = statement(
        store, CostSettings(prices=(*SHEET, Price("ops", "0.30", kind="fixed", over=(SHARD,))))
    )
    assert (s.money(s.unattributed), s.allocated) == ("50.4000", 0)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (CostSettings(idle="mine"), "cost.idle: 'mine' is unknown, use one of retained"),
        (CostSettings(system="x"), "cost.system: 'x' is unknown"),
        (CostSettings(credits="even"), "cost.credits: 'even' is unknown"),
        (CostSettings(basis="list"), "cost.basis: 'list' is unknown, use one of billed, effective"),
        (CostSettings(policies=(Policy("even", "even"),)), "'even' is given twice"),
        (CostSettings(policies=(Policy("a", "odd"),)), "policy[0].how: 'odd' is unknown"),
        (CostSettings(policies=(Policy("a", "fixed"),)), "the weights sum to 0, make them 100"),
        (CostSettings(policies=(Policy("a", "weighted"),)), "name each plan once"),
        (CostSettings(policies=(Policy("a", "capped", cap_percent="ten"),)), "is no number"),
        (CostSettings(prices=(Price("a", "1", kind="fixed", over=("b",)),
                              Price("b", "1", kind="fixed", over=("a",)))), "is a circle"),
        (CostSettings(prices=(Price("a", "1", over=("b",)),)), "is for fixed prices"),
        (CostSettings(rates=(Rate("EUR", "1.1", ""),)), "cost.rate[0].source: is empty"),
        (CostSettings(rates=(Rate("EUR", "-1", "x"),)), "cost.rate[0].rate: '-1' is negative"),
        (CostSettings(plans=(Plan("pro", "1"), Plan("pro", "2"))), "'pro' is given twice"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told_at_the_start(terms, told):
    assert any(told in problem for problem in terms.problems())


def test_equal_policies_have_equal_versions():
    assert TIERS.version == replace(TIERS).version
    assert TIERS.version != replace(TIERS, parts=TIERS.parts[:1]).version


hours = st.lists(
    st.builds(
        Hour,
        at=st.integers(0, 167),
        tenant=st.sampled_from([*CAST, UNKNOWN_TENANT]),
        resource=st.sampled_from([SHARD, "db:shard-2"]),
        busy_us=st.integers(0, 2 * HOUR_US),
        count=st.integers(0, 9),
    ),
    max_size=20,
)
shares = st.lists(st.integers(1, 9), min_size=2, max_size=3).map(
    lambda parts: tuple(
        PolicyPart(tenant=t, weight=w) for t, w in zip(CAST, _hundred(parts), strict=False)
    )
)


def _hundred(parts: list[int]) -> list[str]:
    firsts = [100 * p // sum(parts) for p in parts[:-1]]
    return [str(p) for p in [*firsts, 100 - sum(firsts)]]


policies = st.one_of(
    st.just(TIERS),
    st.builds(Policy, st.just("p"), st.just("fixed"), parts=shares),
    st.builds(
        Policy, st.just("p"), st.just("by_driver"), driver=st.sampled_from(["busy", "count"])
    ),
    st.builds(
        Policy, st.just("p"), st.just("capped"),
        cap_percent=st.decimals(0, 200, places=2).map(str),
    ),
    st.builds(Policy, st.just("p"), st.sampled_from(["proportional", "even", "retained"])),
)  # fmt: skip
prices = st.lists(
    st.builds(
        Price,
        resource=st.sampled_from([SHARD, "db:shard-2"]),
        per_hour=st.decimals(-2, 20, places=3).map(str),
        kind=st.sampled_from(["capacity", "usage"]),
    ),
    min_size=1,
    max_size=4,
)
AMOUNTS = st.decimals(-2, 9, places=3).map(str)
fees = st.lists(
    st.one_of(
        st.builds(
            Price, st.just("team"), AMOUNTS, kind=st.just("fixed"),
            driver=st.sampled_from(["", "busy", "count"]),
        ),
        st.builds(
            Price, st.just("ops"), AMOUNTS, kind=st.just("fixed"),
            over=st.sampled_from([(SHARD,), (SHARD, "db:shard-2"), ("team", SHARD), ("team",)]),
        ),
        st.builds(
            Price, st.just("support"), AMOUNTS, kind=st.just("fixed"),
            over=st.sampled_from([("ops",), ("ops", "db:shard-2"), (SHARD,)]),
        ),
    ),
    max_size=3,
)  # fmt: skip
LONG = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def agree(shelf: Store, used: list[Hour], sheet: list[Price], policy: Policy, system: str) -> None:
    house.empty(shelf)
    plans = dict(zip(CAST, ["pro", "free", "pro", "", "x"], strict=True))
    for name in (SHARD, "db:shard-2"):
        resource(shelf, name, 1.5)
    for name, plan in plans.items():
        tenant(shelf, name, plan=plan)
    add(shelf, used)
    terms = CostSettings(prices=tuple(sheet), policies=(policy,), idle=policy.name, system=system)
    s = statement(shelf, terms)
    capacity = dict.fromkeys((SHARD, "db:shard-2"), 1.5)
    cells, lines = reference(used, capacity, house.WEEK, terms, plans)
    assert {
        (t.tenant, p.resource): (p.direct, p.idle, p.shared, p.credit)
        for t in s.tenants
        for p in t.parts
        if p.direct or p.idle or p.shared
    } == cells
    assert {r.resource: (r.bill, r.idle, r.unattributed) for r in s.resources} == lines
    assert s.bill == s.allocated + s.idle + s.unattributed


systems = st.sampled_from(["retained", "proportional", "even"])


@given(hours, prices, fees, policies, systems)
@settings(LONG, max_examples=40)
def test_every_policy_agrees_with_the_obvious_engine(shelf, used, sheet, above, policy, system):
    agree(shelf, used, [*sheet, *above], policy, system)


def test_a_fee_of_two_prices_waits_for_what_either_is_over(shelf):
    fees = [
        Price("support", "0", kind="fixed", over=(SHARD,)),
        Price("support", "1", kind="fixed", over=("ops",)),
        Price("ops", "1", kind="fixed", over=(SHARD,)),
    ]
    used = [Hour(at=0, tenant="acme", resource=SHARD, busy_us=HOUR_US, count=1)]
    agree(shelf, used, [Price(SHARD, "1"), *fees], TIERS, "retained")


@pytest.mark.soak
@given(hours, prices, fees, policies, systems)
@settings(LONG, max_examples=5000)
def test_every_policy_agrees_five_thousand_times(shelf, used, sheet, above, policy, system):
    agree(shelf, used, [*sheet, *above], policy, system)
