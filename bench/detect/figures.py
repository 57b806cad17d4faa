"""From rows to figures: precision, recall, F1 with its interval, delays, calibration, errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from analyzer.model import Kind
from bench.detect.rivals import Key
from bench.detect.score import Row

Rows = Sequence[Row]
Counts = tuple[int, int, int]


def scores(right: float, wrong: float, missed: float) -> tuple[float, float, float]:
    """(precision, recall, F1); no blame and nothing to blame is perfect."""
    precision = right / (right + wrong) if right + wrong else 1.0
    recall = right / (right + missed) if right + missed else 1.0
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def counted(row: Row, *, proven: bool) -> Counts:
    """(right, wrong, missed) blames; `proven` forgives blames whose removal truly helps."""
    right = sum(b.right for b in row.blames)
    wrong = sum(not (b.harmful if proven else b.right) for b in row.blames)
    return right, wrong, len(row.truth.aggressors) - right


def rival_counted(row: Row, key: Key, *, proven: bool) -> Counts:
    """The same of a rival rule at a threshold."""
    true = len(row.truth.aggressors)
    rival = row.rivals.get(key)
    if rival is None:
        return 0, 0, true
    return rival.right, rival.proven if proven else rival.wrong, true - rival.right


def added(counts: Sequence[Counts]) -> Counts:
    """Sums of each of the three."""
    total = np.array(counts).reshape(-1, 3).sum(axis=0)
    return int(total[0]), int(total[1]), int(total[2])


def f1(rows: Rows, *, proven: bool = False) -> float:
    """F1 of the engine's blames."""
    return scores(*added([counted(r, proven=proven) for r in rows]))[2]


def rival_f1(rows: Rows, key: Key, *, proven: bool) -> float:
    """F1 of a rival's blames."""
    return scores(*added([rival_counted(r, key, proven=proven) for r in rows]))[2]


def interval(rows: Rows, of: Callable[[Rows], float], times: int = 500) -> tuple[float, float]:
    """95 % bootstrap over runs."""
    rng = np.random.default_rng(1)
    drawn = [of([rows[i] for i in rng.integers(0, len(rows), len(rows))]) for _ in range(times)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def wrong_per_week(rows: Rows) -> float:
    """Blames wrong even by re-simulation, per tenant-week of data."""
    wrong = added([counted(r, proven=True) for r in rows])[1]
    return wrong / sum(r.tenant_weeks for r in rows)


def delays(rows: Rows) -> tuple[float, float]:
    """Median and 90th percentile of seconds from harm to detection of right blames."""
    late = [b.delay for r in rows for b in r.blames if b.right and np.isfinite(b.delay)]
    return (float(np.median(late)), float(np.quantile(late, 0.9))) if late else (np.nan, np.nan)


APART = (str(Kind.CAPACITY), str(Kind.DEGRADED))


def told_apart(rows: Rows) -> tuple[int, int]:
    """(right, of): of the runs of everyone growing or the resource failing in which one of the two
    was told, those whose first told kind of the two is the wanted one."""
    told = [
        (r.want, next(k for k in r.kinds if k in APART))
        for r in rows
        if r.want in APART and any(k in APART for k in r.kinds)
    ]
    return sum(want == kind for want, kind in told), len(told)


def told_alone(rows: Rows) -> tuple[int, int]:
    """(right, of): the same runs told so and nothing else, nobody blamed."""
    asked = [r for r in rows if r.want in APART]
    shared = {*APART, str(Kind.NOISY_NEIGHBOUR)}
    return sum({k for k in r.kinds if k in shared} == {r.want} for r in asked), len(asked)


def told_beside(rows: Rows) -> tuple[int, int]:
    """(right, of): the same runs told so, nobody blamed but who re-simulation proves to harm others
    (a client's own burst beside what was scripted)."""
    asked = [r for r in rows if r.want in APART]
    right = [
        r for r in asked
        if {k for k in r.kinds if k in APART} == {r.want} and all(b.harmful for b in r.blames)
    ]  # fmt: skip
    return len(right), len(asked)


KINDS = ("", "noisy_neighbour", "capacity", "degraded", "self_inflicted")


def confusion(rows: Rows) -> dict[str, dict[str, int]]:
    """Wanted kind -> told kind (the gravest of a run) -> runs."""
    table = {want: dict.fromkeys(KINDS, 0) for want in KINDS}
    for row in rows:
        told = next((k for k in KINDS[1:] if k in row.kinds), "")
        table[row.want][told] += 1
    return table


def errors(rows: Rows, part: float) -> tuple[float, float, int]:
    """(median, 90th percentile, number) of |ln error| of the others' p95 with `part` of the excess
    gone."""
    known = [r.misses[part] for r in rows if r.truth.aggressors and part in r.misses]
    if not known:
        return np.nan, np.nan, 0
    return float(np.median(known)), float(np.quantile(known, 0.9)), len(known)


def recovery(rows: Rows) -> tuple[int, int]:
    """(right, of) claims that the victims would or would not be back without the blamed."""
    claims = [r.recovers for r in rows if r.recovers is not None and r.truth.aggressors]
    return int(sum(said == true for said, true in claims)), len(claims)


def calibration(rows: Rows, bins: int = 5) -> tuple[float, float]:
    """(expected calibration error, Brier score) of the confidence of blames."""
    curve = reliability(rows, bins)
    total = sum(n for _, _, n in curve)
    if not total:
        return np.nan, np.nan
    sure = np.array([b.confidence for r in rows for b in r.blames])
    right = np.array([b.harmful for r in rows for b in r.blames], float)
    error = sum(abs(said - true) * n / total for said, true, n in curve)
    return float(error), float(np.mean((sure - right) ** 2))


def reliability(rows: Rows, bins: int = 5) -> list[tuple[float, float, int]]:
    """Per bin of confidence: (mean confidence, part that was right, blames)."""
    sure = np.array([b.confidence for r in rows for b in r.blames])
    right = np.array([b.harmful for r in rows for b in r.blames], float)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return [
        (float(sure[place == k].mean()), float(right[place == k].mean()), int((place == k).sum()))
        for k in range(bins)
        if (place == k).any()
    ]
