"""What others do, on the same windows: share threshold, robust z, robust top-1, correlation."""

from __future__ import annotations

import numpy as np

from analyzer.detect import DetectSettings, ResourceWindows, learn
from analyzer.detect.demand import cost_per_operation, measure, offered
from analyzer.detect.victims import breadth_of_others, harmed, slowdown_of_others
from bench.detect.judged import LENGTH, until

RULES = {
    "share + victims": (0.15, 0.2, 0.3, 0.4, 0.5),
    "robust z + victims": (3.0, 6.0, 10.0, 20.0, 40.0),
    "robust top-1 + victims": (2.0, 3.0, 6.0, 10.0),
    "correlation + victims": (0.35, 0.5, 0.7),
}


def rival_blames(windows: ResourceWindows, begin: int) -> dict[tuple[str, float], dict[int, int]]:
    """(rule, threshold) -> tenant -> first window blamed (three of five windows).

    They get our victims and our normal, learned just before the trouble: only the blame differs.
    """
    settings = DetectSettings()
    train = until(windows, max(begin - 6, 181), np.ones(windows.ts.size, bool), None)
    normal = learn(train, settings)
    if normal is None:
        return {}
    work = measure(windows, 0, 3)
    seen = harmed(work, normal, settings, 3 * windows.window_s)
    pain = slowdown_of_others(seen)
    victims = (pain > np.log(settings.harm)) & (breadth_of_others(seen) >= settings.breadth)
    demand = offered(work, cost_per_operation(work, normal.cost, 3 * windows.window_s))
    past = demand[:, max(begin - LENGTH, 3) : begin - 3]
    middle = np.median(past, axis=1)[:, None]
    mad = 1.4826 * np.median(np.abs(past - middle), axis=1)[:, None]
    z = (demand - middle) / np.maximum(mad, 0.02 * np.maximum(middle, 1e-6))
    scores = {
        "share + victims": demand / np.maximum(demand.sum(axis=0), 1e-9),
        "robust z + victims": z,
        "robust top-1 + victims": np.where(z == z.max(axis=0), z, -np.inf),
        "correlation + victims": _correlation(demand, pain),
    }
    start = int(settings.min_history_s / windows.window_s)
    return {
        (rule, level): _fired((scores[rule] > level) & victims, start)
        for rule, levels in RULES.items()
        for level in levels
    }


def _correlation(demand: np.ndarray, pain: np.ndarray, span: int = 60) -> np.ndarray:
    """Correlation of load with the others' harm over ten minutes, best suspect only (CPI2)."""
    answer = np.full_like(demand, -1.0)
    for t in range(span, demand.shape[1], 2):
        a, b = demand[:, t - span : t], pain[:, t - span : t]
        a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
        size = np.sqrt((a * a).sum(1) * (b * b).sum(1)) + 1e-12
        r = (a * b).sum(1) / size
        best = int(np.argmax(r))
        answer[best, t - 1 : t + 1] = r[best]
    return answer


def _fired(blamed: np.ndarray, start: int) -> dict[int, int]:
    count = np.zeros_like(blamed, dtype=int)
    for lag in range(5):
        count[:, lag:] += blamed[:, : blamed.shape[1] - lag]
    fires = (count >= 3) & (np.arange(blamed.shape[1]) >= start)
    return {int(i): int(np.argmax(fires[i])) for i in np.nonzero(fires.any(axis=1))[0]}
