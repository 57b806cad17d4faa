"""The only way to data: the analyzer's public API, parsed into its public views."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import httpx
from prometheus_client import CollectorRegistry, Counter
from pydantic import TypeAdapter, ValidationError

from analyzer.accounts.account import Account
from analyzer.api.views.alerts import DeliveryDetail, DeliveryView, EndpointView, Replayed
from analyzer.api.views.base import Problem
from analyzer.api.views.cost import CostPage, CostTree
from analyzer.api.views.decisions import DecisionView
from analyzer.api.views.incidents import IncidentDetail, IncidentSummary
from analyzer.api.views.placement import PlanView, WhatIfView
from analyzer.api.views.precision import PrecisionView
from analyzer.api.views.reports import ReportView
from analyzer.api.views.resources import (
    DensityRow,
    Heatmap,
    HoursOfWeek,
    LoadsTogether,
    ResourceView,
    ResourceWeekView,
)
from analyzer.api.views.routing import MaintenanceView, RehearsalView, RouteView, SilenceView
from analyzer.api.views.status import Health
from analyzer.api.views.tenants import TenantDetail, TenantPage
from dashboard.config import DashboardSettings

Answer = TypeVar("Answer")
Value = str | int | Sequence[str] | None
Params = tuple[tuple[str, str], ...]

KEPT = 256
DOWNLOAD_S = 120.0


class Trouble(StrEnum):
    """Why there is no answer."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    BROKEN = "broken"
    MISSING = "missing"


class ClientError(Exception):
    """The analyzer did not answer as it should. `detail` is a sentence for the reader."""

    def __init__(
        self,
        trouble: Trouble,
        detail: str,
        request_id: str,
        remedy: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(f"{detail} (request {request_id})")
        self.trouble = trouble
        self.detail = detail
        self.request_id = request_id
        self.remedy = remedy
        self.status = status


@dataclass(frozen=True, slots=True)
class Download:
    """A file the analyzer made, passed through as it is."""

    content: bytes
    media_type: str


class Client:
    """Keeps the last answers of one data version, so a refresh without news asks nobody."""

    def __init__(
        self,
        settings: DashboardSettings,
        *,
        registry: CollectorRegistry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        self._http = httpx.AsyncClient(
            base_url=f"{settings.api.rstrip('/')}/api/v1",
            headers=headers,
            timeout=httpx.Timeout(settings.timeout_s, connect=min(2.0, settings.timeout_s)),
            transport=transport,
            trust_env=False,
        )
        self._kept: OrderedDict[tuple[str, Params], bytes] = OrderedDict()
        self._version: int | None = None
        self._answers = Counter(
            "partywall_dashboard_api_answers_total",
            "Questions to the analyzer by outcome; `kept` needed no request.",
            ["outcome"],
            registry=registry or CollectorRegistry(),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def health(self) -> Health:
        """Never kept: it carries the data version that empties the shelf."""
        found = self._parse(HEALTH, (await self._send("GET", "/status")).content, "/status")
        if found.data_version != self._version:
            self._kept.clear()
            self._version = found.data_version
        return found

    def forget(self) -> None:
        """The reader wants fresh answers."""
        self._kept.clear()

    async def get(self, adapter: TypeAdapter[Answer], path: str, **query: Value) -> Answer:
        """Ask and parse. `from_` stands for `from`; None and empty values are left out, a list
        asks for any of its values.
        """
        key = (path, _params(query))
        body = self._kept.get(key)
        if body is None:
            body = (await self._send("GET", path, params=key[1])).content
            self._keep(key, body)
        else:
            self._answers.labels("kept").inc()
        return self._parse(adapter, body, path)

    async def post(self, path: str, body: Mapping[str, str]) -> None:
        """A wish of the reader. Whatever it changes, all kept answers may be old now."""
        await self._send("POST", path, json=dict(body) or None)
        self._kept.clear()

    async def remove(self, path: str) -> None:
        """Take something away for good."""
        await self._send("DELETE", path)
        self._kept.clear()

    async def create(
        self, adapter: TypeAdapter[Answer], path: str, body: Mapping[str, object]
    ) -> Answer:
        """Like `post`, for what is answered with the thing made. The answer is never kept."""
        made = await self._send("POST", path, json=dict(body))
        self._kept.clear()
        return self._parse(adapter, made.content, path)

    async def download(self, path: str, params: Mapping[str, str]) -> Download:
        # A report of thousands of tenants takes longer to draw than a panel may take to fill.
        response = await self._send("GET", path, params=tuple(params.items()), within=DOWNLOAD_S)
        return Download(response.content, response.headers.get("content-type", "text/plain"))

    def _keep(self, key: tuple[str, Params], body: bytes) -> None:
        self._kept[key] = body
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        json: Mapping[str, object] | None = None,
        within: float | None = None,
    ) -> httpx.Response:
        request_id = secrets.token_hex(6)
        timeout = httpx.USE_CLIENT_DEFAULT if within is None else httpx.Timeout(within, connect=2.0)
        try:
            response = await self._http.request(
                method,
                path,
                params=list(params) or None,
                json=json,
                headers={"X-Request-Id": request_id},
                timeout=timeout,
            )
        except httpx.TimeoutException:
            raise self._failed(Trouble.TIMEOUT, "The analyzer took too long.", request_id) from None
        except httpx.HTTPError:
            raise self._failed(
                Trouble.UNREACHABLE,
                "The analyzer does not answer.",
                request_id,
                remedy="Check that `partywall analyze` runs and that dashboard.api points to it.",
            ) from None
        if response.is_success:
            self._answers.labels("ok").inc()
            return response
        raise self._problem(response, request_id)

    def _problem(self, response: httpx.Response, request_id: str) -> ClientError:
        try:
            problem = Problem.model_validate_json(response.content)
            detail, remedy = problem.detail or problem.title, problem.remedy
        except ValidationError:
            detail, remedy = f"The analyzer answered {response.status_code}.", ""
        trouble = Trouble.MISSING if response.status_code == 404 else Trouble.REFUSED
        request_id = response.headers.get("x-request-id", request_id)
        return self._failed(trouble, detail, request_id, remedy=remedy, status=response.status_code)

    def _failed(
        self,
        trouble: Trouble,
        detail: str,
        request_id: str,
        *,
        remedy: str = "",
        status: int | None = None,
    ) -> ClientError:
        self._answers.labels(trouble.value).inc()
        return ClientError(trouble, detail, request_id, remedy, status)

    def _parse(self, adapter: TypeAdapter[Answer], body: bytes, path: str) -> Answer:
        try:
            return adapter.validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise self._failed(
                Trouble.BROKEN,
                f"The answer to {path} is not understood: {place}: {first['msg']}.",
                "-",
                remedy="Run the dashboard and the analyzer in the same version.",
            ) from None


def _params(query: Mapping[str, Value]) -> Params:
    """In one order, so that equal questions are one question."""
    found: list[tuple[str, str]] = []
    for key, value in sorted(query.items()):
        many = [value] if value is None or isinstance(value, str | int) else value
        found += [(key.rstrip("_"), str(one)) for one in many if one not in (None, "")]
    return tuple(found)


HEALTH = TypeAdapter(Health)
HEATMAP = TypeAdapter(Heatmap)
DENSITY = TypeAdapter(list[DensityRow])
INCIDENTS = TypeAdapter(list[IncidentSummary])
INCIDENT = TypeAdapter(IncidentDetail)
PRECISION = TypeAdapter(PrecisionView)
TENANTS = TypeAdapter(TenantPage)
TENANT = TypeAdapter(TenantDetail)
RESOURCES = TypeAdapter(list[ResourceView])
COSTS = TypeAdapter(CostPage)
HOURS = TypeAdapter(HoursOfWeek)
TOGETHER = TypeAdapter(LoadsTogether)
WEEKS = TypeAdapter(list[ResourceWeekView])
TREE = TypeAdapter(CostTree)
PLAN = TypeAdapter(PlanView)
WHAT_IF = TypeAdapter(WhatIfView)
ACCOUNT = TypeAdapter(Account)
REPORTS = TypeAdapter(list[ReportView])
ENDPOINT = TypeAdapter(EndpointView)
ENDPOINTS = TypeAdapter(list[EndpointView])
DELIVERIES = TypeAdapter(list[DeliveryView])
DELIVERY = TypeAdapter(DeliveryDetail)
ROUTES = TypeAdapter(list[RouteView])
REPLAYED = TypeAdapter(Replayed)
ROUTE = TypeAdapter(RouteView)
WINDOW = TypeAdapter(MaintenanceView)
REHEARSAL = TypeAdapter(RehearsalView)
SILENCE = TypeAdapter(SilenceView)
SILENCES = TypeAdapter(list[SilenceView])
WINDOWS = TypeAdapter(list[MaintenanceView])
DECISIONS = TypeAdapter(list[DecisionView])
