"""Routes, silences and their like: who is told of what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import APIRouter

from analyzer.api.times import parse_time
from analyzer.api.views.routing import (
    InhibitionIn,
    InhibitionView,
    MaintenanceIn,
    MaintenanceView,
    RehearsalIn,
    RehearsalView,
    RehearsedEndpoint,
    RehearsedIncident,
    RouteIn,
    RouteView,
    SilenceIn,
    SilenceView,
    StepView,
)
from analyzer.notify.endpoints import endpoints
from analyzer.notify.history import MuteView, rehearsed, silenced_by
from analyzer.notify.rules import (
    RuleKind,
    Written,
    add_rule,
    expire_silence,
    of,
    policy,
    remove_rule,
    written,
)
from analyzer.routing import Inhibition, Maintenance, Policy, Route, Silence, Step
from analyzer.routing.rehearsal import Judged, Rehearsal, Thresholds
from analyzer.routing.rules import named
from analyzer.store.database import Store
from analyzer.store.reader import Reader
from collector.model import Rejected, Rejection

Clock = Callable[[], datetime]
SHOWN = 100


def router(store: Store, clock: Clock, touched: Callable[[], None]) -> APIRouter:
    """All routes of this file. `touched` is called after each change."""
    routes = APIRouter(tags=["routing"])
    _route_routes(routes, store, clock, touched)
    _inhibition_routes(routes, store, clock)
    _silence_routes(routes, store, clock, touched)
    _maintenance_routes(routes, store, clock, touched)
    return routes


def _route_routes(
    routes: APIRouter, store: Store, clock: Clock, touched: Callable[[], None]
) -> None:
    @routes.get("/routes")
    def list_routes() -> list[RouteView]:
        """In the order they are asked; the default route stands last."""
        with store.reader() as reader:
            names = [each.name for each in endpoints(reader)]
            return [_route_view(each, way, names) for each, way in _ways(reader)]

    @routes.post("/routes", status_code=201)
    def create_route(given: RouteIn) -> RouteView:
        made = add_rule(store, _route(given), now=clock())
        touched()
        with store.reader() as reader:
            names = [each.name for each in endpoints(reader)]
        return _route_view(made, _route(given), names)

    @routes.delete("/routes/{route}", status_code=204)
    def delete_route(route: str) -> None:
        remove_rule(store, route, Route)
        touched()

    @routes.post("/routes/backtest")
    def backtest_routes(given: RehearsalIn) -> RehearsalView:
        """What the rules (and a route to try) would have told of the incidents on record."""
        now = clock()
        draft = _route(given.route) if given.route else None
        if draft and (problems := draft.problems()):
            raise Rejected(Rejection.INVALID_FIELD, "; ".join(problems), field="route")
        thresholds = Thresholds(given.min_confidence, given.min_stretch, given.min_victims)
        since = now - timedelta(days=given.days)
        with store.reader() as reader:
            rules = _with(policy(reader), draft)
            found = rehearsed(reader, rules, thresholds, since=since, until=now, now=now)
            names = {each.id: each.name for each in endpoints(reader)}
        return _rehearsal_view(found, names, draft, since, now)


def _inhibition_routes(routes: APIRouter, store: Store, clock: Clock) -> None:
    @routes.get("/inhibitions")
    def list_inhibitions() -> list[InhibitionView]:
        with store.reader() as reader:
            found = of(written(reader), Inhibition)
        return [_inhibition_view(e, e.rule) for e in found if isinstance(e.rule, Inhibition)]

    @routes.post("/inhibitions", status_code=201)
    def create_inhibition(given: InhibitionIn) -> InhibitionView:
        rule = Inhibition(tuple(given.source), tuple(given.target), tuple(given.equal))
        return _inhibition_view(add_rule(store, rule, now=clock()), rule)

    @routes.delete("/inhibitions/{inhibition}", status_code=204)
    def delete_inhibition(inhibition: str) -> None:
        remove_rule(store, inhibition, Inhibition)


def _silence_routes(
    routes: APIRouter, store: Store, clock: Clock, touched: Callable[[], None]
) -> None:
    @routes.get("/silences")
    def list_silences(state: str | None = None) -> list[SilenceView]:
        """`state`: pending, active or expired; the newest first."""
        now = clock()
        with store.reader() as reader:
            found = of(written(reader, RuleKind.SILENCE), Silence)
            mutes = silenced_by(reader, now=now)
        views = [_silence_view(e.rule, mutes, now) for e in found if isinstance(e.rule, Silence)]
        return [each for each in reversed(views) if state in (None, "", each.state)]

    @routes.post("/silences", status_code=201)
    def create_silence(given: SilenceIn) -> SilenceView:
        now = clock()
        wanted = Silence(
            id="",
            match=tuple(given.match),
            author=given.author,
            reason=given.reason,
            starts_at=parse_time(given.starts_at, now=now, field="starts_at"),
            ends_at=parse_time(given.ends_at, now=now, field="ends_at"),
        )
        made = add_rule(store, wanted, now=now)
        touched()
        return _one_silence(store, made, now)

    @routes.post("/silences/{silence}/expire")
    def expire(silence: str) -> SilenceView:
        """Ends it now; it stays in the list."""
        now = clock()
        over = expire_silence(store, silence, now=now)
        touched()
        return _one_silence(store, over, now)


def _maintenance_routes(
    routes: APIRouter, store: Store, clock: Clock, touched: Callable[[], None]
) -> None:
    @routes.get("/maintenance")
    def list_maintenance() -> list[MaintenanceView]:
        now = clock()
        with store.reader() as reader:
            found = of(written(reader), Maintenance)
        return [_window_view(e, e.rule, now) for e in found if isinstance(e.rule, Maintenance)]

    @routes.post("/maintenance", status_code=201)
    def create_maintenance(given: MaintenanceIn) -> MaintenanceView:
        now = clock()
        wanted = Maintenance(
            name=given.name,
            match=tuple(given.match),
            starts_at=_moment(given.starts_at, "starts_at", now),
            ends_at=_moment(given.ends_at, "ends_at", now),
            days=tuple(given.days),
            at=given.at,
            minutes=given.minutes,
            zone=given.zone,
            author=given.author,
            reason=given.reason,
        )
        made = add_rule(store, wanted, now=now)
        touched()
        return _window_view(made, wanted, now)

    @routes.delete("/maintenance/{window}", status_code=204)
    def delete_maintenance(window: str) -> None:
        remove_rule(store, window, Maintenance)
        touched()


def _ways(reader: Reader) -> list[tuple[Written, Route]]:
    found = [(e, e.rule) for e in written(reader) if isinstance(e.rule, Route)]
    return sorted(
        found,
        key=lambda pair: (
            pair[0].kind is RuleKind.DEFAULT,
            pair[0].source == "config",
            pair[0].place,
        ),
    )


def _with(rules: Policy, draft: Route | None) -> Policy:
    if draft is None:
        return rules
    return Policy(
        rules.default, (draft, *rules.routes), rules.inhibitions, rules.silences, rules.maintenances
    )


def _route(given: RouteIn) -> Route:
    return Route(
        name=given.name,
        match=tuple(given.match),
        to=tuple(given.to),
        continues=given.continues,
        repeat_s=given.repeat_s,
        storm_openings=given.storm_openings,
        fallback=given.fallback,
        steps=tuple(Step(each.after_s, tuple(each.to)) for each in given.steps),
    )


def _route_view(each: Written, way: Route, names: list[str]) -> RouteView:
    wanted = {*way.to, *(name for step in way.steps for name in step.to), way.fallback} - {""}
    return RouteView(
        id=each.id,
        name=way.name,
        source=each.source,
        match=list(way.match),
        to=list(way.to),
        continues=way.continues,
        repeat_s=way.repeat_s,
        storm_openings=way.storm_openings,
        fallback=way.fallback,
        steps=[StepView(after_s=step.after_s, to=list(step.to)) for step in way.steps],
        unknown=sorted(
            name for name in wanted if name != "*" and not any(named(n, (name,)) for n in names)
        ),
    )


def _inhibition_view(each: Written, rule: Inhibition) -> InhibitionView:
    return InhibitionView(
        id=each.id,
        origin=each.source,
        source=list(rule.source),
        target=list(rule.target),
        equal=list(rule.equal),
    )


def _one_silence(store: Store, each: Written, now: datetime) -> SilenceView:
    if not isinstance(each.rule, Silence):
        raise Rejected(Rejection.NOT_FOUND, f"there is no silence {each.id}", field="id")
    with store.reader() as reader:
        return _silence_view(each.rule, silenced_by(reader, now=now), now)


def _silence_view(rule: Silence, mutes: MuteView, now: datetime) -> SilenceView:
    over, begun = rule.ends_at <= now, rule.starts_at <= now
    return SilenceView(
        id=rule.id,
        match=list(rule.match),
        author=rule.author,
        reason=rule.reason,
        starts_at=rule.starts_at,
        ends_at=rule.ends_at,
        state="expired" if over else "active" if begun else "pending",
        mutes=mutes.get(rule.id, []),
    )


def _window_view(each: Written, rule: Maintenance, now: datetime) -> MaintenanceView:
    coming = rule.next(now)
    return MaintenanceView(
        id=each.id,
        source=each.source,
        name=rule.name,
        match=list(rule.match),
        starts_at=rule.starts_at,
        ends_at=rule.ends_at,
        days=list(rule.days),
        at=rule.at,
        minutes=rule.minutes,
        zone=rule.zone,
        author=rule.author,
        reason=rule.reason,
        state="open" if rule.open(now) else "planned" if coming else "over",
        next_start=coming[0] if coming else None,
        next_end=coming[1] if coming else None,
    )


def _moment(text: str, field: str, now: datetime) -> datetime | None:
    return parse_time(text, now=now, field=field) if text else None


def _rehearsal_view(
    found: Rehearsal, names: dict[str, str], draft: Route | None, since: datetime, until: datetime
) -> RehearsalView:
    fired = found.fired(draft.name if draft else "")
    days = (until - since).total_seconds() / 86_400
    who = f"Route {draft.name!r}" if draft else "These rules"
    times = "once" if fired == 1 else f"{fired} times"
    return RehearsalView(
        sentence=f"{who} would have fired {times} in {days:.3g} days.",
        since=since,
        until=until,
        openings=len(found.judged) + found.below,
        below_thresholds=found.below,
        fired=fired,
        endpoints=[
            RehearsedEndpoint(
                endpoint=name,
                told=found.told_by(key),
                skipped={reason.value: n for reason, n in found.skipped_by(key).items()},
            )
            for key, name in names.items()
        ],
        incidents=[_rehearsed(each, names) for each in found.judged[: -SHOWN - 1 : -1]],
    )


def _rehearsed(each: Judged, names: dict[str, str]) -> RehearsedIncident:
    one = each.happened
    first = {label: (one.labels.get(label) or ("",))[0] for label in ("resource", "kind")}
    return RehearsedIncident(
        incident=one.incident,
        at=one.at,
        resource=first["resource"],
        kind=first["kind"],
        severity=(one.labels.get("severity") or ("",))[0],
        told=[names.get(key, key) for key in each.told],
        reasons=sorted({c.reason.value for c in each.choices if not c.sends}),
    )
