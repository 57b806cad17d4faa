"""Who peaks with whom, and weeks: laws, and the same numbers by a slower way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from analyzer.api import density
from analyzer.density.load import p95
from analyzer.density.together import by_week, together
from analyzer.store.database import Store
from tests.analyzer.cost import house
from tests.analyzer.cost.house import MONDAY, Hour

DAY = np.sin(np.arange(48) / 24 * 2 * np.pi) + 1


def test_alike_apart_and_still():
    found = together({"a": DAY * 3, "b": DAY, "c": 2 - DAY, "flat": np.ones(48)}, most=4)
    at = {name: k for k, name in enumerate(found.resources)}
    r = found.correlation
    assert r[at["a"], at["b"]] == pytest.approx(1)
    assert r[at["a"], at["c"]] == pytest.approx(-1)
    assert np.isnan(r[at["a"], at["flat"]])
    assert found.common[at["a"], at["b"]] == pytest.approx(1)
    assert found.common[at["b"], at["c"]] == pytest.approx(2 / (p95(DAY) + p95(2 - DAY)))


def test_only_the_busiest_and_never_less_than_a_day():
    loads = {name: DAY * k for k, name in enumerate("abcd")}
    assert together(loads, most=2).resources == ("d", "c")
    assert together({"a": DAY[:23], "b": DAY[:23]}, most=9).resources == ()
    assert together({}, most=9).hours == 0


@given(
    st.lists(st.lists(st.floats(0, 50, width=32), min_size=24, max_size=24), min_size=2, max_size=5)
)
def test_as_numpy_says_and_symmetric(rows):
    loads = {f"r{k}": np.array(row) for k, row in enumerate(rows)}
    found = together(loads, most=9)
    assert set(found.resources) == set(loads)
    for i, one in enumerate(found.resources):
        for j, other in enumerate(found.resources):
            ours = found.correlation[i, j]
            if loads[one].std() > 1e-3 and loads[other].std() > 1e-3:
                theirs = np.corrcoef(loads[one], loads[other])[0, 1]
                assert ours == pytest.approx(theirs, abs=1e-6)
            assert ours == found.correlation[j, i] or np.isnan(ours)
            assert np.isnan(found.common[i, j]) or found.common[i, j] <= 2 + 1e-9


def test_a_week_counts_hours_of_nothing_and_incidents_are_cut_at_its_end():
    monday = MONDAY.replace(tzinfo=None)
    hours = [("db:1", monday + timedelta(hours=h), 1.0) for h in range(4)]
    hours += [("db:2", monday, 1.0), ("unknown", monday, 9.0)]
    incident = ("db:1", monday - timedelta(hours=2), monday + timedelta(hours=1))
    found = by_week(hours, {"db:1": 2.0, "db:2": 1.0}, [incident])
    assert [(one.resource, one.week, one.packing, one.incident_hours) for one in found] == [
        ("db:1", "2026-W47", 0.5, 1.0),
        ("db:2", "2026-W47", 1.0, 0.0),
    ]


def asked(app: FastAPI, path: str) -> Any:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_the_api_tells_both():
    store = Store.open(None)
    for name in ("db:a", "db:b", "db:c"):
        house.resource(store, name, 1)
    busy = [
        Hour(at, "acme", name, 1_800_000_000 if (at % 24 < 12) == first else 0)
        for at in range(72)
        for name, first in (("db:a", True), ("db:b", False))
    ]
    house.add(store, [*busy, *(Hour(at, "acme", "db:c", 900_000_000) for at in range(72))])
    app = FastAPI()
    app.include_router(density.router(store, lambda: MONDAY + timedelta(hours=72)))
    told = asked(app, "/density/together").json()
    assert (told["hours"], set(told["resources"])) == (72, {"db:a", "db:b", "db:c"})
    best = told["apart"][0]
    assert ({best["one"], best["other"]}, best["common"]) == ({"db:a", "db:b"}, 0.5)
    assert best["correlation"] == -1
    weeks = asked(app, "/density/weeks").json()
    assert [(one["resource"], one["week"], one["packing"]) for one in weeks] == [
        ("db:a", "2026-W47", 0.5),
        ("db:b", "2026-W47", 0.5),
        ("db:c", "2026-W47", 0.25),
    ]
    assert asked(app, "/density/together?most=1").status_code == 422
    store.close()
