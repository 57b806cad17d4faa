"""Approved throttles become limits in every enforcer's words; nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.model import Action, Decision, DecisionId, DecisionState
from analyzer.policy.model import Policy, entries
from analyzer.policy.render import FORMATS, render
from collector.model import Rejected, ResourceId, TenantId

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

THROTTLE = Decision(
    id=DecisionId("dec_1"),
    action=Action.THROTTLE,
    state=DecisionState.APPROVED,
    tenant=TenantId("acme"),
    resource=ResourceId("db:shard-3"),
    incident=None,
    reason="takes the database",
    created_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
    limit=0.125,
    limit_unit="busy seconds per second",
)

COSTS = {("acme", "db:shard-3"): 0.01, ("acme", "db:shard-4"): 0.01}

HOSTILE = ["no", "on", "1e3", "null", 'a"b', "a'b", "a\\b", "$host", "a b", "ü"]


def policy_of(*decisions: Decision) -> Policy:
    return Policy(version="v1", at=NOW, entries=entries(decisions, costs=COSTS, now=NOW))


def test_a_proposal_is_only_a_shadow():
    (entry,) = policy_of(replace(THROTTLE, state=DecisionState.PROPOSED)).entries
    assert entry.mode == "shadow"


def test_an_approval_is_enforced_in_operations_at_the_tenants_own_cost():
    (entry,) = policy_of(THROTTLE).entries
    assert (entry.mode, entry.busy, entry.rps) == ("enforce", 0.125, 12.5)


@pytest.mark.parametrize(
    "silent",
    [
        replace(THROTTLE, state=DecisionState.WITHDRAWN),
        replace(THROTTLE, state=DecisionState.REJECTED),
        replace(THROTTLE, expires_at=NOW),
        replace(THROTTLE, action=Action.MOVE),
        replace(THROTTLE, limit=None),
    ],
)
def test_what_is_not_a_live_throttle_limits_nobody(silent):
    assert policy_of(silent).entries == ()


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_shadow_refuses_nobody_in_any_enforcer(form):
    shadow = policy_of(replace(THROTTLE, state=DecisionState.PROPOSED))
    _, text = render(shadow, form)
    if form in {"json", "sql"}:  # these two say the mode beside the limit
        assert "shadow" in text
        assert "enforce" not in text
    else:
        assert "acme" not in text


@pytest.mark.parametrize("tenant", HOSTILE)
@pytest.mark.parametrize("form", ["envoy", "mimir", "json"])
def test_hostile_tenant_names_stay_strings(form, tenant):
    _, text = render(policy_of(replace(THROTTLE, tenant=TenantId(tenant))), form)
    assert tenant in _strings(json.loads(text))


@pytest.mark.parametrize("tenant", ["a'b", "x'); DROP TABLE t; --"])
def test_sql_doubles_every_quote(tenant):
    _, text = render(policy_of(replace(THROTTLE, tenant=TenantId(tenant))), "sql")
    assert "'" + tenant.replace("'", "''") + "'" in text


def test_nginx_rounds_a_limit_down_to_a_tier_it_has():
    _, text = render(policy_of(THROTTLE), "nginx")
    block = text.split("$partywall_r10 {")[1].split("}")[0]
    assert '"acme" $partywall_tenant;' in block


def test_the_tightest_of_a_tenants_limits_wins_where_only_the_tenant_is_known():
    other = replace(THROTTLE, resource=ResourceId("db:shard-4"), limit=0.02)
    _, text = render(policy_of(THROTTLE, other), "haproxy")
    assert text == "acme 20\n"


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(Rejected, match="envoy"):
        render(policy_of(), "apache")


def _strings(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set(value) | {s for item in value.values() for s in _strings(item)}
    if isinstance(value, list):
        return {s for item in value for s in _strings(item)}
    return set()
