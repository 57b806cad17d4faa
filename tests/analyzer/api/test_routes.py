"""Every route over a store with a real incident in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from analyzer.api.views.base import Problem
from analyzer.api.views.cost import CostPage
from analyzer.api.views.decisions import DecisionView
from analyzer.api.views.incidents import IncidentDetail, IncidentSummary
from analyzer.api.views.resources import DensityRow, Heatmap, ResourceView
from analyzer.api.views.status import Health
from analyzer.api.views.tenants import ResourceUsage, TenantDetail, TenantPage
from analyzer.app import api
from analyzer.cost.settings import CostSettings, Plan, Price
from collector.config import Token
from collector.model import ResourceId
from collector.receivers.simulated import Surge
from tests.analyzer.road import WINDOW, Road

SHARD = ResourceId("db:shard-1")


class Caller:
    """A synchronous client of the ASGI app."""

    def __init__(self, app, token: str = "") -> None:
        self._transport = httpx.ASGITransport(app=app)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, **more) -> httpx.Response:
        return asyncio.run(self._ask(method, path, more))

    async def _ask(self, method, path, more) -> httpx.Response:
        headers = self._headers | more.pop("headers", {})
        async with httpx.AsyncClient(transport=self._transport, base_url="http://analyzer") as http:
            return await http.request(method, path, headers=headers, **more)


@pytest.fixture(scope="module")
def road(tmp_path_factory) -> Iterator[Road]:
    cost = CostSettings(currency="EUR", prices=(Price(SHARD, per_hour="0.48"),))
    plans = (Plan("pro", "99"),)
    laid = Road.lay(tmp_path_factory.mktemp("road"), tenants=16, cost=cost, plans=plans)
    laid.history(35)
    noisy = laid.platform.middling(SHARD, 3)
    begins = laid.begins + 2 * WINDOW
    laid.surges.append(Surge(noisy, SHARD, begins, begins + 60 * WINDOW))
    for cycled in laid.live(12):
        laid.analyzer.pulse.cycled(cycled, at=laid.clock.now, took_s=0.1)
    yield laid
    laid.close()


@pytest.fixture(scope="module")
def call(road) -> Caller:
    return Caller(api(road.analyzer, road.clock))


@pytest.fixture(scope="module")
def incident(call) -> str:
    (found,) = call("GET", "/api/v1/incidents").json()
    return str(found["id"])


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/status", Health),
        ("/tenants?limit=5", TenantPage),
        ("/heatmap?from=now-30m&limit=5", Heatmap),
        ("/costs", CostPage),
    ],
)
def test_an_answer_is_what_the_contract_says(call, path, shape):
    answer = call("GET", "/api/v1" + path)
    assert answer.status_code == 200, answer.text
    shape.model_validate_json(answer.content)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/resources", ResourceView),
        ("/usage?resource=db:shard-1&from=now-30m", ResourceUsage),
        ("/incidents?state=firing&kind=noisy_neighbour", IncidentSummary),
        ("/decisions", DecisionView),
        ("/density", DensityRow),
    ],
)
def test_a_list_holds_what_the_contract_says(call, path, shape):
    answer = call("GET", "/api/v1" + path)
    assert answer.status_code == 200, answer.text
    found = [shape.model_validate(item) for item in answer.json()]
    assert found


def test_the_status_says_who_hurts_whom(call, road):
    status = Health.model_validate_json(call("GET", "/api/v1/status").content)
    noisy = road.platform.middling(SHARD, 3)
    assert (status.open_incidents, status.hottest_resource) == (1, SHARD)
    assert noisy in status.sentence
    assert status.affected_tenants > 0


def test_an_incident_shows_three_rows_on_one_clock(call, incident, road):
    body = call("GET", f"/api/v1/incidents/{incident}").content
    page = IncidentDetail.model_validate_json(body)
    rows = [page.aggressor_bands, page.victim_bands, page.resource_bands]
    assert all(rows)
    assert {len(band.values) for row in rows for band in row} == {len(page.clock)}
    assert {"aggressor", "expected"} <= {band.role for band in page.aggressor_bands}
    assert {"victims", "without"} <= {band.role for band in page.victim_bands}
    assert {"others", "capacity"} <= {band.role for band in page.resource_bands}
    assert page.explanation
    assert page.decisions[0].tenant == page.aggressors[0]


def test_without_the_aggressor_the_victims_would_have_felt_less(call, incident):
    page = call("GET", f"/api/v1/incidents/{incident}").json()
    lines = {band["role"]: band["values"] for band in page["victim_bands"]}
    felt, without = [v for v in lines["victims"] if v], [v for v in lines["without"] if v]
    assert sum(without[-3:]) < sum(felt[-3:])
    assert page["recovers"] is True
    left = [stretch for _, stretch in page["relief_curve"]]
    assert left == sorted(left, reverse=True)
    assert page["stretch"] >= left[0] > left[-1]


def test_tenants_sort_search_and_page(call):
    first = call("GET", "/api/v1/tenants?sort=id&order=asc&limit=3").json()
    second = call("GET", f"/api/v1/tenants?sort=id&order=asc&limit=3&cursor={first['next']}").json()
    names = [item["id"] for item in first["items"] + second["items"]]
    assert names == sorted(names)
    assert len(set(names)) == 6
    assert call("GET", "/api/v1/tenants?search=ACM").json()["items"][0]["id"] == "acme"
    (loud,) = call("GET", "/api/v1/tenants?state=loud").json()["items"]
    assert loud["noise"] > 1


def test_a_tenant_knows_its_usage_and_its_incidents(call, road):
    noisy = road.platform.middling(SHARD, 3)
    page = TenantDetail.model_validate_json(
        call("GET", f"/api/v1/tenants/{noisy}?from=now-1h").content
    )
    assert page.usage[0].points
    assert len(page.as_aggressor) == 1
    assert page.cost is not None


def test_a_new_customer_is_there_at_once_and_twice_is_once(call):
    body = {"id": "newcorp", "plan": "pro", "resources": ["db:shard-2"]}
    for _ in range(2):
        answer = call("POST", "/api/v1/tenants", json=body)
        assert answer.status_code == 201, answer.text
    page = call("GET", "/api/v1/tenants/newcorp").json()
    assert [p["resource"] for p in page["placements"]] == ["db:shard-2"]
    assert page["price"] == "99"


def test_an_approved_throttle_is_enforced_and_a_cancelled_one_is_gone(call):
    (decision,) = call("GET", "/api/v1/decisions?state=proposed").json()
    shadow = call("GET", "/api/v1/policy").json()["entries"][0]
    assert shadow["mode"] == "shadow"
    path = f"/api/v1/decisions/{decision['id']}"
    assert call("POST", path + "/approve", json={"by": "jo"}).json()["decided_by"] == "jo"
    looked = call("GET", "/api/v1/policy?preview=true")
    assert looked.json()["entries"][0]["mode"] == "enforce"
    assert call("GET", path).json()["state"] == "approved"
    answer = call("GET", "/api/v1/policy")
    assert answer.json()["entries"] == looked.json()["entries"]
    assert call("GET", path).json()["state"] == "active"
    again = call("GET", "/api/v1/policy", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert call("POST", path + "/approve", json={"by": "jo"}).status_code == 409
    assert call("POST", path + "/cancel", json={"by": "jo"}).status_code == 200
    assert call("GET", "/api/v1/policy").json()["entries"] == []


def test_what_others_told_stands_on_the_evidence_of_the_incidents_it_concerns(call, incident):
    path = f"/api/v1/incidents/{incident}"
    page = IncidentDetail.model_validate_json(call("GET", path).content)
    assert page.detected_at is not None
    at = page.detected_at.isoformat()
    alert = {
        "version": "4",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "DiskFull", "resource": SHARD},
                "annotations": {"summary": "92 % used"},
                "startsAt": at,
            }
        ],
    }
    for body in (
        {"title": "deploy 42", "at": at},
        {"title": "deploy of the aggressor", "tenant": page.aggressors[0], "at": at},
        {"message": "flag flipped", "resource": SHARD, "timestamp": at, "who": 7},
        alert,
        {"title": "elsewhere", "resource": "db:shard-2", "at": at},
        {"title": "somebody else", "tenant": "nobody-in-it", "at": at},
        {"title": "yesterday", "at": "2020-01-01T00:00:00Z"},
    ):
        assert call("POST", "/api/v1/annotations", json=body).status_code in (201, 400)
    page = IncidentDetail.model_validate_json(call("GET", path).content)
    titles = {note.title for note in page.annotations}
    assert titles == {"deploy 42", "deploy of the aggressor", "flag flipped", "DiskFull firing"}
    lines = {entry.what: entry.detail for entry in page.timeline}
    assert lines["alertmanager: DiskFull firing"] == "92 % used"
    assert "api: deploy 42" in lines
    assert [entry.at for entry in page.timeline] == sorted(entry.at for entry in page.timeline)


def test_people_acknowledge_and_label(call, incident):
    path = f"/api/v1/incidents/{incident}"
    acknowledged = call("POST", path + "/acknowledge", json={"by": "jo"}).json()
    assert acknowledged["acknowledged_by"] == "jo"
    labelled = call("POST", path + "/label", json={"by": "jo", "label": "confirmed"}).json()
    assert labelled["label"] == "confirmed"


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/tenants?sort=colour", 400, "sort"),
        ("GET", "/tenants?cursor=x", 400, "cursor"),
        ("GET", "/tenants/nobody", 404, "id"),
        ("GET", "/incidents/INC-NONE", 404, "id"),
        ("GET", "/incidents?from=yesterday", 400, "from"),
        ("GET", "/resources/nothing", 404, "id"),
        ("GET", "/decisions/DEC-NONE", 404, "id"),
        ("GET", "/policy?format=apache", 400, "format"),
        ("GET", "/heatmap?limit=0", 400, "limit"),
        ("POST", "/tenants", 400, None),
        ("GET", "/nowhere", 404, None),
    ],
)
def test_a_bad_question_gets_a_problem_that_names_the_field(call, method, path, status, field):
    answer = call(method, "/api/v1" + path, **({"json": {}} if method == "POST" else {}))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = Problem.model_validate_json(answer.content)
    assert problem.remedy
    assert field is None or problem.field.endswith(field)


@pytest.mark.parametrize("name", ["=cmd|x", "../../etc", "a\nb", "__unknown__", "x" * 500, ""])
def test_a_hostile_tenant_name_is_refused_by_name(call, name):
    answer = call("POST", "/api/v1/tenants", json={"id": name})
    assert answer.status_code == 400
    assert "id" in answer.json()["field"]


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_machines_need_no_token(road, path):
    settings = replace(road.settings, tokens=(Token("r", token="r" * 20, scope="read"),))
    guarded = api(replace(road.analyzer, settings=settings), road.clock)
    assert Caller(guarded)("GET", path).status_code == 200
    assert Caller(guarded)("GET", "/api/v1/status").status_code == 401
    assert Caller(guarded, "r" * 20)("GET", "/api/v1/status").status_code == 200
    assert Caller(guarded, "r" * 20)("POST", "/api/v1/tenants", json={}).status_code == 403


def test_the_api_describes_itself(call):
    described = json.loads(call("GET", "/api/openapi.json").content)
    assert "/api/v1/incidents/{incident}" in described["paths"]


def test_a_tenant_reads_of_its_incidents_and_of_no_other_tenant(road, call, incident):
    page = call("GET", f"/api/v1/incidents/{incident}").json()
    noisy, hurt = page["aggressors"][0], page["harms"][0]["tenant"]
    for reader, other in ((hurt, noisy), (noisy, hurt)):
        token = Token("t", token="t" * 20, scope="tenant", tenant=reader)
        confined = api(
            replace(road.analyzer, settings=replace(road.settings, tokens=(token,))), road.clock
        )
        answer = Caller(confined, "t" * 20)("GET", f"/api/v1/tenants/{reader}")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        (told,) = body["as_victim"] + body["as_aggressor"]
        assert reader in told["sentence"]
        assert other not in answer.text
