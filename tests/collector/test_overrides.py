"""Limits of single tenants in a file that is read again while the collector runs."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import httpx
import pytest

from collector import overrides
from collector.config import LimitSettings, TenantLimits, Token
from collector.overrides import Overrides, parse
from tests.collector.rooms import client, collector, readings
from tests.collector.senders import RW1_HEADERS, series, snappy, write_request

NOW = time.time_ns() // 1_000_000
TOKEN = "pw_ten_0123456789abcdef"


def rewrite(file: Path, text: str) -> None:
    file.write_text(text)
    at = time.time_ns() + int(rewrite.__dict__.setdefault("n", 0)) * 10**9
    rewrite.__dict__["n"] += 1
    os.utime(file, ns=(at, at))


def test_the_file_has_the_shape_of_mimirs_overrides():
    text = json.dumps(
        {
            "overrides": {
                "acme": {"ingestion_rate": 50_000, "max_global_series_per_user": 300_000},
                "globex": {"burst": 10, "labels": 12, "body_bytes": 1000},
            }
        }
    )

    assert parse(text, as_json=True) == {
        "acme": TenantLimits("acme", samples_per_s=50_000, active_series=300_000),
        "globex": TenantLimits("globex", burst=10, labels=12, body_bytes=1000),
    }
    assert parse("[overrides.acme]\nburst = 10.5", as_json=False)["acme"].burst == 10.5
    assert parse("", as_json=False) == {}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[overrides.acme]\nrate = 5", "overrides.acme.rate: unknown"),
        ("[overrides.acme]\nburst = -5", "overrides.acme.burst: -5 is no number above 0"),
        ("[overrides.acme]\nburst = true", "no number"),
        ("[overrides.acme]\nburst = nan", "no number"),
        ("[overrides]\nacme = 3", "expected a table"),
        ("[limits]\n", "one table `overrides`"),
        ("overrides = 3", "one table `overrides`"),
        ("[overrides", "Expected ']'"),
    ],
)
def test_a_wrong_file_names_what_is_wrong(text, word):
    with pytest.raises(ValueError, match=word.replace("[", r"\[").replace("]", r"\]")):
        parse(text, as_json=False)


def test_the_last_good_limits_stay_in_force_while_the_file_is_broken(tmp_path, caplog):
    file = tmp_path / "overrides.toml"
    rewrite(file, "[overrides.acme]\nburst = 10")
    book = Overrides((TenantLimits("globex", burst=3),), file)

    assert book.refresh(now_s=100)
    rewrite(file, "[overrides.acme]\nburst = ")
    assert not book.refresh(now_s=102), "looked at again too soon"
    assert not book.refresh(now_s=200)
    assert (book.of("acme").burst, book.of("globex").burst, book.healthy) == (10, 3, False)
    assert "stay in force" in caplog.text
    rewrite(file, "[overrides.globex]\nburst = 5")
    assert book.refresh(now_s=300)
    assert (book.of("acme").burst, book.of("globex").burst, book.healthy) == (0, 5, True)
    file.unlink()
    assert not book.refresh(now_s=400)
    assert (book.of("globex").burst, book.healthy) == (5, False)


def metric(number: int, **more: str) -> dict[str, str]:
    name = "partywall_finished_total"
    return {"__name__": name, "tenant": "acme", "resource": "db:x", "n": str(number), **more}


def body(count: int, **more: str) -> bytes:
    return snappy(write_request(*(series(metric(n, **more), [(1.0, NOW)]) for n in range(count))))


def test_limits_are_changed_while_the_collector_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(overrides, "LOOK_S", 0)
    file = tmp_path / "overrides.toml"
    rewrite(file, "[overrides.acme]\nactive_series = 2\nburst = 1000")

    async def run() -> list[tuple[int, str]]:
        app = collector(tmp_path, limits=LimitSettings(overrides=file))
        found = []
        async with client(app) as http:

            async def send(count: int, **more: str) -> None:
                content = body(count, **more)
                answer = await http.post("/api/v1/write", content=content, headers=RW1_HEADERS)
                written = answer.headers["X-Prometheus-Remote-Write-Samples-Written"]
                found.append((answer.status_code, written))

            await send(3)
            rewrite(file, "[overrides.acme]\nactive_series = 5\nlabels = 5")
            await send(5, m="")
            rewrite(file, "[overrides.acme]\nactive_series = 6\nlabels = 5")
            await send(1, m="", label="one too many")  # there is room for a series, not for it
            rewrite(file, "[overrides.acme]\nburst = 1\nsamples_per_s = 0.001")
            await send(2, m="")
            page = (await http.get("/metrics")).text
        app.close()
        assert 'partywall_discarded_samples_total{reason="tenant-series-limit"}' in page
        assert 'partywall_discarded_samples_total{reason="label-limit"}' in page
        assert "partywall_overrides_healthy 1.0" in page
        return found

    assert asyncio.run(run()) == [(400, "2"), (400, "3"), (400, "0"), (400, "1")]


def test_a_bound_tenants_bodies_have_a_size_of_their_own(tmp_path):
    limits = LimitSettings(tenants=(TenantLimits("acme", body_bytes=100),))
    tokens = (Token("acme", TOKEN, tenant="acme"), Token("all", TOKEN + "all"))

    async def run(token: str) -> httpx.Response:
        app = collector(tmp_path / token, limits=limits, tokens=tokens)
        headers = {**RW1_HEADERS, "Authorization": f"Bearer {token}"}
        async with client(app) as http:
            answer = await http.post("/api/v1/write", content=body(100), headers=headers)
        app.close()
        return answer

    assert asyncio.run(run(TOKEN)).status_code == 413
    assert asyncio.run(run(TOKEN + "all")).status_code == 204


def test_when_all_send_too_fast_nobody_pays_and_all_send_again(tmp_path):
    limits = LimitSettings(samples_per_s_total=1, burst_total=10)

    async def run() -> list[httpx.Response]:
        app = collector(tmp_path, limits=limits)
        async with client(app) as http:
            answers = [
                await http.post("/api/v1/write", content=body(20, r=str(n)), headers=RW1_HEADERS)
                for n in range(2)
            ]
        app.close()
        return answers

    first, second = asyncio.run(run())
    assert first.status_code == 204
    assert (second.status_code, second.json()["type"]) == (503, "overloaded")
    assert int(second.headers["retry-after"]) > 0
    assert len(readings(tmp_path)) == 20
