"""`routes`, `silences`, `maintenance`, `endpoints test`, `deliveries replay` over the real API."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from analyzer.api import alerts, routing
from analyzer.api.problems import install
from analyzer.notify import NotifySettings
from analyzer.store.database import Store
from partywall import cli, client
from partywall.failures import Failure
from tests.analyzer.journal.cast import at, opened
from tests.analyzer.notify.asgi import Client
from tests.analyzer.notify.house import deliver, listening, write
from tests.analyzer.notify.receiver import receiver

SETTINGS = NotifySettings(allow=("127.0.0.1/32",))


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(None)
    yield store
    store.close()


@pytest.fixture
def run(store: Store, monkeypatch: pytest.MonkeyPatch):
    app = FastAPI()
    install(app)
    app.include_router(routing.router(store, lambda: at(30), lambda: None), prefix="/api/v1")
    app.include_router(alerts.router(store, lambda: at(30), SETTINGS), prefix="/api/v1")
    inside = Client(app)

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        headers = {"content-type": "application/json"}
        found = inside.request(request.method, path, content=request.content, headers=headers)
        return httpx.Response(found.status_code, content=found.content)

    class Told(client.Client):
        def __init__(self, base: str, token: str = "", *, timeout_s: float = 10) -> None:
            transport = httpx.MockTransport(answer)
            super().__init__(base, token, timeout_s=timeout_s, transport=transport)

    monkeypatch.setattr(client, "Client", Told)

    def invoke(*words: str) -> Result:
        result = CliRunner().invoke(cli.tree, [*words, "--api", "http://analyzer.test"])
        if isinstance(result.exception, Failure):
            raise result.exception
        return result

    return invoke


def test_a_silence_from_the_terminal(run, store):
    write(store, opened(), now=at(1))
    made = run(
        "silences", "add", "-m", "resource = db:*", "--by", "ada", "--reason", "deploy",
        "--for", "90m",
    )  # fmt: skip
    key, said = made.stdout.splitlines()
    assert said == "until 2026-11-20 14:00:00 UTC; mutes now: INC-1"
    assert run("silences").stdout.split("\t")[:5] == [
        key, "active", "resource = db:*", "ada", "deploy",
    ]  # fmt: skip
    assert run("silences", "expire", key).exit_code == 0
    assert run("silences", "--state", "active").stdout == ""


def test_routes_from_the_terminal(run, store):
    made = run(
        "routes", "add", "pages", "-m", "severity = page", "--to", "pager",
        "--step", "10m:boss,chief", "--repeat", "2h",
    )  # fmt: skip
    key, said = made.stdout.splitlines()
    assert said == "no endpoint is called boss, chief, pager"
    row = run("routes").stdout.splitlines()[0].split("\t")
    assert row[1:6] == ["pages", "severity = page", "pager", "10m: boss, chief", "2h"]
    assert run("routes", "remove", key).stdout == f"{key}: removed\n"


def test_a_backtest_from_the_terminal(run, store):
    with receiver() as hook:
        listening(store, hook)
        write(store, opened(), now=at(1))
        tried = run("routes", "backtest", "pages", "-m", "severity = page", "--to", "hook-0")
        assert "Route 'pages' would have fired once in 30 days." in tried.stdout
        assert "INC-1" in tried.stdout


def test_windows_from_the_terminal(run):
    made = run(
        "maintenance", "add", "vacuum", "-m", "resource = db:*", "--day", "sat", "--at", "02:00",
        "--for", "90m", "--zone", "Europe/Berlin",
    )  # fmt: skip
    key, said = made.stdout.splitlines()
    assert said == "opens next 2026-11-21 01:00:00 UTC"
    assert "sat 02:00 Europe/Berlin, 90 min" in run("maintenance").stdout
    assert run("maintenance", "remove", key).exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["routes", "add", "x", "--repeat", "soon"], "no length of time"),
        (["routes", "add", "x", "-m", "colour = red"], "no label"),
        (["routes", "add", "x", "--step", "10m"], "does not fit"),
        (["silences", "add", "-m", "tenant = a", "--by", "a", "--reason", "b", "--starts", "x"],
         "no time"),
        (["maintenance", "add", "x", "-m", "tenant = a"], "needs starts_at"),
        (["deliveries", "replay"], "which deliveries"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_a_line(run, words, says):
    with pytest.raises(Failure) as failed:
        run(*words)
    assert says in f"{failed.value.what} {failed.value.why}"


def test_a_test_shows_request_and_answer_and_replays_are_counted(run, store):
    with receiver() as hook:
        settings = listening(store, hook)
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1))
        key = run("endpoints").stdout.split("\t")[0]
        shown = run("endpoints", "test", key, "--incident", "INC-1").stdout
        assert "state" in shown
        assert '"test":true' in shown
        assert "< body" in shown
        delivery = run("deliveries", "--state", "delivered").stdout.splitlines()[-1].split("\t")[0]
        assert run("deliveries", "replay", delivery).stdout == "1 will be sent again\n"
        assert run("deliveries", "replay", "--failed-since", "now-1h").stdout == (
            "0 will be sent again\n"
        )
        hook.script.append(500)
        assert run("endpoints", "test", key).exit_code == 1
