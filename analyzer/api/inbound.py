"""Outside events as others send them: our own shape, an Alertmanager webhook, what PagerDuty sends
or takes, any JSON object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from analyzer.api.times import parse_time
from analyzer.api.views.annotations import AnnotationIn
from analyzer.journal.annotations import Annotation
from collector.model import Rejected, Rejection

MAX_ALERTS = 200
_TITLES = ("title", "summary", "message", "text", "name", "event", "alertname")
_TIMES = ("at", "time", "timestamp", "startsAt", "started_at", "created_at")
_DETAILS = ("detail", "description", "body", "url", "link")
_KNOWN = frozenset(AnnotationIn.model_fields)


def read_annotations(body: object, *, now: datetime) -> list[Annotation]:
    """What the body says. Raises Rejected naming the field; unknown keys of others are ignored."""
    if not isinstance(body, Mapping):
        raise Rejected(Rejection.MALFORMED, "send one JSON object")
    if isinstance(body.get("alerts"), list):
        return list(_alerts(body, now))
    return [_recent(_one(body, now), now)]


def _one(body: Mapping[str, Any], now: datetime) -> Annotation:
    """By the keys that tell the shapes apart."""
    if set(body) <= _KNOWN:
        return _ours(body, now)
    if isinstance(body.get("event"), Mapping):
        return _pagerduty_webhook(body["event"], now)
    if isinstance(body.get("payload"), Mapping):
        return _pagerduty_event(body, body["payload"], now)
    return _generic(body, now)


def _ours(body: Mapping[str, Any], now: datetime) -> Annotation:
    try:
        given = AnnotationIn.model_validate(body)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        missing = first["type"] == "missing"
        reason = Rejection.MISSING_FIELD if missing else Rejection.INVALID_FIELD
        raise Rejected(reason, f"{field}: {first['msg']}", field=field) from wrong
    if given.at is not None and given.at.tzinfo is None:
        raise Rejected(Rejection.INVALID_FIELD, "at: write the time zone, such as Z", field="at")
    if not given.title.strip():
        raise Rejected(Rejection.MISSING_FIELD, "title: say what happened", field="title")
    return Annotation(given.at or now, given.title, given.detail, given.resource, given.tenant)


def _generic(body: Mapping[str, Any], now: datetime) -> Annotation:
    title = _text(body, _TITLES)
    if not title:
        wanted = ", ".join(_TITLES)
        raise Rejected(Rejection.MISSING_FIELD, f"title: none of {wanted} is there", field="title")
    when = _text(body, _TIMES)
    return Annotation(
        at=parse_time(when, now=now, field="at") if when else now,
        title=title,
        detail=_text(body, _DETAILS),
        resource=_text(body, ("resource",)) or None,
        tenant=_text(body, ("tenant",)) or None,
    )


def _pagerduty_webhook(event: Mapping[str, Any], now: datetime) -> Annotation:
    """Webhooks v3: `{"event": {"event_type", "occurred_at", "data": {"title", "service"}}}`."""
    data = _object(event, "data")
    title = _text(data, ("title", "summary", "name")) or _text(
        _object(data, "incident"), ("summary",)
    )
    what = _text(event, ("event_type",)).removeprefix("incident.")
    if not title:
        raise Rejected(Rejection.MISSING_FIELD, "event.data.title: is missing", field="title")
    about = _text(_object(data, "service"), ("summary",))
    return Annotation(
        at=_moment(event, "occurred_at", now),
        title=f"{title} {what}".strip(),
        detail=" ".join(filter(None, (about, _text(data, ("html_url",))))),
        source="pagerduty",
    )


def _pagerduty_event(
    body: Mapping[str, Any], payload: Mapping[str, Any], now: datetime
) -> Annotation:
    """Events v2, alerts and changes: what one would send to PagerDuty can be sent here."""
    title = _text(payload, ("summary",))
    if not title:
        raise Rejected(Rejection.MISSING_FIELD, "payload.summary: is missing", field="title")
    details = _object(payload, "custom_details")
    source = _text(payload, ("source",))
    return Annotation(
        at=_moment(payload, "timestamp", now),
        title=f"{title} {_text(body, ('event_action',))}".strip(),
        detail=source,
        resource=_text(details, ("resource",)) or None,
        tenant=_text(details, ("tenant",)) or None,
        source="pagerduty",
    )


def _alerts(body: Mapping[str, Any], now: datetime) -> Iterator[Annotation]:
    """Alertmanager v4: one annotation per alert and status; a broken alert does not sink others."""
    alerts = [alert for alert in body["alerts"][:MAX_ALERTS] if isinstance(alert, Mapping)]
    if not alerts:
        raise Rejected(Rejection.MISSING_FIELD, "alerts: no alert in it", field="alerts")
    for alert in alerts:
        labels, notes = _object(alert, "labels"), _object(alert, "annotations")
        over = alert.get("status") == "resolved"
        name = _text(labels, ("alertname",)) or "alert"
        yield _recent(
            Annotation(
                at=_moment(alert, "endsAt" if over else "startsAt", now),
                title=f"{name} {'resolved' if over else 'firing'}",
                detail=_text(notes, ("summary", "description", "message")),
                resource=_text(labels, ("resource",)) or None,
                tenant=_text(labels, ("tenant",)) or None,
                source="alertmanager",
            ),
            now,
        )


def _moment(alert: Mapping[str, Any], key: str, now: datetime) -> datetime:
    """The alert's time; now when it has none (0001-01-01 means no end) or it cannot be read."""
    try:
        at = parse_time(str(alert.get(key, "")), now=now, field=key)
    except Rejected:
        return now
    return now if at.year < 1970 else at


def _recent(annotation: Annotation, now: datetime) -> Annotation:
    if annotation.at > now + timedelta(days=1):
        raise Rejected(Rejection.TOO_NEW, "at: lies more than a day ahead", field="at")
    if annotation.at < now - timedelta(days=400):
        raise Rejected(Rejection.TOO_OLD, "at: lies more than 400 days back", field="at")
    return annotation


def _text(body: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = body.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return ""


def _object(alert: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = alert.get(key)
    return value if isinstance(value, Mapping) else {}
