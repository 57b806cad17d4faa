"""Who is told: the endpoints of the configuration file and those made over the API."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from analyzer.notify.channels.message import Addressee
from analyzer.notify.clock import aware, stored
from analyzer.notify.event import Entropy, uuid7
from analyzer.notify.settings import EndpointSettings, NotifySettings, new_secret
from analyzer.store import Reader, Store, Transaction
from collector.model import Rejected, Rejection


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint and its health. `failures` counts straight ones; nothing is sent before
    `hold_until`; `source` is `config` or `api`; `state` is `ok`, `failing` or `disabled`."""

    id: str
    name: str
    url: str = field(repr=False)
    format: str
    secret: str = field(repr=False)
    routing_key: str = field(repr=False)
    events: tuple[str, ...]
    source: str
    state: str
    created_at: datetime
    failures: int
    failing_since: datetime | None
    told_failing: bool
    hold_until: datetime | None

    @property
    def lane(self) -> str:
        """The lane of the news about this endpoint itself."""
        return f"endpoint:{self.id}"

    @property
    def addressee(self) -> Addressee:
        return Addressee(self.name, self.url, self.routing_key)


def endpoints(reader: Reader) -> list[Endpoint]:
    """All of them, oldest first."""
    return [_endpoint(record) for record in reader.records("notify_endpoints")]


def endpoint(reader: Reader, endpoint_id: str) -> Endpoint | None:
    records = reader.records("notify_endpoint", id=endpoint_id)
    return _endpoint(records[0]) if records else None


def sync_endpoints(store: Store, settings: NotifySettings, now: datetime) -> None:
    """Make the endpoints of the configuration file so: add, change, remove. Twice-safe.

    An unchanged endpoint keeps its health, so a restart does not revive a disabled one.
    """
    with store.transaction() as tx:
        known = {e.name: e for e in endpoints(tx) if e.source == "config"}
        for wanted in settings.endpoints:
            _put(tx, wanted, known.pop(wanted.name, None), now)
        for gone in known.values():
            remove_endpoint(tx, gone.id)


def add_endpoint(
    store: Store, wanted: EndpointSettings, *, now: datetime, entropy: Entropy = os.urandom
) -> Endpoint:
    """A new endpoint with a fresh secret. Raises INVALID_FIELD, or CONFLICT on a used name."""
    if problems := wanted.problems():
        raise Rejected(Rejection.INVALID_FIELD, "; ".join(problems), field=_field(problems[0]))
    made = EndpointSettings(
        wanted.name,
        wanted.url,
        wanted.format,
        wanted.secret or new_secret(entropy(32)),
        wanted.routing_key,
        wanted.events,
    )
    with store.transaction() as tx:
        if any(e.name == made.name for e in endpoints(tx)):
            raise Rejected(
                Rejection.CONFLICT,
                f"an endpoint {made.name!r} exists, choose another name",
                field="name",
            )
        found = endpoint(tx, _insert(tx, made, "api", now, entropy))
    if found is None:
        raise Rejected(Rejection.UNAVAILABLE, "the endpoint could not be read back")
    return found


def remove_endpoint(tx: Transaction, endpoint_id: str) -> None:
    """Forget the endpoint; what it was still to be told dies and stays in the log."""
    tx.execute("notify_bury_endpoint", endpoint=endpoint_id, error="the endpoint was deleted")
    tx.execute("notify_endpoint_delete", id=endpoint_id)


def rotate_secret(store: Store, endpoint_id: str, random: bytes) -> str:
    """A new secret; messages are signed with it and with the one before until the next rotation."""
    secret = new_secret(random)
    with store.transaction() as tx:
        had = endpoint(tx, endpoint_id)
        if had is None:
            raise Rejected(Rejection.NOT_FOUND, f"there is no endpoint {endpoint_id}", field="id")
        both = " ".join([secret, *had.secret.split()[:1]])
        tx.execute("notify_endpoint_secret", id=endpoint_id, secret=both)
    return secret


def _put(tx: Transaction, wanted: EndpointSettings, had: Endpoint | None, now: datetime) -> None:
    if had is None:
        _insert(tx, wanted, "config", now, os.urandom)
    elif _wish(wanted) != (had.url, had.format, had.secret, had.routing_key, had.events):
        tx.execute("notify_endpoint_change", id=had.id, source="config", **_columns(wanted))


def _wish(wanted: EndpointSettings) -> tuple[str, str, str, str, tuple[str, ...]]:
    return (wanted.url, wanted.format, wanted.secret, wanted.routing_key, wanted.events)


def _columns(wanted: EndpointSettings) -> dict[str, str | Sequence[str]]:
    return {
        "url": wanted.url,
        "format": wanted.format,
        "secret": wanted.secret,
        "routing_key": wanted.routing_key,
        "events": list(wanted.events),
    }


def _insert(
    tx: Transaction, wanted: EndpointSettings, source: str, now: datetime, entropy: Entropy
) -> str:
    made = f"ep_{uuid7(now, entropy)}"
    tx.execute(
        "notify_endpoint_insert",
        id=made,
        called=wanted.name,
        source=source,
        now=stored(now),
        **_columns(wanted),
    )
    return made


def _endpoint(record: dict[str, Any]) -> Endpoint:
    times = {key: aware(record[key]) for key in ("created_at", "failing_since", "hold_until")}
    return Endpoint(**{**record, **times, "events": tuple(record["events"] or ())})


def _field(problem: str) -> str:
    return problem.split(":", 1)[0].rsplit(".", 1)[-1]
