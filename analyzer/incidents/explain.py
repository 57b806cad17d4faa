"""An incident in sentences: what happened, to whom, why we say so, and what speaks against it."""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.model import Blame, Check, Finding, Harm, Incident, IncidentState, Kind, Signal


def sentence(incident: Incident) -> str:
    """One sentence for a list or a page title."""
    told = headline(incident.finding, incident.kind)
    elsewhere = [link.resource for link in incident.chain if link.incident != incident.id]
    return f"{told}, and reaches {_names(list(elsewhere))}" if elsewhere else told


def headline(finding: Finding, kind: Kind) -> str:
    """Who hurts whom on which resource, in one sentence."""
    where, hurt = finding.resource, _tenants(len(finding.victims))
    if kind is Kind.NOISY_NEIGHBOUR:
        who = _names([b.tenant for b in finding.aggressors])
        verb = "slows" if len(finding.aggressors) == 1 else "slow"
        return f"{who} {verb} {hurt} on {where} by {finding.stretch:.1f} times"
    if kind in (Kind.CAPACITY, Kind.DEGRADED):
        why = f"everyone grew on {where}" if kind is Kind.CAPACITY else f"{where} itself is failing"
        verb = "is" if len(finding.victims) == 1 else "are"
        return f"{why}: {hurt} {verb} {finding.stretch:.1f} times slower than normal"
    who = _names([b.tenant for b in finding.aggressors])
    return f"{who} is slow on {where} by its own doing; nobody else is hurt"


def explain(incident: Incident) -> list[str]:
    """The whole story, a sentence each, in the order a person on call asks."""
    finding = incident.finding
    told = [sentence(incident) + ".", _when(incident)]
    told += [_blame(b) for b in finding.aggressors if incident.kind is Kind.NOISY_NEIGHBOUR]
    told += list(_reached(incident))
    told += list(_harm(finding))
    told += list(_evidence(finding.checks))
    told += list(_without(incident))
    told += [f"Not blamed: {r.tenant}, because {r.why_not}." for r in finding.rivals]
    told += [f"Mind: {caveat}." for caveat in finding.caveats]
    told.append(f"We are {finding.confidence:.0%} sure.")
    return told


def _when(incident: Incident) -> str:
    begun = f"It began at {incident.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if incident.detected_at is not None:
        late = (incident.detected_at - incident.started_at).total_seconds()
        begun += f", was seen {late:.0f} s later"
    if incident.state is IncidentState.RESOLVED and incident.ended_at is not None:
        return f"{begun} and ended at {incident.ended_at:%H:%M:%S}."
    return f"{begun} and is {incident.state}."


def _reached(incident: Incident) -> Iterator[str]:
    """Where the trouble began and what it reached, or whose part it is."""
    if incident.part_of is not None:
        yield f"It is part of {incident.part_of}, which is told for both."
    if len(incident.chain) < 2:
        return
    cause, *rest = incident.chain
    yield f"It began on {cause.resource} at {cause.started_at:%H:%M:%S}."
    for link in rest:
        late = (link.started_at - cause.started_at).total_seconds()
        when = f"{late:.0f} s later" if late > 0 else "at once"
        yield f"It reached {link.resource} {when}, where {_tenants(link.victims)} suffered."


def _blame(blame: Blame) -> str:
    times = blame.demand / blame.expected if blame.expected > 0 else float("inf")
    said = f"{times:.1f} times what is expected of it" if times < 1000 else "expected none"
    return (
        f"{blame.tenant} asks for {blame.demand:.2f} busy seconds per second ({said}), "
        f"{blame.share:.0%} of all work; {blame.contribution:.0%} of the blame is its."
    )


def _harm(finding: Finding) -> Iterator[str]:
    if not finding.victims:
        return
    worst = max(finding.victims, key=_worse)
    yield f"Hurt: {_names([v.tenant for v in finding.victims])}."
    yield f"Worst off is {worst.tenant}: {_felt(worst)}."


def _worse(harm: Harm) -> float:
    if harm.signal is Signal.ERRORS:
        return harm.during_s - harm.before_s
    return harm.during_s / max(harm.before_s, 1e-9)


def _felt(harm: Harm) -> str:
    if harm.signal is Signal.ERRORS:
        said = f"{harm.during_s:.1%} of its operations fail, {harm.before_s:.1%} before"
        return said + ("" if harm.without_s is None else f", {harm.without_s:.1%} without")
    what = "it waits" if harm.signal is Signal.WAIT else "it feels"
    said = f"{what} {_seconds(harm.during_s)}, {_seconds(harm.before_s)} before"
    return said + ("" if harm.without_s is None else f", {_seconds(harm.without_s)} without")


def _evidence(checks: tuple[Check, ...]) -> Iterator[str]:
    signs = {True: "Speaks for it", False: "Speaks against it", None: "Could not be tested"}
    for check in checks:
        yield f"{signs[check.passed]}: {check.detail}."


def _without(incident: Incident) -> Iterator[str]:
    finding = incident.finding
    if incident.kind is not Kind.NOISY_NEIGHBOUR:
        return
    if finding.stretch_without is not None:
        yield (
            f"Without the excess the others would be at {finding.stretch_without:.2f} times their "
            f"normal instead of {finding.stretch:.2f}."
        )
    elif finding.recovers is not None:
        would = "would be back inside" if finding.recovers else "would still be outside"
        yield f"Without the excess the others {would} their normal; by how much cannot be told."
    half = dict(finding.relief_curve).get(0.5)
    if half is not None:
        yield f"With half of the excess gone they would be at {half:.2f}."
    if finding.limit is not None and finding.aggressors:
        low, high = finding.limit_low or finding.limit, finding.limit_high or finding.limit
        yield (
            f"Held to {finding.limit:.2f} busy seconds per second ({low:.2f} to {high:.2f}), "
            f"{finding.aggressors[0].tenant} would leave the others inside their normal."
        )


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _tenants(count: int) -> str:
    return "1 tenant" if count == 1 else f"{count} tenants"


def _names(tenants: list[str]) -> str:
    shown = tenants[:5]
    if len(tenants) > len(shown):
        return ", ".join(shown) + f" and {len(tenants) - len(shown)} more"
    if len(shown) < 2:
        return "".join(shown)
    return ", ".join(shown[:-1]) + " and " + shown[-1]
