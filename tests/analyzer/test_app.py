"""What the put-together service does beside the cycle: seeds the registry, tells of reports."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from analyzer import registry
from analyzer.app import Analyzer, tell_report
from analyzer.config import AnalyzerSettings, ResourceSettings, TenantSettings
from analyzer.model import Isolation
from analyzer.notify.settings import EndpointSettings
from analyzer.reports.ledger import Report
from collector.model import ResourceId, ResourceKind, TenantId

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def settings(directory, **more) -> AnalyzerSettings:
    return AnalyzerSettings(
        data=directory,
        resources=(ResourceSettings("db:shard-1", ResourceKind.DATABASE, 8.0),),
        tenants=(
            TenantSettings(
                "acme", plan="pro", isolation=Isolation.SCHEMA, resources=("db:shard-1",)
            ),
        ),
        **more,
    )


def test_the_configuration_describes_tenants_and_resources_once_however_often_it_starts(tmp_path):
    for _ in range(2):
        analyzer = Analyzer.open(settings(tmp_path), clock=lambda: NOW)
        found = registry.tenant(analyzer.store, TenantId("acme"))
        places = registry.placements(analyzer.store)
        resource = registry.resource(analyzer.store, ResourceId("db:shard-1"))
        analyzer.close()
        assert found is not None
        assert (found.plan, found.created_at) == ("pro", NOW)
        assert [(p.tenant, p.isolation) for p in places] == [("acme", Isolation.SCHEMA)]
        assert resource is not None
        assert resource.capacity == 8.0


def test_a_report_is_told_to_every_endpoint_in_the_transaction_that_enters_it(tmp_path):
    sink = EndpointSettings("sink", "http://127.0.0.1:9/hook")
    analyzer = Analyzer.open(settings(tmp_path, endpoints=(sink,)), clock=lambda: NOW)
    report = Report("2026-W47", 1, "provisional", NOW, "80.64", "EUR", None, ())
    try:
        with pytest.raises(RuntimeError, match="crash"):
            tell_and_crash(analyzer, report)
        assert analyzer.store.rows("notify_depth")[0][0] == 0
        with analyzer.store.transaction() as tx:
            tell_report(tx, report, NOW, analyzer.links)
        assert analyzer.store.rows("notify_depth")[0][0] == 1
    finally:
        analyzer.close()


def tell_and_crash(analyzer: Analyzer, report: Report) -> None:
    with analyzer.store.transaction() as tx:
        tell_report(tx, report, NOW, analyzer.links)
        raise RuntimeError("crash before the commit")
