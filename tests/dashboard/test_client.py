"""The client parses, remembers one data version, and turns every failure into one error."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from dashboard import client
from dashboard.client import Client, ClientError, Trouble
from dashboard.config import DashboardSettings
from tests.dashboard.fake_api import FakeApi


def run(work: Callable[[Client, FakeApi], Awaitable[Any]]) -> Any:
    """`work` gets a client before the fake analyzer; returns what it returns."""

    async def whole() -> Any:
        fake = FakeApi()
        api = Client(DashboardSettings(), transport=httpx.ASGITransport(fake.app()))
        try:
            return await work(api, fake)
        finally:
            await api.close()

    return asyncio.run(whole())


def answering(handler: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client(DashboardSettings(token="s3cret"), transport=httpx.MockTransport(handler))


def failure(handler: Callable[[httpx.Request], httpx.Response]) -> ClientError | None:
    async def whole() -> ClientError | None:
        api = answering(handler)
        try:
            await api.get(client.INCIDENTS, "/incidents")
        except ClientError as error:
            return error
        finally:
            await api.close()
        return None

    return asyncio.run(whole())


def test_answers_become_views():
    view = run(lambda api, _: api.get(client.INCIDENT, "/incidents/INC-42"))
    assert view.blames[0].tenant == "acme"
    assert len(view.harms) == 18


def test_a_second_question_within_one_data_version_asks_nobody():
    asked = []

    def handler(request):
        asked.append(request.url.path)
        return httpx.Response(200, json=[])

    async def work() -> None:
        api = answering(handler)
        for _ in range(3):
            await api.get(client.INCIDENTS, "/incidents", limit=5)
        await api.get(client.INCIDENTS, "/incidents", limit=6)
        await api.close()

    asyncio.run(work())
    assert len(asked) == 2


def test_a_new_data_version_empties_the_shelf():
    async def work(api, fake):
        await api.health()
        before = await api.get(client.INCIDENTS, "/incidents")
        fake.tell("empty")
        await api.health()
        return len(before), len(await api.get(client.INCIDENTS, "/incidents"))

    assert run(work) == (12, 0)


def test_an_action_empties_the_shelf_and_carries_its_body():
    async def work(api, fake):
        await api.get(client.INCIDENTS, "/incidents")
        await api.post("/incidents/INC-42/acknowledge", {"by": "mara"})
        return fake.posts, len(api._kept)

    assert run(work) == ([("incidents/INC-42/acknowledge", {"by": "mara"})], 0)


def test_lists_ask_for_any_of_their_values_and_blanks_are_left_out():
    seen = []

    def handler(request):
        seen.append(str(request.url.query, "ascii"))
        return httpx.Response(200, json=[])

    async def work() -> None:
        api = answering(handler)
        await api.get(
            client.INCIDENTS, "/incidents", state=("firing", "flapping"), kind="", from_="now-1h"
        )
        await api.close()

    asyncio.run(work())
    assert seen == ["from=now-1h&state=firing&state=flapping"]


def test_the_token_is_sent():
    def handler(request):
        assert request.headers["authorization"] == "Bearer s3cret"
        return httpx.Response(200, json=[])

    assert failure(handler) is None


def _refuse(_request):
    raise httpx.ConnectError("refused")


def _hang(_request):
    raise httpx.ReadTimeout("slow")


PROBLEM = {
    "type": "about:blank",
    "title": "Gone",
    "status": 404,
    "detail": "There is no INC-9.",
    "id": "not-found",
}


@pytest.mark.parametrize(
    ("handler", "trouble", "words"),
    [
        (_refuse, Trouble.UNREACHABLE, "does not answer"),
        (_hang, Trouble.TIMEOUT, "too long"),
        (lambda _: httpx.Response(404, json=PROBLEM), Trouble.MISSING, "There is no INC-9."),
        (lambda _: httpx.Response(500, text="<html>"), Trouble.REFUSED, "answered 500"),
        (lambda _: httpx.Response(200, text="not json"), Trouble.BROKEN, "not understood"),
        (lambda _: httpx.Response(200, json=[{"id": 1}]), Trouble.BROKEN, "not understood"),
        (lambda _: httpx.Response(200, json={"a": 1}), Trouble.BROKEN, "not understood"),
    ],
)
def test_every_failure_is_one_error_with_a_sentence(handler, trouble, words):
    error = failure(handler)
    assert error is not None
    assert error.trouble is trouble
    assert words in error.detail
    assert error.request_id


def test_what_is_made_is_answered_and_all_kept_answers_are_asked_anew():
    async def work(api: Client, fake: FakeApi) -> Any:
        before = await api.get(client.ENDPOINTS, "/endpoints")
        body = {"name": "ops", "url": "https://x.example", "format": "slack"}
        made = await api.create(client.ENDPOINT, "/endpoints", body)
        return before, made, fake.posts, dict(api._kept)

    before, made, posts, kept = run(work)
    assert before[0].secret is None
    assert (made.name, bool(made.secret)) == ("ops", True)
    assert [path for path, _ in posts] == ["endpoints"]
    assert kept == {}


def test_a_refused_wish_says_why_and_what_to_do():
    async def work(api: Client, fake: FakeApi) -> Any:
        body = {"name": "chat", "url": "https://x.example", "format": "slack"}
        with pytest.raises(ClientError) as caught:
            await api.create(client.ENDPOINT, "/endpoints", body)
        return caught.value

    refused = run(work)
    assert (refused.detail, refused.status) == ("chat exists already.", 409)
    assert refused.remedy == "Choose another name."
