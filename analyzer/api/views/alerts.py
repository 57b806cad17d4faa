"""Endpoints, deliveries and silences elsewhere."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from analyzer.api.views.base import View


class EndpointIn(BaseModel):
    """`POST /api/v1/endpoints`. The secret is made by us and shown once."""

    model_config = ConfigDict(extra="forbid")
    name: str
    url: str
    format: str = "alertmanager"
    routing_key: str = ""  # PagerDuty's integration key
    events: list[str] = []  # patterns such as incident.*; empty is all
    token: str = ""  # Slack's bot token, or the password of a mail server; never shown again
    channel: str = ""  # Slack's channel, with a bot token
    template: str = ""  # of the body of json
    sender: str = ""  # of a mail
    recipients: list[str] = []  # of a mail
    username: str = ""  # at the mail server
    replicas: list[str] = []  # the other members of an Alertmanager cluster


class EndpointChange(BaseModel):
    """`PATCH /api/v1/endpoints/{id}`: what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = None
    url: str | None = None
    format: str | None = None
    routing_key: str | None = None
    events: tuple[str, ...] | None = None
    token: str | None = None
    channel: str | None = None
    template: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] | None = None
    username: str | None = None


class EndpointView(View):
    id: str
    name: str
    url: str  # redacted to scheme and host
    format: str
    events: list[str] = Field(default_factory=list)
    channel: str = ""
    template: str = ""
    sender: str = ""
    recipients: list[str] = Field(default_factory=list)
    username: str = ""
    signed: bool = False
    source: str = "api"  # config: it stands in the configuration file
    state: str  # ok | failing | disabled
    created_at: datetime
    delivered: int
    failed: int
    secret: str | None = None  # only in the answer that creates it


class DeliveryView(View):
    id: str
    event_id: str
    event_type: str
    incident: str | None
    endpoint: str
    state: str
    attempt: int
    next_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None
    status: int | None
    ms: float | None
    error: str
    reason: str = ""  # why it is sent, or was skipped: analyzer/routing/judge.py


class AttemptView(View):
    """One try of a delivery, as it went over the wire; secrets are left out."""

    n: int
    started_at: datetime
    ms: float | None
    status: int | None
    error: str
    request_headers: dict[str, str]
    request_body: str
    response_headers: dict[str, str]
    response_body: str


class DeliveryDetail(DeliveryView):
    attempts: list[AttemptView]


class Replayed(View):
    """How many deliveries were queued again."""

    replayed: int


class SilenceElsewhere(View):
    """A silence over the incident in an Alertmanager that we feed."""

    where: str  # our endpoint
    silence: str
    until: datetime
    author: str
    comment: str
    url: str


class PreviewView(View):
    """What an endpoint would be sent; nothing is."""

    event_type: str
    url: str  # redacted to scheme and host
    content_type: str
    body: str
    size: int
    error: str  # what is wrong with the template: the body is the default one then
