"""Routes for endpoints, deliveries and annotations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict

from analyzer.api.bodies import BODIES, schema
from analyzer.api.inbound import read_annotations
from analyzer.api.times import parse_time
from analyzer.api.views.alerts import (
    AttemptView,
    DeliveryDetail,
    DeliveryView,
    EndpointChange,
    EndpointIn,
    EndpointView,
    PreviewView,
    Replayed,
)
from analyzer.api.views.annotations import AnnotationView
from analyzer.api.views.routing import ReplayIn
from analyzer.journal.annotations import annotate, list_annotations
from analyzer.notify.channels import CHANNELS
from analyzer.notify.channels.message import Addressee, Options
from analyzer.notify.clock import aware
from analyzer.notify.endpoints import (
    Endpoint,
    add_endpoint,
    change_endpoint,
    endpoint,
    endpoints,
    remove_endpoint,
    rotate_secret,
)
from analyzer.notify.event import Links
from analyzer.notify.firing import fire, preview
from analyzer.notify.outbox import replay, replay_failed, replay_many
from analyzer.notify.settings import EndpointSettings, NotifySettings, redacted
from analyzer.notify.wire.transport import HttpTransport
from analyzer.store.database import Store
from collector.model import Rejected, Rejection

Limit = Annotated[int, Query(ge=1, le=1000)]


class TestFireIn(BaseModel):
    """`POST /endpoints/{id}/test`: nothing for a ping, or the id of a past incident."""

    __test__ = False  # no test case, whatever its name
    model_config = ConfigDict(extra="forbid")
    incident: str | None = None


class PreviewIn(BaseModel):
    """`POST /endpoints/preview`: of an endpoint as it is, or as it would be with these changes."""

    model_config = ConfigDict(extra="forbid")
    endpoint: str = ""
    format: str = ""
    template: str | None = None
    incident: str | None = None  # the newest one without it


def router(store: Store, clock: Callable[[], datetime], settings: NotifySettings) -> APIRouter:
    """All routes of this file, to be mounted under `/api/v1`."""
    routes = APIRouter(tags=["alerts"])
    _endpoint_routes(routes, store, clock)
    _trial_routes(routes, store, clock, settings)
    _delivery_routes(routes, store, clock)
    _annotation_routes(routes, store, clock)
    return routes


def _endpoint_routes(routes: APIRouter, store: Store, clock: Callable[[], datetime]) -> None:
    @routes.get("/endpoints")
    def list_endpoints() -> list[EndpointView]:
        with store.reader() as reader:
            return [_endpoint_view(store, each) for each in endpoints(reader)]

    @routes.post("/endpoints", status_code=201)
    def create_endpoint(given: EndpointIn) -> EndpointView:
        wanted = EndpointSettings(
            name=given.name,
            url=given.url,
            format=given.format,
            routing_key=given.routing_key,
            events=tuple(given.events),
            token=given.token,
            channel=given.channel,
            template=given.template,
            sender=given.sender,
            recipients=tuple(given.recipients),
            username=given.username,
            replicas=tuple(given.replicas),
        )
        made = add_endpoint(store, wanted, now=clock())
        return _endpoint_view(store, made, secret=made.secret)

    @routes.delete("/endpoints/{endpoint_id}", status_code=204)
    def delete_endpoint(endpoint_id: str) -> None:
        with store.transaction() as tx:
            _own(_need(store, endpoint_id))
            remove_endpoint(tx, endpoint_id)

    @routes.patch("/endpoints/{endpoint_id}")
    def patch_endpoint(endpoint_id: str, given: EndpointChange) -> EndpointView:
        """Changes what is given; a secret stays unless a new one is written."""
        _own(_need(store, endpoint_id))
        changes = {key: value for key, value in given.model_dump().items() if value is not None}
        change_endpoint(store, endpoint_id, changes)
        return _endpoint_view(store, _need(store, endpoint_id))

    @routes.post("/endpoints/{endpoint_id}/enable")
    def enable_endpoint(endpoint_id: str) -> EndpointView:
        _need(store, endpoint_id)
        with store.transaction() as tx:
            tx.execute("notify_endpoint_enable", id=endpoint_id)
        return _endpoint_view(store, _need(store, endpoint_id))

    @routes.post("/endpoints/{endpoint_id}/rotate")
    def rotate_endpoint_secret(endpoint_id: str) -> EndpointView:
        """A new secret beside the old one; the next rotation drops the old one."""
        _own(_need(store, endpoint_id))
        secret = rotate_secret(store, endpoint_id, os.urandom(32))
        return _endpoint_view(store, _need(store, endpoint_id), secret=secret)


def _trial_routes(
    routes: APIRouter, store: Store, clock: Callable[[], datetime], settings: NotifySettings
) -> None:
    """What messages look like, before anybody depends on them."""
    transport = HttpTransport(settings)

    @routes.get("/schemas/{form}")
    def get_schema(form: str) -> dict[str, Any]:
        """The JSON Schema of the body of `alertmanager`, `json` or `cloudevents`."""
        if form not in BODIES:
            known = ", ".join(BODIES)
            raise Rejected(
                Rejection.NOT_FOUND, f"no schema of {form[:40]!r}; of {known}", field="form"
            )
        return schema(form)

    @routes.post("/endpoints/preview")
    def preview_endpoint(given: PreviewIn) -> PreviewView:
        """Shows what would be sent, of any past incident; sends nothing."""
        to, style = _previewed(store, given)
        with store.reader() as reader:
            event, message = preview(
                reader, to, style, now=clock(), links=Links(settings.external_url),
                incident=given.incident,
            )  # fmt: skip
        body = message.body.decode("utf-8", "replace") if message else ""
        return PreviewView(
            event_type=event.type,
            url=redacted(to.url),
            content_type=message.content_type if message else "",
            body=body.replace(to.routing_key, "…") if to.routing_key else body,
            size=len(message.body) if message else 0,
            error=message.note if message else f"{style} has no use for {event.type}",
        )

    @routes.post("/endpoints/{endpoint_id}/test")
    def test_endpoint(endpoint_id: str, given: TestFireIn | None = None) -> DeliveryDetail:
        """Sends a test message now and answers with what went over the wire."""
        to = _need(store, endpoint_id)
        incident = given.incident if given else None
        return _detail(store, fire(store, to, clock, transport, settings, incident=incident))


def _delivery_routes(routes: APIRouter, store: Store, clock: Callable[[], datetime]) -> None:
    @routes.get("/deliveries")
    def list_deliveries(
        state: str | None = None,
        endpoint: str | None = None,
        incident: str | None = None,
        limit: Limit = 100,
    ) -> list[DeliveryView]:
        records = store.records(
            "notify_deliveries",
            id=None,
            state=state,
            endpoint=endpoint,
            incident=incident,
            limit=limit,
        )
        return [DeliveryView(**_delivery(record)) for record in records]

    @routes.post("/deliveries/replay", status_code=202)
    def replay_deliveries(
        failed_since: str | None = None, given: ReplayIn | None = None
    ) -> Replayed:
        """Sends again these (`ids`), or everything that failed for good since then, under the
        same ids."""
        now = clock()
        if given is not None and given.ids:
            return Replayed(replayed=replay_many(store, given.ids, now=now))
        if not failed_since:
            raise Rejected(
                Rejection.MISSING_FIELD, "say ids in the body, or failed_since", field="ids"
            )
        since = parse_time(failed_since, now=now, field="failed_since")
        return Replayed(replayed=replay_failed(store, since, now=now))

    @routes.get("/deliveries/{delivery_id}")
    def get_delivery(delivery_id: str) -> DeliveryDetail:
        return _detail(store, delivery_id)

    @routes.post("/deliveries/{delivery_id}/replay", status_code=202)
    def replay_delivery(delivery_id: str) -> DeliveryDetail:
        """Sends it again under the same id."""
        replay(store, delivery_id, now=clock())
        return _detail(store, delivery_id)


def _annotation_routes(routes: APIRouter, store: Store, clock: Callable[[], datetime]) -> None:
    @routes.post("/annotations", status_code=201)
    def create_annotations(body: Annotated[Any, Body()]) -> list[AnnotationView]:
        """Takes our own shape, an Alertmanager webhook (version 4), PagerDuty's webhook (v3) or
        event (v2), or any JSON object."""
        now = clock()
        given = read_annotations(body, now=now)
        ids = annotate(store, given, now=now)
        return [
            AnnotationView(
                id=made,
                at=each.at,
                title=each.title,
                detail=each.detail,
                resource=each.resource,
                tenant=each.tenant,
                source=each.source,
            )
            for made, each in zip(ids, given, strict=True)
        ]

    @routes.get("/annotations")
    def get_annotations(
        from_: Annotated[str | None, Query(alias="from")] = None,
        to: str | None = None,
        resource: str | None = None,
        tenant: str | None = None,
        limit: Limit = 200,
    ) -> list[AnnotationView]:
        now = clock()
        found = list_annotations(
            store,
            since=parse_time(from_, now=now, field="from") if from_ else None,
            until=parse_time(to, now=now, field="to") if to else None,
            resource=resource,
            tenant=tenant,
            limit=limit,
        )
        return [AnnotationView.model_validate(each, from_attributes=True) for each in found]


def _need(store: Store, endpoint_id: str) -> Endpoint:
    with store.reader() as reader:
        found = endpoint(reader, endpoint_id)
    if found is None:
        raise Rejected(Rejection.NOT_FOUND, f"there is no endpoint {endpoint_id}", field="id")
    return found


def _previewed(store: Store, given: PreviewIn) -> tuple[Addressee, str]:
    """Whom the preview is for, and in which format."""
    found = _need(store, given.endpoint) if given.endpoint else None
    style = given.format or (found.format if found else "json")
    if style not in CHANNELS:
        known = ", ".join(sorted(CHANNELS))
        raise Rejected(
            Rejection.INVALID_FIELD, f"format: unknown {style[:40]!r}, use one of {known}",
            field="format",
        )  # fmt: skip
    to = found.addressee() if found else _SOMEBODY
    if given.template is None:
        return to, style
    return replace(to, options=replace(to.options, template=given.template)), style


_SOMEBODY = Addressee(
    "preview",
    "https://receiver.example/",
    options=Options(sender="partywall@example.com", recipients=("you@example.com",)),
)


def _own(found: Endpoint) -> None:
    if found.source == "config":
        raise Rejected(
            Rejection.CONFLICT,
            f"endpoint {found.name!r} stands in the configuration file, change it there",
            field="id",
        )


def _endpoint_view(store: Store, each: Endpoint, *, secret: str | None = None) -> EndpointView:
    delivered, failed = store.rows("notify_counts", endpoint=each.id)[0]
    return EndpointView(
        id=each.id,
        name=each.name,
        url=redacted(each.url),
        format=each.format,
        state=each.state,
        created_at=each.created_at,
        delivered=delivered,
        failed=failed,
        secret=secret,
        events=list(each.events),
        channel=each.options.channel,
        template=each.options.template,
        sender=each.options.sender,
        recipients=list(each.options.recipients),
        username=each.options.username,
        signed=bool(each.secret),
        source=each.source,
    )


def _detail(store: Store, delivery_id: str) -> DeliveryDetail:
    records = store.records(
        "notify_deliveries", id=delivery_id, state=None, endpoint=None, incident=None, limit=1
    )
    if not records:
        raise Rejected(Rejection.NOT_FOUND, f"there is no delivery {delivery_id}", field="id")
    attempts = store.records("notify_attempts", delivery=delivery_id)
    return DeliveryDetail(**_delivery(records[0]), attempts=[_attempt(each) for each in attempts])


def _delivery(record: dict[str, Any]) -> dict[str, Any]:
    times = {key: aware(record[key]) for key in ("next_at", "created_at", "delivered_at")}
    return {
        **record,
        **times,
        "endpoint": record["endpoint"] or "(deleted)",
    }


def _attempt(record: dict[str, Any]) -> AttemptView:
    del record["delivery"]
    return AttemptView(
        **{
            **record,
            "started_at": aware(record["started_at"]),
            "request_headers": json.loads(record["request_headers"]),
            "response_headers": json.loads(record["response_headers"]),
        }
    )
