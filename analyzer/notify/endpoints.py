"""Who is told: the endpoints of the configuration file and those made over the API."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from analyzer.notify.channels.message import Addressee, Options
from analyzer.notify.clock import aware, stored
from analyzer.notify.event import Entropy, uuid7
from analyzer.notify.settings import EndpointSettings, NotifySettings, new_secret
from analyzer.store.codec import dump, load
from analyzer.store.database import Store
from analyzer.store.reader import Reader, Transaction
from analyzer.store.seal import Seal
from collector.model import Rejected, Rejection

SEALED = ("url", "secret", "routing_key", "token")
"""Columns that are encrypted in the store."""


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
    token: str = field(default="", repr=False)
    options: Options = Options()

    @property
    def lane(self) -> str:
        """The lane of the news about this endpoint itself."""
        return f"endpoint:{self.id}"

    def addressee(self, thread: str = "") -> Addressee:
        """Where its messages go; `thread` is the receiver's name for the incident."""
        return Addressee(self.name, self.url, self.routing_key, self.token, self.options, thread)

    @property
    def settings(self) -> EndpointSettings:
        """As it would stand in the configuration file."""
        return EndpointSettings(
            self.name,
            self.url,
            self.format,
            self.secret,
            self.routing_key,
            self.events,
            self.token,
            **asdict(self.options),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must stand in no log, the longest first: keys, and the path of the address."""
        parts = urlsplit(self.url)
        path = self.url.removeprefix(f"{parts.scheme}://{parts.netloc}")
        known = {self.routing_key, self.token, *self.secret.split(), path}
        return tuple(sorted((s for s in known if len(s) >= 8), key=len, reverse=True))


def endpoints(reader: Reader) -> list[Endpoint]:
    """All of them, oldest first."""
    return [_endpoint(record, reader.seal) for record in reader.records("notify_endpoints")]


def endpoint(reader: Reader, endpoint_id: str) -> Endpoint | None:
    records = reader.records("notify_endpoint", id=endpoint_id)
    return _endpoint(records[0], reader.seal) if records else None


def sync_endpoints(store: Store, settings: NotifySettings, now: datetime) -> None:
    """Make the endpoints of the configuration file so: add, change, remove. Twice-safe.

    An unchanged endpoint keeps its health, so a restart does not revive a disabled one.
    """
    with store.transaction() as tx:
        known = {e.name: e for e in endpoints(tx) if e.source == "config"}
        for wanted in (each for one in settings.endpoints for each in one.each()):
            _put(tx, wanted, known.pop(wanted.name, None), now)
        _seal_all(tx)
        for gone in known.values():
            remove_endpoint(tx, gone.id)


def add_endpoint(
    store: Store, wanted: EndpointSettings, *, now: datetime, entropy: Entropy = os.urandom
) -> Endpoint:
    """A new endpoint with a fresh secret, and one more for each replica (same secret).

    Raises INVALID_FIELD, or CONFLICT on a used name.
    """
    if problems := wanted.problems():
        raise Rejected(Rejection.INVALID_FIELD, "; ".join(problems), field=_field(problems[0]))
    made = replace(wanted, secret=wanted.secret or new_secret(entropy(32))).each()
    with store.transaction() as tx:
        taken = {each.name for each in endpoints(tx)}
        for each in made:
            if each.name in taken:
                raise Rejected(
                    Rejection.CONFLICT,
                    f"an endpoint {each.name!r} exists, choose another name",
                    field="name",
                )
        ids = [_insert(tx, each, "api", now, entropy) for each in made]
        found = endpoint(tx, ids[0])
    if found is None:
        raise Rejected(Rejection.UNAVAILABLE, "the endpoint could not be read back")
    return found


def change_endpoint(store: Store, endpoint_id: str, changes: Mapping[str, Any]) -> None:
    """Set fields of `EndpointSettings`; it begins anew as `ok`, what waits for it is sent the new
    way. Raises NOT_FOUND, INVALID_FIELD, or CONFLICT on a used name.
    """
    with store.transaction() as tx:
        everybody = {each.id: each for each in endpoints(tx)}
        had = everybody.get(endpoint_id)
        if had is None:
            raise Rejected(Rejection.NOT_FOUND, f"there is no endpoint {endpoint_id}", field="id")
        wanted = replace(had.settings, **changes)
        if problems := wanted.problems():
            raise Rejected(Rejection.INVALID_FIELD, "; ".join(problems), field=_field(problems[0]))
        if any(e.name == wanted.name for e in everybody.values() if e.id != endpoint_id):
            said = f"an endpoint {wanted.name!r} exists, choose another name"
            raise Rejected(Rejection.CONFLICT, said, field="name")
        tx.execute("notify_endpoint_change", id=had.id, source=had.source, **_columns(tx, wanted))
        tx.execute("notify_endpoint_rename", id=had.id, called=wanted.name)


def remove_endpoint(tx: Transaction, endpoint_id: str) -> None:
    """Forget the endpoint; what it was still to be told dies and stays in the log."""
    tx.execute("notify_bury_endpoint", endpoint=endpoint_id, error="the endpoint was deleted")
    tx.execute("notify_endpoint_delete", id=endpoint_id)
    tx.execute("outside_forget", endpoint=endpoint_id)


def rotate_secret(store: Store, endpoint_id: str, random: bytes) -> str:
    """A new secret; messages are signed with it and with the one before until the next rotation."""
    secret = new_secret(random)
    with store.transaction() as tx:
        had = endpoint(tx, endpoint_id)
        if had is None:
            raise Rejected(Rejection.NOT_FOUND, f"there is no endpoint {endpoint_id}", field="id")
        both = " ".join([secret, *had.secret.split()[:1]])
        tx.execute("notify_endpoint_secret", id=endpoint_id, secret=tx.seal.close(both))
    return secret


def _put(tx: Transaction, wanted: EndpointSettings, had: Endpoint | None, now: datetime) -> None:
    if had is None:
        _insert(tx, wanted, "config", now, os.urandom)
    elif _wish(wanted) != _wish(had):
        tx.execute("notify_endpoint_change", id=had.id, source="config", **_columns(tx, wanted))


def _wish(of: EndpointSettings | Endpoint) -> tuple[object, ...]:
    return (of.url, of.format, of.secret, of.routing_key, of.events, of.token, of.options)


def _columns(tx: Transaction, of: EndpointSettings | Endpoint) -> dict[str, str | Sequence[str]]:
    return {
        "url": tx.seal.close(of.url),
        "format": of.format,
        "secret": tx.seal.close(of.secret),
        "routing_key": tx.seal.close(of.routing_key),
        "token": tx.seal.close(of.token),
        "options": dump(of.options),
        "events": list(of.events),
    }


def _seal_all(tx: Transaction) -> None:
    """What lies open from before there were seals, or under an older key, is sealed anew."""
    for record in tx.records("notify_endpoints"):
        sealed = {key: tx.seal.renew(record[key]) for key in SEALED}
        if any(sealed[key] != record[key] for key in SEALED):
            tx.execute("notify_endpoint_seal", id=record["id"], **sealed)


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
        **_columns(tx, wanted),
    )
    return made


def _endpoint(record: dict[str, Any], seal: Seal) -> Endpoint:
    times = {key: aware(record[key]) for key in ("created_at", "failing_since", "hold_until")}
    opened = {key: seal.open(record[key]) for key in SEALED}
    options = load(record["options"], Options) if record["options"] else Options()
    known = {name: record[name] for name in (f.name for f in fields(Endpoint)) if name in record}
    rest = {"events": tuple(record["events"] or ()), "options": options}
    return Endpoint(**{**known, **times, **opened, **rest})


def _field(problem: str) -> str:
    return problem.split(":", 1)[0].rsplit(".", 1)[-1]
