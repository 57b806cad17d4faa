from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from analyzer.api.alerts import router
from analyzer.api.problems import install
from analyzer.journal import records
from analyzer.notify import NotifySettings
from analyzer.notify.channels import CHANNELS
from analyzer.store.database import Store
from tests.analyzer.journal.cast import at, opened
from tests.analyzer.notify.asgi import Client
from tests.analyzer.notify.house import deliver, listening, write
from tests.analyzer.notify.receiver import receiver

JSON = {"content-type": "application/json"}
SETTINGS = NotifySettings(allow=("127.0.0.1/32",), external_url="https://partywall.example")


@pytest.fixture
def client(store: Store) -> Client:
    return serving(store)


@pytest.fixture(scope="module")
def empty() -> Iterator[Client]:
    """One empty house for all the bad requests: none of them may change anything."""
    store = Store.open(None)
    yield serving(store)
    assert store.rows("notify_endpoints") == []
    store.close()


def serving(store: Store) -> Client:
    app = FastAPI()
    install(app)
    app.include_router(router(store, lambda: at(30), SETTINGS), prefix="/api/v1")

    @app.get("/boom")
    def boom() -> None:
        raise ZeroDivisionError("secret detail")

    return Client(app)


def create(client: Client, url: str, **changes: str) -> httpx.Response:
    given = {"name": "ops", "url": url, **changes}
    return client.post("/api/v1/endpoints", json=given)


def test_the_secret_is_shown_once_and_the_url_never(client):
    made = create(client, "https://hooks.example/services/secret")
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    (listed,) = client.get("/api/v1/endpoints").json()
    assert listed["secret"] is None
    assert listed["url"] == "https://hooks.example/…"
    assert listed["state"] == "ok"


def test_a_test_message_is_signed_sent_and_shown(client):
    with receiver() as hook:
        made = create(client, hook.url).json()
        answer = client.post(f"/api/v1/endpoints/{made['id']}/test").json()
    assert answer["state"] == "delivered"
    assert answer["event_type"] == "test.ping"
    (attempt,) = answer["attempts"]
    assert (attempt["status"], attempt["response_body"]) == (200, "ok")
    (got,) = hook.got
    assert got.json["test"] is True
    content = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    wanted = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    assert got.headers["webhook-signature"] == f"v1,{wanted}"
    assert got.headers["idempotency-key"] == got.id


def test_a_rotated_secret_signs_beside_the_old_one(client):
    with receiver() as hook:
        made = create(client, hook.url).json()
        new = client.post(f"/api/v1/endpoints/{made['id']}/rotate").json()["secret"]
        assert new != made["secret"]
        client.post(f"/api/v1/endpoints/{made['id']}/test")
    assert len(hook.got[0].headers["webhook-signature"].split()) == 2


def test_a_failing_test_is_tried_once_and_says_why(client):
    with receiver([500]) as hook:
        made = create(client, hook.url).json()
        answer = client.post(f"/api/v1/endpoints/{made['id']}/test").json()
    assert (answer["state"], answer["status"]) == ("dead", 500)
    assert len(hook.got) == 1
    blocked = create(client, "http://169.254.169.254/", name="meta").json()
    answer = client.post(f"/api/v1/endpoints/{blocked['id']}/test").json()
    assert "blocked" in answer["error"]


def test_a_past_incident_can_be_sent_as_a_test(client, store):
    write(store, opened(), now=at(1))
    with receiver() as hook:
        made = create(client, hook.url).json()
        path = f"/api/v1/endpoints/{made['id']}/test"
        assert client.post(path, json={"incident": "INC-1"}).json()["state"] == "delivered"
        assert client.post(path, json={"incident": "INC-9"}).status_code == 404
    assert hook.got[0].json["incident"]["id"] == "INC-1"
    assert hook.got[0].json["test"] is True


def test_deliveries_can_be_listed_read_and_replayed(client, store):
    with receiver([400]) as hook:
        settings = listening(store, hook)
        write(store, opened(), opened("INC-2"), now=at(1))
        deliver(store, settings, at(1))
        listed = client.get("/api/v1/deliveries", params={"incident": "INC-1"}).json()
        assert [each["incident"] for each in listed] == ["INC-1"]
        (dead,) = client.get("/api/v1/deliveries?state=dead&endpoint=hook-0").json()
        detail = client.get(f"/api/v1/deliveries/{dead['id']}").json()
        assert detail["attempts"][0]["status"] == 400
        assert client.post(f"/api/v1/deliveries/{dead['id']}/replay").status_code == 202
        deliver(store, settings, at(31))
        replayed = client.post("/api/v1/deliveries/replay?failed_since=now-1h").json()
        assert replayed == {"replayed": 0}
        assert client.get("/api/v1/deliveries?state=dead").json() == []


def test_endpoints_are_deleted_unless_they_stand_in_the_file(client, store):
    with receiver() as hook:
        listening(store, hook)
    (file,) = client.get("/api/v1/endpoints").json()
    assert client.delete(f"/api/v1/endpoints/{file['id']}").status_code == 409
    made = create(client, "https://a.example/").json()
    write(store, opened(), now=at(1))
    assert client.delete(f"/api/v1/endpoints/{made['id']}").status_code == 204
    assert len(client.get("/api/v1/endpoints").json()) == 1
    (dead,) = client.get("/api/v1/deliveries?state=dead").json()
    assert dead["endpoint"] == "(deleted)"
    answer = client.post(f"/api/v1/deliveries/{dead['id']}/replay")
    assert answer.status_code == 409


BAD = [
    ("post", "/api/v1/endpoints", {"name": "a", "url": "ftp://x/"}, 400, "url"),
    ("post", "/api/v1/endpoints", {"name": "a", "url": "https://x/", "format": "?"}, 400, "format"),
    ("post", "/api/v1/endpoints", {"name": " ", "url": "https://x/"}, 400, "name"),
    ("post", "/api/v1/endpoints", {"url": "https://x/"}, 400, "name"),
    ("post", "/api/v1/endpoints", {"name": "a", "url": "https://x/", "z": 1}, 400, "z"),
    ("post", "/api/v1/endpoints/ep_x/test", None, 404, "id"),
    ("post", "/api/v1/endpoints/ep_x/rotate", None, 404, "id"),
    ("post", "/api/v1/endpoints/ep_x/enable", None, 404, "id"),
    ("delete", "/api/v1/endpoints/ep_x", None, 404, "id"),
    ("get", "/api/v1/deliveries/dlv_x", None, 404, "id"),
    ("get", "/api/v1/deliveries?limit=0", None, 400, "limit"),
    ("post", "/api/v1/deliveries/dlv_x/replay", None, 404, "id"),
    ("post", "/api/v1/deliveries/replay?failed_since=soon", None, 400, "failed_since"),
    ("post", "/api/v1/endpoints/preview", {"format": "?"}, 400, "format"),
    ("post", "/api/v1/endpoints/preview", {"endpoint": "ep_x"}, 404, "id"),
    ("post", "/api/v1/endpoints/preview", {"incident": "INC-9"}, 404, "incident"),
    ("post", "/api/v1/endpoints", {"name": "a", "url": "https://x/", "format": "json",
                                   "template": "{{"}, 400, "template"),
    ("post", "/api/v1/endpoints", {"name": "a", "url": "smtp://x/", "format": "email"}, 400,
     "sender"),
    ("post", "/api/v1/annotations", {"event": {"data": {}}}, 400, "title"),
    ("post", "/api/v1/annotations", {"payload": {"summary": 1}}, 400, "title"),
    ("post", "/api/v1/annotations", [], 400, ""),
    ("post", "/api/v1/annotations", {"title": " "}, 400, "title"),
    ("post", "/api/v1/annotations", {"detail": "x"}, 400, "title"),
    ("post", "/api/v1/annotations", {"title": "x", "at": "2026-11-20T12:00:00"}, 400, "at"),
    ("post", "/api/v1/annotations", {"title": "x", "at": "2036-11-20T12:00:00Z"}, 400, "at"),
    ("post", "/api/v1/annotations", {"title": "x", "at": "1999-11-20T12:00:00Z"}, 400, "at"),
    ("post", "/api/v1/annotations", {"foo": "x"}, 400, "title"),
    ("post", "/api/v1/annotations", {"alerts": []}, 400, "alerts"),
    ("get", "/api/v1/annotations?from=never", None, 400, "from"),
    ("get", "/nowhere", None, 404, ""),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), BAD)
def test_every_error_is_a_problem_that_names_field_and_remedy(
    empty, method, path, body, status, field
):
    answer = empty.request(method, path, json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert problem["field"] == field
    assert problem["detail"]
    assert problem["remedy"] or status == 400


def test_a_crash_is_a_problem_without_its_detail(client):
    answer = client.get("/boom")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_broken_json_is_malformed(client):
    answer = client.post(
        "/api/v1/annotations", content=b"{", headers={"content-type": "application/json"}
    )
    assert answer.json()["id"] == "malformed-body"


def test_annotations_of_three_shapes_stand_on_one_timeline(client):
    ours = {"title": "deploy 42", "resource": "db:shard-3", "at": "2026-11-20T12:10:00Z"}
    generic = {"message": "flag flipped", "timestamp": "2026-11-20T12:11:00Z", "who": {"x": 1}}
    alert = {
        "version": "4",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "DiskFull", "tenant": "acme"},
                "annotations": {"summary": "92 %"},
                "startsAt": "2026-11-20T12:12:00.123456789Z",
                "endsAt": "0001-01-01T00:00:00Z",
            },
            {"status": "resolved", "labels": "?", "endsAt": "2026-11-20T12:13:00Z"},
            "rubbish",
        ],
    }
    for body in (ours, generic, alert):
        assert client.post("/api/v1/annotations", json=body).status_code == 201
    listed = client.get("/api/v1/annotations").json()
    assert [each["title"] for each in listed] == [
        "alert resolved",
        "DiskFull firing",
        "flag flipped",
        "deploy 42",
    ]
    shard = client.get("/api/v1/annotations?resource=db:shard-4").json()
    assert "deploy 42" not in [each["title"] for each in shard]


PAGERDUTY = {
    "webhook": {
        "event": {
            "id": "01ABC",
            "event_type": "incident.triggered",
            "resource_type": "incident",
            "occurred_at": "2026-11-20T12:10:00.000Z",
            "data": {
                "id": "PGR0VU2",
                "title": "A little bump in the road",
                "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2",
                "service": {"summary": "API Service"},
            },
        }
    },
    "event": {
        "routing_key": "R" * 32,
        "event_action": "trigger",
        "payload": {
            "summary": "Disk is full",
            "source": "db-3",
            "severity": "critical",
            "timestamp": "2026-11-20T12:10:00Z",
            "custom_details": {"resource": "db:shard-3"},
        },
    },
    "change": {
        "routing_key": "R" * 32,
        "payload": {"summary": "Build 42 deployed", "timestamp": "2026-11-20T12:10:00Z"},
    },
}


@pytest.mark.parametrize(
    ("shape", "title", "detail", "resource"),
    [
        ("webhook", "A little bump in the road triggered",
         "API Service https://acme.pagerduty.com/incidents/PGR0VU2", None),
        ("event", "Disk is full trigger", "db-3", "db:shard-3"),
        ("change", "Build 42 deployed", "", None),
    ],
)  # fmt: skip
def test_what_pagerduty_sends_or_takes_is_an_annotation(client, shape, title, detail, resource):
    (made,) = client.post("/api/v1/annotations", json=PAGERDUTY[shape]).json()
    assert (made["title"], made["detail"]) == (title, detail)
    assert (made["resource"], made["source"]) == (resource, "pagerduty")
    assert made["at"] == "2026-11-20T12:10:00Z"
    assert "R" * 32 not in str(client.get("/api/v1/annotations").json())


def test_a_preview_shows_any_past_incident_and_sends_nothing(client, store):
    with receiver() as hook:
        made = create(client, hook.url).json()
        ping = client.post("/api/v1/endpoints/preview", json={"endpoint": made["id"]}).json()
        assert ping["event_type"] == "test.ping"
        write(store, opened(), now=at(1))
        asked = {"format": "json", "template": '{"x": "{{ incident.id }}"}', "incident": "INC-1"}
        shown = client.post("/api/v1/endpoints/preview", json=asked).json()
        assert (shown["body"], shown["error"]) == ('{"x": "INC-1"}', "")
        newest = client.post("/api/v1/endpoints/preview", json={"endpoint": made["id"]}).json()
        assert '"type":"incident.opened"' in newest["body"]
        assert newest["url"].endswith("/…")
    assert hook.got == []


def test_a_preview_says_what_is_wrong_with_the_template(client, store):
    write(store, opened(), now=at(1))
    asked = {"template": "{{ incident.nothing }}"}
    shown = client.post("/api/v1/endpoints/preview", json=asked).json()
    assert "nothing" in shown["error"]
    assert '"type":"incident.opened"' in shown["body"]


@pytest.mark.parametrize("style", sorted(CHANNELS))
def test_every_format_can_be_previewed_without_an_endpoint(client, store, style):
    write(store, opened(), now=at(1))
    shown = client.post("/api/v1/endpoints/preview", json={"format": style}).json()
    assert shown["size"] > 100
    assert "INC-1" in shown["body"]


def test_secrets_are_given_once_and_shown_in_no_answer(client):
    given = {
        "format": "slack",
        "token": "xoxb-verysecrettoken",
        "channel": "C1",
        "routing_key": "k" * 32,
    }
    made = client.post(
        "/api/v1/endpoints", json={"name": "a", "url": "https://slack.example/api/secret", **given}
    )
    assert made.status_code == 201
    seen = client.get("/api/v1/endpoints").text + made.text
    asked = {"endpoint": made.json()["id"]}
    seen += client.post("/api/v1/endpoints/preview", json=asked).text
    assert [word for word in ("xoxb", "k" * 32, "/api/secret") if word in seen] == []
    assert made.json()["secret"] not in client.get("/api/v1/endpoints").text


def test_an_endpoint_is_changed_field_by_field_and_keeps_its_secret(client, store):
    with receiver() as hook:
        made = create(client, hook.url, format="json").json()
        path = f"/api/v1/endpoints/{made['id']}"
        body = {"template": '{"seq": {{ seq }}}', "events": ["test.*"], "name": "mine"}
        changed = client.request("PATCH", path, json=body).json()
        assert (changed["name"], changed["template"]) == ("mine", '{"seq": {{ seq }}}')
        assert (changed["secret"], changed["signed"]) == (None, True)
        assert client.request("PATCH", path, json={"template": "{{"}).status_code == 400
        assert client.request("PATCH", path, json={"format": "?"}).json()["field"] == "format"
        assert client.request("PATCH", path + "x", json={}).status_code == 404
        create(client, hook.url, name="other")
        assert client.request("PATCH", path, json={"name": "other"}).status_code == 409
        assert client.post(path + "/test").json()["state"] == "delivered"
    assert hook.got[0].json == {"seq": 1}
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    content = f"{hook.got[0].id}.{hook.got[0].headers['webhook-timestamp']}.".encode()
    wanted = hmac.digest(key, content + hook.got[0].body, hashlib.sha256)
    assert hook.got[0].headers["webhook-signature"] == f"v1,{base64.b64encode(wanted).decode()}"


def test_schemas_are_served(client):
    found = client.get("/api/v1/schemas/alertmanager").json()
    assert found["$schema"].endswith("2020-12/schema")
    assert client.get("/api/v1/schemas/slack").status_code == 404


def test_a_repeated_annotation_is_kept_once(client):
    ours = {"title": "deploy 42", "at": "2026-11-20T12:10:00Z"}
    first = client.post("/api/v1/annotations", json=ours).json()
    assert client.post("/api/v1/annotations", json=ours).json() == first
    assert len(client.get("/api/v1/annotations").json()) == 1


def test_our_own_webhook_can_be_looped_back(client, store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
    answer = client.post("/api/v1/annotations", json=hook.got[0].json)
    assert answer.json()[0]["title"] == "NoisyNeighbour firing"
    assert records.incidents(store)
