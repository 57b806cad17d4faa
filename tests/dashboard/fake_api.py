"""The analyzer's API with a made-up story behind it: the same views, no store.

Run it to look at pages: `python -m tests.dashboard.fake_api --variant story --port 8602`.
Variants: story, large (10,000 tenants), calm, empty, slow, error, partly, down.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

import uvicorn
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from analyzer.accounts.account import Account
from analyzer.api.views.alerts import (
    DeliveryDetail,
    DeliveryView,
    EndpointIn,
    EndpointView,
    Replayed,
)
from analyzer.api.views.base import Problem
from analyzer.api.views.cost import CostPage, CostTree
from analyzer.api.views.decisions import DecisionView
from analyzer.api.views.incidents import IncidentDetail, IncidentSummary
from analyzer.api.views.placement import PlanView
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
from analyzer.api.views.routing import (
    MaintenanceIn,
    MaintenanceView,
    RehearsalIn,
    RehearsalView,
    ReplayIn,
    RouteIn,
    RouteView,
    SilenceIn,
    SilenceView,
)
from analyzer.api.views.status import Health
from analyzer.api.views.tenants import TenantDetail, TenantPage, TenantSummary
from tests.dashboard import story, story_alerts, story_incident, story_money
from tests.dashboard.story import Story

VARIANTS = ("story", "large", "calm", "empty", "slow", "error", "partly", "down")


@dataclass(eq=False)
class FakeApi:
    """`posts` remembers what was asked of us."""

    variant: str = "story"
    clock: Callable[[], datetime] = field(
        default=lambda: datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
    )
    delay_s: float = 8.0
    posts: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    version: int = 1

    def tell(self, variant: str) -> None:
        self.variant = variant
        self.version += 1

    def story(self) -> Story:
        size = {"large": 10_000, "empty": 0}.get(self.variant, 200)
        calm = self.variant in {"calm", "empty"}
        return Story(now=self.clock(), tenants=size, calm=calm, version=self.version)

    @lru_cache(maxsize=4)  # noqa: B019  one fake lives as long as its test
    def rows(self, variant: str, version: int) -> list[TenantSummary]:
        """All tenants of the story, made once a version: ten thousand models take a second."""
        s = self.story()
        return [story.tenant(s, k) for k in range(s.tenants)]

    def app(self) -> FastAPI:
        app = FastAPI()
        app.middleware("http")(self._mood)
        for register in (_overview, _tenants, _incidents, _money, _rest, _routing, _rules):
            register(app, self)
        return app

    async def _mood(self, request: Request, call_next) -> Response:
        path = request.url.path
        if self.variant == "slow" and not path.endswith("/status"):
            await asyncio.sleep(self.delay_s)
        broken = {
            "error": not path.endswith("/status"),
            "partly": path.endswith("/heatmap"),
            "down": True,
        }
        if broken.get(self.variant):
            problem = Problem(
                type="about:blank",
                title="Unavailable",
                status=503,
                id="unavailable",
                detail="The store is busy.",
                remedy="Try again in a minute.",
            )
            return JSONResponse(problem.model_dump(), 503)
        answer: Response = await call_next(request)
        return answer


def _overview(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/api/v1/status")
    async def status() -> Health:
        return story.health(fake.story())

    @app.get("/api/v1/heatmap")
    async def heatmap(limit: int = 40) -> Heatmap:
        return story.heatmap(fake.story(), limit)

    @app.get("/api/v1/density")
    async def density() -> list[DensityRow]:
        return story.density(fake.story())

    @app.get("/api/v1/costs")
    async def costs(week: str = "") -> CostPage:
        return story.costs(fake.story())


def _tenants(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/api/v1/tenants")
    async def tenants(
        search: str = "",
        sort: str = "noise",
        order: str = "desc",
        state: str = "",
        limit: int = 100,
        cursor: str = "",
    ) -> TenantPage:
        rows = [row for row in fake.rows(fake.variant, fake.version) if search in row.id]
        rows = [row for row in rows if not state or row.state == state]
        rows.sort(key=lambda row: (getattr(row, sort) is None, getattr(row, sort) or 0))
        if order == "desc":
            rows.reverse()
        start = int(cursor or 0)
        more = start + limit < len(rows)
        return TenantPage(
            items=rows[start : start + limit],
            total=len(rows),
            next=str(start + limit) if more else None,
        )

    @app.get("/api/v1/tenants/{name}")
    async def tenant(name: str) -> TenantDetail:
        s = fake.story()
        if name not in s.names:
            raise HTTPException(404)
        return story_incident.tenant_detail(s, s.names.index(name))


def _incidents(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/api/v1/incidents")
    async def incidents(
        state: Annotated[list[str] | None, Query()] = None, kind: str = "", limit: int = 100
    ) -> list[IncidentSummary]:
        s = fake.story()
        if not s.tenants:
            return []
        rows = [story.incident_summary(s, number) for number in range(42, 30, -1)]
        rows = [r for r in rows if not (s.calm and r.state == "firing")]
        return [r for r in rows if (not state or r.state in state) and kind in {"", r.kind}][:limit]

    @app.get("/api/v1/precision")
    async def precision() -> PrecisionView:
        return story_incident.precision(fake.story())

    @app.get("/api/v1/incidents/{name}")
    async def incident(name: str) -> IncidentDetail:
        if name != story.INCIDENT:
            raise HTTPException(404)
        return story_incident.incident(fake.story())

    @app.post("/api/v1/{kind}/{name}/{verb}")
    async def act(
        kind: str, name: str, verb: str, body: dict[str, str] | None = None
    ) -> dict[str, str]:
        fake.posts.append((f"{kind}/{name}/{verb}", body or {}))
        fake.version += 1
        return {}


def _money(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/api/v1/density/hours")
    async def hours(resource: str) -> HoursOfWeek:
        return story_money.hours(fake.story(), resource)

    @app.get("/api/v1/density/together")
    async def together() -> LoadsTogether:
        return story_money.together(fake.story())

    @app.get("/api/v1/density/weeks")
    async def weeks() -> list[ResourceWeekView]:
        return story_money.weeks(fake.story())

    @app.get("/api/v1/costs/tree")
    async def tree() -> CostTree:
        return story_money.tree(fake.story())

    @app.get("/api/v1/placement/what-if")
    async def what_if(tenant: str, source: str, target: str) -> Response:
        if tenant in fake.story().names:
            return JSONResponse(story_money.what_if(tenant, source, target).model_dump())
        problem = Problem(
            type="about:blank",
            title="Not found",
            status=404,
            id="not_found",
            detail=f"{tenant!r} did nothing on {source!r}",
        )
        return JSONResponse(problem.model_dump(), 404)

    @app.get("/api/v1/placement/plan")
    async def plan() -> PlanView:
        return story_money.plan(fake.story())

    @app.get("/api/v1/reports/{week}/accounts/{tenant}")
    async def account(week: str, tenant: str) -> Account:
        return story_money.account(fake.story(), week, tenant)


def _rest(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/api/v1/resources")
    async def resources() -> list[ResourceView]:
        return story.resources(fake.story())

    @app.get("/api/v1/endpoints")
    async def endpoints() -> list[EndpointView]:
        return story_incident.endpoints(fake.story())

    @app.post("/api/v1/endpoints", status_code=201)
    async def create(body: EndpointIn) -> Response:
        if body.name == "chat":
            problem = Problem(
                type="about:blank",
                title="Conflict",
                status=409,
                id="conflict",
                detail="chat exists already.",
                remedy="Choose another name.",
            )
            return JSONResponse(problem.model_dump(), 409)
        sent = {"name": body.name, "url": body.url, "format": body.format}
        fake.posts.append(("endpoints", sent))
        made = story_incident.endpoints(fake.story())[0]
        made = made.model_copy(update={"name": body.name, "secret": "whsec_c2hvd24gb25jZQ=="})
        return JSONResponse(made.model_dump(mode="json"), 201)

    @app.get("/api/v1/deliveries")
    async def deliveries(limit: int = 200, state: str = "") -> list[DeliveryView]:
        rows = story_incident.deliveries(fake.story())
        return [row for row in rows if state in {"", row.state}][:limit]

    @app.get("/api/v1/reports")
    async def reports() -> list[ReportView]:
        return story_incident.reports(fake.story())

    @app.get("/api/v1/reports/{week}")
    async def report(
        week: str, format_: Annotated[str, Query(alias="format")] = "html"
    ) -> Response:
        return Response(
            f"<h1>{week}</h1>", media_type="text/html" if format_ == "html" else "text/csv"
        )

    @app.get("/api/v1/decisions")
    async def decisions() -> list[DecisionView]:
        s = fake.story()
        return [story_incident.decision(s)] if s.tenants else []

    class Mood(BaseModel):
        variant: str

    @app.post("/fake")
    async def tell(mood: Mood) -> dict[str, int]:
        fake.tell(mood.variant)
        return {"version": fake.version}


def _routing(app: FastAPI, fake: FakeApi) -> None:
    @app.get("/api/v1/deliveries/{delivery}")
    async def delivery(delivery: str) -> DeliveryDetail:
        return story_alerts.delivery(fake.story(), delivery)

    @app.post("/api/v1/endpoints/{endpoint}/test")
    async def fire(endpoint: str, request: Request) -> DeliveryDetail:
        body = await request.body()
        fake.posts.append((f"endpoints/{endpoint}/test", json.loads(body) if body else {}))
        return story_alerts.delivery(fake.story(), "dl-0")

    @app.get("/api/v1/routes")
    async def routes() -> list[RouteView]:
        return story_alerts.routes(fake.story())

    @app.post("/api/v1/routes/backtest")
    async def backtest(body: RehearsalIn) -> RehearsalView:
        return story_alerts.rehearsal(fake.story(), body)

    @app.get("/api/v1/silences")
    async def silences() -> list[SilenceView]:
        return story_alerts.silences(fake.story())

    @app.post("/api/v1/silences", status_code=201)
    async def silence(body: SilenceIn) -> SilenceView:
        fake.posts.append(("silences", {"match": body.match[0], "author": body.author}))
        return story_alerts.silences(fake.story())[0]

    @app.get("/api/v1/maintenance")
    async def maintenance() -> list[MaintenanceView]:
        return story_alerts.windows(fake.story())


def _rules(app: FastAPI, fake: FakeApi) -> None:
    @app.post("/api/v1/routes", status_code=201)
    async def add_route(body: RouteIn) -> RouteView:
        fake.posts.append(("routes", {"name": body.name, "to": ",".join(body.to)}))
        made = story_alerts.routes(fake.story())[0]
        return made.model_copy(update={"name": body.name, "unknown": []})

    @app.post("/api/v1/maintenance", status_code=201)
    async def plan(body: MaintenanceIn) -> MaintenanceView:
        fake.posts.append(("maintenance", {"name": body.name, "days": ",".join(body.days)}))
        return story_alerts.windows(fake.story())[0].model_copy(update={"name": body.name})

    @app.delete("/api/v1/{kind}/{name}", status_code=204)
    async def remove(kind: str, name: str) -> None:
        fake.posts.append((f"remove {kind}/{name}", {}))

    @app.post("/api/v1/deliveries/replay", status_code=202)
    async def replay(body: ReplayIn) -> Replayed:
        fake.posts.append(("deliveries/replay", {"ids": ",".join(body.ids)}))
        return Replayed(replayed=len(body.ids))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="story", choices=VARIANTS)
    parser.add_argument("--port", type=int, default=8602)
    told = parser.parse_args()
    uvicorn.run(FakeApi(told.variant).app(), port=told.port, log_level="warning")


if __name__ == "__main__":
    main()
