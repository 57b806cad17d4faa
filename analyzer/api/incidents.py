"""Incidents: what is open, the evidence, and what people say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from analyzer.accounts.known import HARM_WEIGHT, incident_losses
from analyzer.api.decisions import By, decision_view
from analyzer.api.evidence import Clock, bands
from analyzer.api.times import parse_range
from analyzer.api.views.alerts import SilenceElsewhere
from analyzer.api.views.annotations import AnnotationView
from analyzer.api.views.incidents import (
    BlameView,
    CheckView,
    HarmView,
    IncidentDetail,
    IncidentSummary,
    LinkView,
    RivalView,
    TimelineEntry,
)
from analyzer.cost.settings import CostSettings
from analyzer.incidents.explain import explain
from analyzer.journal import records, transitions
from analyzer.journal.annotations import Annotation, list_annotations
from analyzer.journal.records import DecisionFilter, Entry, IncidentFilter
from analyzer.model import (
    Blame,
    Check,
    Harm,
    Incident,
    IncidentId,
    IncidentState,
    Kind,
    Signal,
)
from analyzer.notify.event import Links
from analyzer.notify.history import muted_now
from analyzer.notify.outside import outside_silences
from analyzer.notify.sentence import about
from analyzer.store.database import Store
from collector.model import Rejected, Rejection, ResourceId, TenantId


class Label(By):
    """A person's verdict."""

    label: Literal["confirmed", "false_alarm"]
    note: str = Field(default="", max_length=2000)


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry knows of tenants and the incident's resource."""

    plans: Mapping[str, str]
    slos_ms: Mapping[str, float]
    capacity: float | None


def asked(
    clock: Callable[[], datetime],
) -> Callable[..., IncidentFilter]:
    """Reads the query of `GET /incidents` into a filter."""

    def read(
        state: Annotated[list[IncidentState] | None, Query()] = None,
        kind: Kind | None = None,
        resource: str | None = None,
        tenant: str | None = None,
        since: Annotated[str | None, Query(alias="from")] = None,
        until: Annotated[str | None, Query(alias="to")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        *,
        parts: Annotated[bool, Query(description="Those told by another incident, too.")] = False,
    ) -> IncidentFilter:
        bounded = since or until
        start, end = (
            parse_range(since, until, now=clock(), default=timedelta(days=7))
            if bounded
            else (None, None)
        )
        return IncidentFilter(
            states=tuple(state) if state else None,
            kind=kind,
            resource=ResourceId(resource) if resource else None,
            tenant=TenantId(tenant) if tenant else None,
            since=start,
            until=end,
            limit=limit,
            parts=parts,
        )

    return read


def router(
    store: Store,
    clock: Callable[[], datetime],
    links: Links,
    touched: Callable[[], None],
    settings: CostSettings | None = None,
) -> APIRouter:
    """`/incidents`. `touched` is called after each change; `settings` say what time is worth."""
    routes = APIRouter(tags=["incidents"])
    reads = asked(clock)

    @routes.get("/incidents")
    def list_incidents(
        which: IncidentFilter = Depends(reads),
    ) -> list[IncidentSummary]:
        found = records.incidents(store, which)
        with store.reader() as reader:
            hushed = muted_now(reader, found, now=clock())
        return [summary(incident, hushed.get(incident.id)) for incident in found]

    @routes.get("/incidents/{incident}")
    def get_incident(incident: str) -> IncidentDetail:
        return detail(store, _found(store, incident), now=clock(), settings=settings)

    @routes.post("/incidents/{incident}/acknowledge")
    def acknowledge(incident: str, body: By) -> IncidentSummary:
        changed = transitions.acknowledge(
            store, IncidentId(incident), by=body.by, now=clock(), links=links
        )
        touched()
        return summary(changed)

    @routes.post("/incidents/{incident}/label")
    def label(incident: str, body: Label) -> IncidentSummary:
        changed = transitions.label(
            store,
            IncidentId(incident),
            body.label,
            by=body.by,
            now=clock(),
            note=body.note,
            links=links,
        )
        touched()
        return summary(changed)

    return routes


def _found(store: Store, incident: str) -> Incident:
    found = records.incident(store, IncidentId(incident))
    if found is None:
        raise Rejected(Rejection.NOT_FOUND, f"there is no incident {incident}", field="id")
    return found


def summary(incident: Incident, muted: str | None = None) -> IncidentSummary:
    """One row of a list. `muted`: why nobody is told of it now."""
    return IncidentSummary(
        id=incident.id,
        resource=incident.resource,
        kind=incident.kind.value,
        state=incident.state.value,
        severity=incident.severity,
        sentence=about(incident),
        aggressors=[blame.tenant for blame in incident.finding.aggressors],
        victims=len(incident.finding.victims),
        confidence=incident.finding.confidence,
        started_at=incident.started_at,
        detected_at=incident.detected_at,
        ended_at=incident.ended_at,
        acknowledged_by=incident.acknowledged_by,
        label=incident.label,
        part_of=incident.part_of,
        muted=muted,
    )


def detail(
    store: Store, incident: Incident, *, now: datetime, settings: CostSettings | None = None
) -> IncidentDetail:
    """The whole page: evidence, bands, timeline, sentences, decisions, what it cost whom."""
    worth = _worth(store, incident, now, settings)
    told = {tenant: _money(cost, settings) for tenant, cost in worth.items()}
    whole = _money(sum(worth.values(), Decimal()), settings) if worth else None
    finding = incident.finding
    known = _known(store, incident)
    decisions = records.decisions(store, DecisionFilter(incident=incident.id))
    with store.reader() as reader:
        hushed = muted_now(reader, [incident], now=now)
    drawn = bands(store, incident, capacity=known.capacity, now=now)
    notes = _outside(store, incident, drawn.clock)
    return IncidentDetail(
        **summary(incident, hushed.get(incident.id)).model_dump(),
        blames=[_blame(blame, known) for blame in finding.aggressors],
        harms=[_harm(harm, known, told.get(harm.tenant)) for harm in finding.victims],
        rivals=[
            RivalView(tenant=r.tenant, score=r.score, why_not=r.why_not) for r in finding.rivals
        ],
        checks=[_check(check) for check in finding.checks],
        caveats=list(finding.caveats),
        stretch=finding.stretch,
        stretch_without=finding.stretch_without,
        relief_curve=list(finding.relief_curve),
        recovers=finding.recovers,
        utilisation=finding.utilisation,
        cost=whole,
        currency=settings.currency if settings and worth else None,
        clock=drawn.clock.starts,
        window_s=drawn.clock.step_s,
        aggressor_bands=drawn.aggressor,
        victim_bands=drawn.victims,
        resource_bands=drawn.resource,
        timeline=_story(records.timeline(store, incident.id), notes),
        explanation=list(explain(incident)),
        decisions=[decision_view(decision) for decision in decisions],
        chain=[LinkView.model_validate(link, from_attributes=True) for link in incident.chain],
        annotations=[AnnotationView.model_validate(n, from_attributes=True) for n in notes],
        silenced_elsewhere=[
            SilenceElsewhere.model_validate(each, from_attributes=True)
            for each in outside_silences(store, incident.id, now=now)
        ],
    )


def _outside(store: Store, incident: Incident, clock: Clock) -> list[Annotation]:
    """What others told us of while it lasted: of its resource, of its tenants, or of everything."""
    found = list_annotations(
        store, since=clock.since, until=clock.until, resource=incident.resource, limit=100
    )
    involved = {blame.tenant for blame in incident.finding.aggressors}
    involved |= {harm.tenant for harm in incident.finding.victims}
    return [note for note in found[::-1] if note.tenant is None or note.tenant in involved]


def _story(entries: Sequence[Entry], notes: Sequence[Annotation]) -> list[TimelineEntry]:
    """What we did and what others told us, on one timeline."""
    ours = [
        TimelineEntry(at=one.at, what=one.what, detail=_said(one.detail, one.by)) for one in entries
    ]
    theirs = [
        TimelineEntry(at=note.at, what=f"{note.source}: {note.title}", detail=note.detail)
        for note in notes
    ]
    return sorted([*ours, *theirs], key=lambda entry: entry.at)


def _said(detail: str, by: str) -> str:
    return f"{detail} ({by})" if by and by not in detail else detail


def _known(store: Store, incident: Incident) -> Known:
    names = {blame.tenant for blame in incident.finding.aggressors}
    names |= {harm.tenant for harm in incident.finding.victims}
    tenants = store.rows("api_tenants_named", names=sorted(names))
    capacity = store.rows("api_capacity", resource=incident.resource)
    return Known(
        plans={tenant: plan or "" for tenant, plan, _ in tenants},
        slos_ms={tenant: slo for tenant, _, slo in tenants if slo},
        capacity=capacity[0][0] if capacity else None,
    )


def _blame(blame: Blame, known: Known) -> BlameView:
    return BlameView(
        tenant=blame.tenant,
        plan=known.plans.get(blame.tenant, ""),
        contribution=blame.contribution,
        demand=blame.demand,
        expected=blame.expected,
        times_expected=blame.demand / blame.expected if blame.expected > 0 else 0.0,
        share=blame.share,
        checks=[_check(check) for check in blame.checks],
    )


def _worth(
    store: Store, incident: Incident, now: datetime, settings: CostSettings | None
) -> dict[str, Decimal]:
    """What it cost each victim so far, in the currency; empty when no minute is worth anything."""
    if settings is None:
        return {}
    with store.reader() as reader:
        found = incident_losses(reader, incident, now, settings, HARM_WEIGHT)
    return {loss.tenant: Decimal(loss.cost).scaleb(-settings.scale) for loss in found if loss.cost}


def _money(amount: Decimal, settings: CostSettings | None) -> str:
    return f"{amount:.{settings.precision if settings else 2}f}"


def _harm(harm: Harm, known: Known, cost: str | None) -> HarmView:
    slo_ms = known.slos_ms.get(harm.tenant)
    felt = harm.signal is Signal.LATENCY
    return HarmView(
        tenant=harm.tenant,
        plan=known.plans.get(harm.tenant, ""),
        signal=harm.signal.value,
        before_s=harm.before_s,
        during_s=harm.during_s,
        without_s=harm.without_s,
        cost=cost,
        past_slo=harm.during_s * 1000 > slo_ms if slo_ms is not None and felt else None,
    )


def _check(check: Check) -> CheckView:
    return CheckView(
        name=check.name,
        passed=check.passed,
        value=check.value,
        threshold=check.threshold,
        detail=check.detail,
    )
