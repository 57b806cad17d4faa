"""From runs to the table: precision, recall, F1, time to detect, calibration, counterfactual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from analyzer.model import Incident, Kind
from bench.detect.families import world_of
from bench.detect.judged import judge_all
from bench.detect.observe import observe
from bench.detect.rivals import rival_blames
from bench.detect.truth import Truth, counterfactual_miss, harmful, truth_of
from bench.detect.worlds import Ran, Shape, World, run


@dataclass(frozen=True, slots=True)
class Blamed:
    """One blame of one run: was it right by the script, by re-simulation, how sure, how late."""

    family: str
    tenant: int
    right: bool
    harmful: bool
    confidence: float
    delay: float


@dataclass(slots=True)
class Row:
    """One run judged."""

    family: str
    seed: int
    truth: Truth
    want: str
    kinds: tuple[str, ...]
    blames: list[Blamed]
    tenant_weeks: float
    miss: float = float("nan")
    rivals: dict[tuple[str, float], tuple[int, int, int]] = field(default_factory=dict)


def judge_run(family: str, seed: int, shape: Shape, *, rivals: bool = True) -> Row:
    """Simulate, observe, judge and compare with the truth."""
    world = world_of(family, seed, shape)
    ran = run(world)
    truth = truth_of(world, ran)
    windows = observe(world, ran)
    judged = judge_all(windows)
    first = windows.ts[0].astype("datetime64[us]").item()
    blames, miss, kinds = [], float("nan"), []
    for incident in judged.incidents:
        kinds.append(str(incident.kind))
        if incident.kind is not Kind.NOISY_NEIGHBOUR or incident.detected_at is None:
            continue
        late = (incident.detected_at.replace(tzinfo=None) - first).total_seconds() - truth.onset
        if np.isnan(miss):
            miss = _miss(world, ran, incident, first)
        for blame in incident.finding.aggressors:
            i = int(blame.tenant[1:])
            right = i in truth.aggressors
            does = right or harmful(world, ran, i, *_span(incident, first))
            blames.append(Blamed(family, i, right, does, incident.finding.confidence, late))
    weeks = shape.tenants * shape.seconds / (7 * 86400)
    want = str(Kind.NOISY_NEIGHBOUR) if truth.aggressors else world.kind
    if want == Kind.NOISY_NEIGHBOUR and not truth.aggressors:
        want = ""
    row = Row(family, seed, truth, want, tuple(kinds), _once(blames), weeks, miss)
    if rivals:
        for rule, found in rival_blames(windows, int(world.begin // 10)).items():
            hits = len(set(found) & set(truth.aggressors))
            row.rivals[rule] = (hits, len(found) - hits, len(truth.aggressors) - hits)
    return row


def _span(incident: Incident, first: datetime) -> tuple[float, float]:
    """Seconds of the run from the begin of the harm to two minutes after it was seen."""
    begin = (incident.started_at.replace(tzinfo=None) - first).total_seconds()
    seen = (incident.detected_at or incident.updated_at).replace(tzinfo=None)
    return begin, (seen - first).total_seconds() + 120


def _miss(world: World, ran: Ran, incident: Incident, first: datetime) -> float:
    """How wrong the first counterfactual of a run is; nan when it gives no number."""
    finding = incident.finding
    if finding.stretch_without is None or finding.stretch <= 1.0:
        return float("nan")
    left = float(np.log(finding.stretch_without) / np.log(finding.stretch))
    span = [
        (at.replace(tzinfo=None) - first).total_seconds()
        for at in (finding.window_start, finding.window_end)
    ]
    blamed = tuple(int(b.tenant[1:]) for b in finding.aggressors)
    return counterfactual_miss(world, ran, blamed, left, span[0], span[1])


def _once(blames: list[Blamed]) -> list[Blamed]:
    kept: dict[int, Blamed] = {}
    for blame in blames:
        kept.setdefault(blame.tenant, blame)
    return list(kept.values())


def f1(right: int, wrong: int, missed: int) -> tuple[float, float, float]:
    """(precision, recall, F1); no blame and nothing to blame is perfect."""
    precision = right / (right + wrong) if right + wrong else 1.0
    recall = right / (right + missed) if right + missed else 1.0
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def counts(rows: Sequence[Row], *, simulated: bool = False) -> tuple[int, int, int]:
    """(right, wrong, missed) blames; `simulated` forgives blames whose removal truly helps."""
    right = sum(b.right for r in rows for b in r.blames)
    wrong = sum(not (b.harmful if simulated else b.right) for r in rows for b in r.blames)
    return right, wrong, sum(len(r.truth.aggressors) for r in rows) - right


def delays(rows: Sequence[Row]) -> tuple[float, float]:
    """Median and 90th percentile of seconds from harm to detection of right blames."""
    late = [b.delay for r in rows for b in r.blames if b.right and np.isfinite(b.delay)]
    return (float(np.median(late)), float(np.quantile(late, 0.9))) if late else (np.nan, np.nan)


def told_apart(rows: Sequence[Row]) -> tuple[int, int]:
    """(right, of): runs of everyone growing or the resource failing, named so and nobody blamed."""
    asked = [r for r in rows if r.want in (Kind.CAPACITY, Kind.DEGRADED)]
    shared = {str(Kind.CAPACITY), str(Kind.DEGRADED), str(Kind.NOISY_NEIGHBOUR)}
    return sum({k for k in r.kinds if k in shared} == {r.want} for r in asked), len(asked)


def counterfactual(rows: Sequence[Row]) -> tuple[float, float]:
    """Median and 90th percentile of |ln error| of the others' p95 without the excess."""
    miss = [r.miss for r in rows if r.truth.aggressors and np.isfinite(r.miss)]
    return (float(np.median(miss)), float(np.quantile(miss, 0.9))) if miss else (np.nan, np.nan)


def calibration(rows: Sequence[Row], bins: int = 5) -> tuple[float, float]:
    """(expected calibration error, Brier score) of the confidence of blames."""
    sure = np.array([b.confidence for r in rows for b in r.blames])
    right = np.array([b.harmful for r in rows for b in r.blames], float)
    if not sure.size:
        return float("nan"), float("nan")
    place = np.minimum((sure * bins).astype(int), bins - 1)
    error = sum(
        abs(sure[place == k].mean() - right[place == k].mean()) * (place == k).mean()
        for k in range(bins)
        if (place == k).any()
    )
    return float(error), float(np.mean((sure - right) ** 2))
