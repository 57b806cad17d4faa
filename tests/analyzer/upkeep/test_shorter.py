"""Some tenants are kept shorter, and nothing else is less true for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from analyzer.upkeep.shorter import KeepSettings, retain_shorter
from analyzer.upkeep.verification import verify
from analyzer.usage.rollup import RetentionSettings
from tests.analyzer.ingest.door import _ask
from tests.analyzer.upkeep.test_compaction import squeeze, sums
from tests.analyzer.usage.test_rollup import AT, DAY, Usage

KEEP = RetentionSettings(ten_seconds_h=24 * 14, minutes_d=15)
SHORT = (KeepSettings(tenant="acme", ten_seconds_h=24, minutes_d=3),)
HOUR = 3600


@pytest.fixture
def usage():
    made = Usage()
    made.put(
        *[
            {"at": day * DAY + hour * HOUR, "count": 1 + hour, "busy_us": 3, "tenant": tenant}
            for day in range(6)
            for hour in (0, 3)
            for tenant in ("acme", "globex")
        ],
        {"at": 6 * DAY, "count": 1},
    )
    made.roll(keep=KEEP)
    yield made
    made.store.close()


def days_of(usage: Usage, grain: str, tenant: str) -> list[int]:
    sql = f"SELECT DISTINCT ts::DATE FROM usage_{grain} WHERE tenant = '{tenant}' ORDER BY 1"  # noqa: S608
    return [row[0].day for row in _ask(usage.store, sql)]


def wrong(usage: Usage) -> list[str]:
    found = verify(usage.store, spool_directory=Path("/nowhere"))
    return [f"{one.about}: {one.detail}" for one in found if not one.ok]


@pytest.mark.parametrize("moved", [False, True])
def test_one_tenant_is_given_up_earlier_and_its_sums_stay(usage, moved) -> None:
    if moved:
        squeeze(usage)
    days = sums(usage.store, "1d")
    assert retain_shorter(usage.store, now=AT + timedelta(days=6), keeps=SHORT) > 0
    assert retain_shorter(usage.store, now=AT + timedelta(days=6), keeps=SHORT) == 0
    assert days_of(usage, "10s", "acme") == [10, 11]
    assert days_of(usage, "1m", "acme") == [8, 9, 10]
    assert days_of(usage, "10s", "globex") == days_of(usage, "1m", "globex") == list(range(5, 11))
    assert (sums(usage.store, "1d"), wrong(usage)) == (days, [])


@pytest.mark.parametrize("moved", [False, True])
def test_late_rows_of_a_time_given_up_for_one_count_once_for_all(usage, moved) -> None:
    if moved:
        squeeze(usage)
    retain_shorter(usage.store, now=AT + timedelta(days=6), keeps=SHORT)
    before = {(row[0], row[2]): row[3] for row in sums(usage.store, "1d")}
    for _ in range(2):
        usage.put({"at": 10, "count": 100, "tenant": "acme"})
        usage.put({"at": 20, "count": 10, "tenant": "globex"})
        usage.roll(keep=KEEP)
    after = {(row[0], row[2]): row[3] for row in sums(usage.store, "1d")}
    first = AT.replace(tzinfo=None)
    assert after[first, "acme"] == before[first, "acme"] + 200
    assert after[first, "globex"] == before[first, "globex"] + 20
    assert wrong(usage) == []


def test_a_plan_means_its_tenants(usage) -> None:
    usage.store._connection.execute("UPDATE tenants SET plan = 'free' WHERE id = 'globex'")
    keeps = (KeepSettings(plan="free", ten_seconds_h=24), KeepSettings(plan="gold", minutes_d=2))
    retain_shorter(usage.store, now=AT + timedelta(days=6), keeps=keeps)
    assert days_of(usage, "10s", "globex") == [10]
    assert days_of(usage, "10s", "acme") == list(range(5, 12))


BAD = [
    (KeepSettings(ten_seconds_h=5), "keep[0].tenant"),
    (KeepSettings(tenant="a", plan="b"), "keep[0].tenant"),
    (KeepSettings(tenant="a", minutes_d=1), "keep[0].minutes_d"),
]


@pytest.mark.parametrize(("settings", "named"), BAD)
def test_settings_that_cannot_be_name_their_key(settings, named) -> None:
    assert settings.problems("keep[0]")[0].startswith(named)
    assert KeepSettings(plan="free", hours_d=30).problems("keep[0]") == []
