"""The main job: a real Prometheus in front, a named noisy neighbour, a webhook, a page, a bill.

History (44 minutes at 10 s, and last week at 1 h for its bill) comes through the native door from
the same replay: the detector learns from half an hour at least, and a test cannot wait for it.
From then on everything is live: exporter, Prometheus, remote write.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from analyzer.api.views.incidents import IncidentDetail, IncidentSummary
from analyzer.api.views.status import Health
from analyzer.jobs import wall_clock
from partywall.feeder import aligned
from partywall.sink import Sink
from tests.acceptance.house import ARTEFACTS, House, house, keep
from tests.peers.exporter import Exporter
from tests.peers.prometheus import executable, prometheus
from tests.peers.replay import CORES, SHARDS, TRACE, Done, Replay

AGGRESSOR = "client-12"
BEGINS_S = 729_600.0
HISTORY = 264  # windows of 10 s
PER_HOUR = Decimal("0.4321")

CONFIG = """
[limits]
past_s = 1_500_000
burst = 10_000_000
[flags]
grace_s = 0
[notify]
allow = ["127.0.0.0/8"]
ports = [{sink}]
[[endpoint]]
name = "sink"
url = "http://127.0.0.1:{sink}/hook"
[cost]
currency = "EUR"
"""


def config(sink: int) -> str:
    """Three shards with a price each, and one endpoint."""
    text = CONFIG.format(sink=sink)
    for shard in SHARDS:
        text += f"\n[[cost.price]]\nresource = '{shard}'\nper_hour = '{PER_HOUR}'"
        text += f"\n[[resource]]\nid = '{shard}'\ncapacity = {CORES:g}\n"
    return text


def table(rows: list[tuple[datetime, int, Done]]) -> pa.Table:
    """Rows of the native door."""
    return pa.table({
        "ts": pa.array([ts for ts, _, _ in rows], pa.timestamp("us", "UTC")),
        "window_s": pa.array([window for _, window, _ in rows], pa.int32()),
        "tenant": [one.tenant for _, _, one in rows],
        "resource": [one.resource for _, _, one in rows],
        "family": ["query"] * len(rows),
        "arrived": [one.arrived for _, _, one in rows],
        "count": [one.finished for _, _, one in rows],
        "busy_s": [one.busy_s for _, _, one in rows],
        "latency_sum_s": [one.latency_sum_s for _, _, one in rows],
        "latency_buckets": [one.buckets.tolist() for _, _, one in rows],
    })  # fmt: skip


def active(done: Iterator[Done]) -> list[Done]:
    return [one for one in done if one.arrived or one.finished]


def monday(now: datetime) -> datetime:
    """Midnight UTC of last week's Monday."""
    day = now - timedelta(days=now.weekday() + 7)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def send_last_week(service: House, begins: datetime) -> None:
    """Every hour of last week: ten minutes of the replay stand for the hour."""
    replay = Replay(BEGINS_S)
    rows = [
        (begins + timedelta(hours=hour), 3600, one)
        for hour in range(168)
        for one in active(replay.step(hour * 10.0, 10))
    ]
    service.send(table(rows), "last-week")


def send_history(service: House, replay: Replay, now: datetime) -> None:
    """The replay's first windows, ending now."""
    rows = [
        (now - timedelta(seconds=10 * (HISTORY - k)), 10, one)
        for k in range(HISTORY)
        for one in active(replay.step(10.0 * k, 10))
    ]
    # In one batch, and before last week's: what lies behind the watermark is not judged again.
    service.send(table(rows), "history")


def incidents(service: House, **params: str) -> list[IncidentSummary]:
    answer = service.get("/incidents", **params).json()
    return [IncidentSummary.model_validate(one) for one in answer]


def screenshot(url: str, name: str) -> str:
    """The text of a page once it shows the aggressor; its picture is kept."""
    from playwright.sync_api import sync_playwright

    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1800})
        page.goto(url, wait_until="domcontentloaded")
        page.get_by_text(AGGRESSOR).first.wait_for(timeout=45_000)
        page.wait_for_timeout(2_000)
        page.screenshot(path=ARTEFACTS / name, full_page=True)
        text = page.inner_text("body")
        browser.close()
    return text


def check_bill(service: House, begins: datetime) -> None:
    """Tenants, idle and unattributed add up to the price sheet, to the last decimal shown."""
    week = f"{begins:%G-W%V}"
    service.until(lambda: any(r["week"] == week for r in service.get("/reports").json()), 90, week)
    page = service.get("/costs", week=week).json()
    exact = PER_HOUR * 168 * len(SHARDS)
    assert Decimal(page["bill"]) == exact.quantize(Decimal(page["bill"]))  # as shown, in cents
    parts = sum(Decimal(line["total"]) for line in page["lines"])
    rest = Decimal(page["unattributed"])
    retained = Decimal(page["idle"]) - sum(Decimal(line["idle"]) for line in page["lines"])
    assert parts + retained + rest == Decimal(page["bill"])
    text = service.get(f"/reports/{week}", format="csv").text
    check_exact(list(csv.DictReader(io.StringIO(text))), exact)
    keep(f"report-{week}.csv", text)
    keep(f"report-{week}.html", service.get(f"/reports/{week}", format="html").text)


def check_exact(rows: list[dict[str, str]], exact: Decimal) -> None:
    """The file keeps every decimal: tenants and resources sum to the price sheet."""
    (total,) = [row for row in rows if row["record"] == "statement"]
    assert Decimal(total["bill"]) == exact
    resources = [row for row in rows if row["record"] == "resource"]
    for row in resources:
        parts = ("allocated", "idle", "unattributed")
        assert sum(Decimal(row[part]) for part in parts) == Decimal(row["bill"])
    assert sum(Decimal(row["bill"]) for row in resources) == exact
    direct = sum(Decimal(row["direct"]) for row in rows if row["record"] == "tenant")
    assert direct == Decimal(total["allocated"])


def told(sink: Sink, incident: str) -> list[tuple[str, str]]:
    """What the webhooks said of one incident: event and status, updates left out."""
    bodies = [json.loads(one.body) for one in sink.received]
    keep("prometheus-road-webhooks.json", json.dumps(bodies, indent=2))
    return [
        (body["type"], body["status"])
        for body in bodies
        if body["type"].startswith("incident.")
        and body["type"] != "incident.updated"
        and body["incident"]["id"] == incident
    ]


OPENED = ("incident.opened", "firing")
RESOLVED = ("incident.resolved", "resolved")


@pytest.mark.acceptance
@pytest.mark.peer
@pytest.mark.timeout(900)
@pytest.mark.skipif(not TRACE.exists(), reason=f"needs {TRACE}: the shared data beside the clone")
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium: see .ci/run")
def test_from_a_real_prometheus_to_a_named_neighbour_a_webhook_a_page_and_a_bill(
    tmp_path: Path,
) -> None:
    executable()
    replay = Replay(BEGINS_S)
    assert len(replay.clients) == 43
    with Sink(tmp_path / "hooks") as sink, house(tmp_path / "road", config(sink.port)) as service:
        week = monday(wall_clock())
        now = aligned(wall_clock())
        send_history(service, replay, now)
        send_last_week(service, week)
        url = service.urls["collector"] + "/api/v1/write"
        with (
            Exporter(replay, HISTORY * 10.0) as exporter,
            prometheus(tmp_path / "prometheus", target=exporter.port, url=url),
        ):
            live = now + timedelta(seconds=40)
            service.until(lambda: reached(service, live), 180, "live data is read")
            replay.surges[AGGRESSOR] = 1.25
            opened = service.until(lambda: incidents(service, state="firing"), 240, "an incident")
            check_verdict(service, replay, opened)
            service.until(lambda: told(sink, opened[0].id) == [OPENED], 30, "a webhook")
            page = f"{service.urls['dashboard']}/incidents/{opened[0].id}"
            assert "noisy" in screenshot(page, "prometheus-road-incident.png").lower()
            replay.surges.clear()
            both = [OPENED, RESOLVED]
            service.until(lambda: told(sink, opened[0].id) == both, 240, "a resolved webhook")
        assert {one.resource for one in incidents(service)} == {replay_shard(replay)}
        check_bill(service, week)


def reached(service: House, when: datetime) -> bool:
    newest = Health.model_validate_json(service.get("/status").content).newest_window
    return newest is not None and newest >= when


def replay_shard(replay: Replay) -> str:
    return replay.shard[int(AGGRESSOR.removeprefix("client-"))]


def check_verdict(service: House, replay: Replay, opened: list[IncidentSummary]) -> None:
    """That tenant and only that one; its neighbours are the victims."""
    shard = replay_shard(replay)
    neighbours = {replay.tenant(c) for c in replay.clients if replay.shard[c] == shard}
    assert [one.resource for one in opened] == [shard]
    detail = IncidentDetail.model_validate_json(service.get(f"/incidents/{opened[0].id}").content)
    keep("prometheus-road-incident.json", detail.model_dump_json(indent=2))
    assert detail.kind == "noisy_neighbour"
    assert detail.aggressors == [AGGRESSOR]
    victims = {harm.tenant for harm in detail.harms}
    assert len(victims) >= 2
    assert victims <= neighbours - {AGGRESSOR}
