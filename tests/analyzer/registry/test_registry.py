"""Who lives where, and where they lived."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from analyzer import registry
from analyzer.model import Isolation
from analyzer.registry import Key, Resource, Tenant
from analyzer.store.database import Store
from collector.model import ResourceId, ResourceKind, TenantId

AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
ACME, SHARD_1, SHARD_2 = TenantId("acme"), ResourceId("db:shard-1"), ResourceId("db:shard-2")


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open(None, threads=1)
    yield opened
    opened.close()


def observe(store, *keys: Key) -> None:
    with store.transaction() as tx:
        naive = AT.replace(tzinfo=None)
        registry.observe(tx, keys, since=naive, now=naive)


def test_a_tenant_comes_back_as_it_was_written(store) -> None:
    acme = Tenant(
        ACME, AT, "Acme Inc", "gold", 9900, Isolation.SCHEMA, ("region:eu",), 250.0, 0.5
    )  # fmt: skip
    assert registry.upsert_tenant(store, acme) == acme
    assert registry.tenant(store, ACME) == acme


def test_writing_a_tenant_again_keeps_when_it_was_created(store) -> None:
    registry.upsert_tenant(store, Tenant(ACME, AT, plan="gold"))
    registry.upsert_tenant(store, Tenant(ACME, LATER, plan="silver"))
    assert [(t.plan, t.created_at) for t in registry.tenants(store)] == [("silver", AT)]


def test_a_deleted_tenant_is_listed_only_when_asked_for(store) -> None:
    registry.upsert_tenant(store, Tenant(ACME, AT, deleted_at=LATER))
    assert registry.tenants(store) == []
    assert [t.deleted_at for t in registry.tenants(store, deleted=True)] == [LATER]


def test_nobody_is_none(store) -> None:
    assert registry.tenant(store, ACME) is None
    assert registry.resource(store, SHARD_1) is None


def test_a_resource_comes_back_as_it_was_written(store) -> None:
    shard = Resource(SHARD_1, ResourceKind.DATABASE, AT, 8.0, "db:cluster-1")
    registry.upsert_resource(store, shard)
    registry.upsert_resource(store, shard)
    assert registry.resources(store) == [shard]


def test_moving_in_moving_up_and_moving_out_is_history(store) -> None:
    registry.place(store, ACME, SHARD_1, at=AT)
    registry.place(store, ACME, SHARD_1, at=AT + timedelta(minutes=5))
    registry.place(store, ACME, SHARD_1, at=LATER, isolation=Isolation.SCHEMA)
    registry.unplace(store, ACME, SHARD_1, at=LATER + timedelta(hours=1))
    history = [(p.isolation, p.from_ts, p.to_ts) for p in registry.placements(store, tenant=ACME)]
    assert history == [
        (Isolation.SHARED, AT, LATER),
        (Isolation.SCHEMA, LATER, LATER + timedelta(hours=1)),
    ]
    assert registry.current_placements(store) == []


def test_usage_registers_who_it_shows_and_changes_nobody_known(store) -> None:
    registry.upsert_tenant(store, Tenant(ACME, AT, plan="gold"))
    for _ in range(2):
        observe(store, Key("acme", SHARD_1, "query"), Key("globex", SHARD_1, "query"))
    assert [(t.id, t.plan) for t in registry.tenants(store)] == [("acme", "gold"), ("globex", "")]
    assert [r.kind for r in registry.resources(store)] == [ResourceKind.DATABASE]
    assert len(registry.current_placements(store)) == 2


def test_usage_trickling_in_after_a_move_does_not_undo_it(store) -> None:
    registry.place(store, ACME, SHARD_1, at=AT)
    registry.unplace(store, ACME, SHARD_1, at=LATER)
    registry.place(store, ACME, SHARD_2, at=LATER)
    observe(store, Key("acme", SHARD_1, "query"))
    assert [p.resource for p in registry.current_placements(store, tenant=ACME)] == [SHARD_2]


KINDS = [
    ("db:shard-1", "query", ResourceKind.DATABASE),
    ("pool:web", "request", ResourceKind.COMPUTE),
    ("queue:exports", "queue", ResourceKind.QUEUE),
    ("cache:redis-1", "cache", ResourceKind.CACHE),
    ("orders", "query", ResourceKind.DATABASE),
    ("orders", "request", ResourceKind.COMPUTE),
    ("db", "", ResourceKind.COMPUTE),
]


@pytest.mark.parametrize(("resource", "family", "kind"), KINDS)
def test_the_kind_is_guessed_from_the_prefix_else_from_the_work(resource, family, kind) -> None:
    assert registry.guess_kind(resource, family) == kind
