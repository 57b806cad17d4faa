"""The bodies we send, as a contract: JSON Schema for every format of our own, and the `webhooks`
of the OpenAPI document.

Nothing is built from these models; the channels write plain objects. A test holds every body that
is rendered against its schema, and finds keys that the schema does not know.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic.json_schema import GenerateJsonSchema

from analyzer.decisions.lifecycle import TOLD
from analyzer.journal.transitions import SILENT
from analyzer.model import EventType, TransitionType

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class BlameObject(BaseModel):
    """A tenant held responsible."""

    tenant: str
    share: float | None = Field(description="Its part of the resource's load, 0 to 1.")
    contribution: float | None = Field(description="Its part of the relief, 0 to 1.")
    times_baseline: float | None = Field(description="Its load by what is expected of it.")


class HarmObject(BaseModel):
    """A tenant that suffers: in milliseconds, or as error ratios when `signal` is `errors`."""

    tenant: str
    signal: Literal["latency", "errors", "wait"]
    before_ms: float | None = None
    during_ms: float | None = None
    without_ms: float | None = None
    before_ratio: float | None = None
    during_ratio: float | None = None
    without_ratio: float | None = None


class VictimsObject(BaseModel):
    """`count` is the true number; `top` holds at most 20, the worst first."""

    count: int
    top: list[HarmObject] = Field(max_length=20)


class CounterfactualObject(BaseModel):
    """What the model says without the blamed excess."""

    stretch: float | None


class LimitObject(BaseModel):
    """The limit that would end the harm, with its range."""

    value: float | None
    low: float | None
    high: float | None
    unit: str


class LinksObject(BaseModel):
    """Where people look things up."""

    evidence: str
    resource: str
    aggressor: str | None


class LinkObject(BaseModel):
    """One resource a trouble reached."""

    incident: str
    resource: str
    kind: Literal["noisy_neighbour", "capacity", "degraded", "self_inflicted"]
    started_at: str
    ended_at: str | None
    victims: int


class IncidentObject(BaseModel):
    """An incident as far as a message holds it. Unknown numbers are null."""

    id: str
    url: str
    state: Literal["pending", "firing", "flapping", "resolved"]
    severity: str
    kind: Literal["noisy_neighbour", "capacity", "degraded", "self_inflicted"]
    resource: str
    started_at: str
    detected_at: str | None
    ended_at: str | None
    acknowledged_by: str | None
    aggressor: BlameObject | None
    aggressors: list[BlameObject]
    victims: VictimsObject
    confidence: float | None
    stretch: float | None = Field(description="How many times slower the victims are.")
    counterfactual: CounterfactualObject
    utilisation: float | None
    limit: LimitObject
    chain: list[LinkObject] = Field(
        description="The resources one trouble reached, cause first; empty when it is one alone."
    )
    caveats: list[str]
    links: LinksObject


class DecisionObject(BaseModel):
    """A decision."""

    id: str
    url: str
    action: Literal["throttle", "move", "promote", "demote"]
    state: Literal["proposed", "approved", "active", "verified", "withdrawn", "rejected", "expired"]
    tenant: str
    resource: str
    incident: str | None
    limit: float | None
    limit_unit: str
    target: str | None
    mode: str
    decided_by: str | None
    outcome: str
    created_at: str
    expires_at: str
    evidence: list[str]


class Envelope(BaseModel):
    """What every body of ours begins with."""

    type: str = Field(description="What happened; docs/reference/events.md lists all.")
    timestamp: str = Field(description="When it happened, RFC 3339 in UTC.")
    id: str = Field(pattern="^evt_", description="The same over retries and replays.")
    seq: int = Field(description="Counts the events of a lane from 1.")
    test: bool
    summary: str


class Subject(BaseModel):
    """What an event is about, as far as it has it."""

    incident: IncidentObject | None = None
    decision: DecisionObject | None = None
    facts: dict[str, str] | None = None


class AlertObject(BaseModel):
    """One alert, with the names of Alertmanager."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: str  # noqa: N815
    endsAt: str = Field(description="0001-01-01T00:00:00Z: no end yet.")  # noqa: N815
    generatorURL: str  # noqa: N815
    fingerprint: str = Field(pattern="^[0-9a-f]{16}$")


class AlertmanagerBody(Envelope, Subject):
    """Format `alertmanager`: version 4 of Alertmanager's webhook, and ours beside it."""

    version: Literal["4"]
    groupKey: str  # noqa: N815
    truncatedAlerts: int  # noqa: N815
    status: Literal["firing", "resolved"]
    receiver: str
    notification_reason: str
    groupLabels: dict[str, str]  # noqa: N815
    commonLabels: dict[str, str]  # noqa: N815
    commonAnnotations: dict[str, str]  # noqa: N815
    routeLabels: dict[str, str]  # noqa: N815
    externalURL: str  # noqa: N815
    alerts: list[AlertObject] = Field(min_length=1, max_length=1)


class Data(Subject):
    """The `data` of format `json`."""

    reason: str


class JsonBody(Envelope):
    """Format `json` without a template: the shape Standard Webhooks suggests."""

    url: str
    data: Data


class CloudData(Envelope, Subject):
    """The `data` of format `cloudevents`."""

    reason: str


class CloudEventBody(BaseModel):
    """Format `cloudevents`: CloudEvents 1.0, structured mode."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str = Field(pattern=r"^partywall\.")
    subject: str
    time: str
    datacontenttype: Literal["application/json"]
    data: CloudData


BODIES: dict[str, type[BaseModel]] = {
    "alertmanager": AlertmanagerBody,
    "cloudevents": CloudEventBody,
    "json": JsonBody,
}
"""Formats whose body is ours to define; the others are their receivers'."""


def schema(form: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a format's body. Raises KeyError on a format without one."""
    found = BODIES[form].model_json_schema(schema_generator=_Dialect)
    return {"$schema": DIALECT, "$id": f"partywall:webhook:{form}", **found}


class _Dialect(GenerateJsonSchema):
    schema_dialect = DIALECT


def event_types() -> list[str]:
    """Every type that is ever sent."""
    moves = [f"incident.{move.value}" for move in TransitionType if move not in SILENT]
    decided = [f"decision.{state.value}" for state in TOLD]
    return sorted({*moves, *decided, *(kind.value for kind in EventType)})


def install(app: FastAPI) -> None:
    """Document every event as a webhook of the OpenAPI document (3.1)."""

    def take(body: AlertmanagerBody | JsonBody | CloudEventBody) -> None:
        """Answer any 2xx within 15 seconds. `webhook-id`, `webhook-timestamp` and
        `webhook-signature` prove who sent it (Standard Webhooks 1.0.0)."""

    for kind in event_types():
        app.webhooks.post(kind, operation_id=f"on_{kind.replace('.', '_')}", tags=["webhooks"])(
            take
        )
