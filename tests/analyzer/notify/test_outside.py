"""Silences of an Alertmanager, read back and shown on the incident."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from analyzer.notify import EndpointSettings, HttpTransport
from analyzer.notify.endpoints import endpoints, remove_endpoint
from analyzer.notify.feed import fed, feed
from analyzer.notify.outside import outside_silences
from tests.analyzer.journal.cast import at, opened
from tests.analyzer.notify.house import deliver, listening, write

ALERT = {"labels": {"incident": "INC-1"}, "status": {"state": "suppressed", "silencedBy": ["s-1"]}}
SILENCE = {
    "id": "s-1",
    "endsAt": "2026-11-20T14:00:00.000Z",
    "createdBy": "ada",
    "comment": "we know, shard moves tonight",
}


@contextmanager
def alertmanager(pages: dict[str, Any]) -> Iterator[str]:
    """Answers GET with what `pages` has under the beginning of the path."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(b"{}")

        def do_GET(self) -> None:
            found = next((body for path, body in pages.items() if self.path.startswith(path)), None)
            if found is None:
                self.send_error(404)
                return
            self.answer(found if isinstance(found, bytes) else json.dumps(found).encode())

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def told(store, url: str) -> None:
    """An incident fed to the Alertmanager, and what it says read back."""
    settings = listening(store, EndpointSettings("am", f"{url}/api/v2/alerts", "alertmanager_api"))
    write(store, opened(), now=at(1))
    deliver(store, settings, at(1))
    (to,) = fed(store)
    assert feed(store, to, now=at(2), transport=HttpTransport(settings)) == 1


def test_a_silence_there_is_shown_here_until_it_ends(store):
    pages = {"/api/v2/alerts?": [ALERT], "/api/v2/silence/s-1": SILENCE}
    with alertmanager(pages) as url:
        told(store, url)
        (found,) = outside_silences(store, "INC-1", now=at(3))
        assert (found.where, found.author, found.comment) == ("am", "ada", SILENCE["comment"])
        assert found.url == f"{url}/#/silences/s-1"
        assert outside_silences(store, "INC-2", now=at(3)) == []
        assert outside_silences(store, "INC-1", now=at(121)) == []
        pages["/api/v2/alerts?"] = [{**ALERT, "status": {"silencedBy": []}}]
        told(store, url)
        assert outside_silences(store, "INC-1", now=at(3)) == []


@pytest.mark.parametrize(
    "pages",
    [
        {},
        {"/api/v2/alerts?": b"<html>"},
        {"/api/v2/alerts?": {"not": "a list"}},
        {"/api/v2/alerts?": [7, {"labels": 1}, {"labels": {}, "status": 2}, {"status": {}}]},
        {"/api/v2/alerts?": [ALERT]},
        {"/api/v2/alerts?": [ALERT], "/api/v2/silence/s-1": {"endsAt": "some day"}},
        {"/api/v2/alerts?": [ALERT], "/api/v2/silence/s-1": [1, 2]},
    ],
)
def test_what_makes_no_sense_is_no_silence(store, pages):
    with alertmanager(pages) as url:
        told(store, url)
        assert outside_silences(store, "INC-1", now=at(3)) == []


def test_who_does_not_answer_leaves_what_was_known(store):
    pages: dict[str, Any] = {"/api/v2/alerts?": [ALERT], "/api/v2/silence/s-1": SILENCE}
    with alertmanager(pages) as url:
        told(store, url)
        pages.clear()
        told(store, url)
        assert len(outside_silences(store, "INC-1", now=at(3))) == 1
        with store.transaction() as tx:
            remove_endpoint(tx, endpoints(tx)[0].id)
        assert outside_silences(store, "INC-1", now=at(3)) == []
