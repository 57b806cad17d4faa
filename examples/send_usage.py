"""One window of usage through the native door, with nothing but the standard library."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta

COLLECTOR = "http://127.0.0.1:8601/api/v1/usage"


def rows(ended: datetime) -> list[dict[str, object]]:
    """Two tenants of one database in the ten seconds before `ended`."""
    window = {"ts": (ended - timedelta(seconds=10)).isoformat(), "window_s": 10}
    place = {"resource": "db:main", "family": "query"}
    acme = {"tenant": "acme", "arrived": 120, "count": 118, "errors": 1, "busy_s": 1.9}
    globex = {"tenant": "globex", "arrived": 15, "count": 15, "busy_s": 0.2, "latency_sum_s": 0.4}
    return [{**window, **place, **acme}, {**window, **place, **globex}]


def send(url: str = COLLECTOR) -> str:
    """POST them as NDJSON; 200 means they are on disk."""
    ended = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - a sender has a clock
    body = "".join(json.dumps(row) + "\n" for row in rows(ended)).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


if __name__ == "__main__":
    print(send())
