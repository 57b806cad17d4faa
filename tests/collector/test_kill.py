"""A collector that is killed has kept what it acknowledged."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from collector.config import SpoolSettings
from collector.spool import Spool
from tests.collector.rooms import usage_rows

SERVE = """
import sys, pathlib, uvicorn
from collector.app import build
from collector.config import CollectorSettings
app = build(CollectorSettings(data=pathlib.Path(sys.argv[1])))
config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error")
server = uvicorn.Server(config)
socket = config.bind_socket()
print(socket.getsockname()[1], flush=True)
server.run(sockets=[socket])
"""


def row(number: int) -> bytes:
    fields = {"ts": time.time_ns() / 1e9, "tenant": "acme", "resource": "db:x", "family": "query"}
    return json.dumps({**fields, "count": number}).encode()


def wait_for(port: int) -> None:
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError


def send(port: int, first: int, acknowledged: list[int]) -> None:
    """Post rows numbered from `first` until the server is gone."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        for number in range(first, first + 100_000):
            connection.request(
                "POST", "/api/v1/usage", row(number), {"Content-Type": "application/x-ndjson"}
            )
            response = connection.getresponse()
            response.read()
            if response.status == 200:
                acknowledged.append(number)
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()


def run_until(tmp_path: Path, sign: signal.Signals, count: int) -> list[int]:
    """Serve, send from three threads, end the server by a signal after `count` answers: what was
    acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged: list[int] = []
    with process.stdout as out:
        port = int(out.readline())
        senders = [
            threading.Thread(target=send, args=(port, n * 1_000_000, acknowledged))
            for n in range(3)
        ]
        wait_for(port)
        for one in senders:
            one.start()
        while len(acknowledged) < count and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(sign)
        process.wait(20)
        for one in senders:
            one.join(20)
    return acknowledged


def test_nothing_acknowledged_is_lost_when_the_collector_is_killed(tmp_path):
    acknowledged = run_until(tmp_path, signal.SIGKILL, 100)
    Spool(SpoolSettings(directory=tmp_path / "spool")).close()

    assert len(acknowledged) >= 100
    assert set(acknowledged) <= {row["count"] for row in usage_rows(tmp_path)}


def test_a_collector_that_is_asked_to_stop_leaves_only_sealed_segments(tmp_path):
    acknowledged = run_until(tmp_path, signal.SIGTERM, 100)

    assert len(acknowledged) >= 100
    assert not list((tmp_path / "spool").glob("*.open"))
    assert set(acknowledged) <= {row["count"] for row in usage_rows(tmp_path)}
