"""Decisions and the policy made of them: propose, approve, hand to enforcers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from analyzer.api.views.decisions import DecisionView
from analyzer.decisions.lifecycle import Verb
from analyzer.journal import records, transitions
from analyzer.journal.records import DecisionFilter
from analyzer.model import Decision, DecisionId, DecisionState
from analyzer.notify.event import Links
from analyzer.policy.model import Policy, entries
from analyzer.policy.render import render
from analyzer.store.database import Store
from collector.model import Rejected, Rejection, ResourceId, TenantId


class By(BaseModel):
    """Who does it."""

    model_config = ConfigDict(extra="forbid")
    by: str = Field(min_length=1, max_length=100)


def router(
    store: Store, clock: Callable[[], datetime], links: Links, touched: Callable[[], None]
) -> APIRouter:
    """`/decisions` and `/policy`. `touched` is called after each change."""
    routes = APIRouter(tags=["decisions"])
    _decision_routes(routes, store, clock, links, touched)
    _policy_route(routes, store, clock, links, touched)
    return routes


def _decision_routes(
    routes: APIRouter,
    store: Store,
    clock: Callable[[], datetime],
    links: Links,
    touched: Callable[[], None],
) -> None:
    @routes.get("/decisions")
    def list_decisions(
        state: Annotated[list[DecisionState] | None, Query()] = None,
        tenant: str | None = None,
        resource: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[DecisionView]:
        which = DecisionFilter(
            states=tuple(state) if state else None,
            tenant=TenantId(tenant) if tenant else None,
            resource=ResourceId(resource) if resource else None,
            limit=limit,
        )
        return [decision_view(found) for found in records.decisions(store, which)]

    @routes.get("/decisions/{decision}")
    def get_decision(decision: str) -> DecisionView:
        found = records.decision(store, DecisionId(decision))
        if found is None:
            raise Rejected(Rejection.NOT_FOUND, f"there is no decision {decision}", field="id")
        return decision_view(found)

    @routes.post("/decisions/{decision}/{verb}")
    def change(decision: str, verb: Verb, body: By) -> DecisionView:
        changed = transitions.change_decision(
            store, DecisionId(decision), verb, by=body.by, now=clock(), links=links
        )
        touched()
        return decision_view(changed)


def _policy_route(
    routes: APIRouter,
    store: Store,
    clock: Callable[[], datetime],
    links: Links,
    touched: Callable[[], None],
) -> None:
    @routes.get("/policy", response_class=Response)
    def policy(
        request: Request,
        form: Annotated[str, Query(alias="format")] = "json",
        preview: Annotated[bool, Query()] = False,  # noqa: FBT002
    ) -> Response:
        """What enforcers obey. Who fetches an approved limit puts it in force (`active`); a person
        who only looks says `preview=true`."""
        now = clock()
        found = policy_at(store, now)
        media_type, text = render(found, form)
        if not preview:
            enforced = [DecisionId(e.decision) for e in found.entries if e.mode == "enforce"]
            if transitions.in_force(store, enforced, now=now, links=links):
                touched()
        etag = f'"{found.version}-{form}"'
        headers = {"ETag": etag, "Cache-Control": "max-age=5"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(text, media_type=media_type, headers=headers)


def policy_at(store: Store, now: datetime) -> Policy:
    """The policy in force; its version is a hash of its entries."""
    since = (now - timedelta(hours=1)).replace(tzinfo=None)
    rows = store.rows("policy_costs", since=since)
    costs = {(tenant, resource): cost for tenant, resource, cost in rows if cost}
    live = entries(records.open_decisions(store), costs=costs, now=now)
    digest = hashlib.sha256(repr(live).encode()).hexdigest()[:16]
    return Policy(version=digest, at=now, entries=live)


def decision_view(decision: Decision) -> DecisionView:
    """A decision as the API shows it."""
    return DecisionView(
        id=decision.id,
        action=decision.action.value,
        state=decision.state.value,
        tenant=decision.tenant,
        resource=decision.resource,
        incident=decision.incident,
        reason=decision.reason,
        created_at=decision.created_at,
        expires_at=decision.expires_at,
        limit=decision.limit,
        limit_low=decision.limit_low,
        limit_high=decision.limit_high,
        limit_unit=decision.limit_unit,
        target=decision.target,
        mode=decision.mode,
        decided_by=decision.decided_by,
        evidence=list(decision.evidence),
        outcome=decision.outcome,
    )
