"""The peer itself: what it is told, it answers; the harness measures something."""

from __future__ import annotations

import time

import pytest

from tests.collector.senders import RW1_HEADERS, series, snappy, write_request
from tests.peers.victoria import victoria


@pytest.mark.peer
def test_victoria_metrics_answers_what_it_was_told(tmp_path):
    now_ms = time.time_ns() // 1_000_000 - 60_000
    points: list[tuple[float | bytes, int]] = [(float(n), now_ms + n * 1000) for n in range(11)]
    body = snappy(write_request(series({"__name__": "seen_total", "tenant": "acme"}, points)))

    with victoria(tmp_path / "vm") as peer:
        peer.write(body, RW1_HEADERS)
        peer.settle()
        found = peer.query("increase(seen_total[11s])", now_ms / 1000 + 10)

    assert found == {frozenset({("tenant", "acme")}): 10.0}
