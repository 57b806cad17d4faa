"""What others do, on the same windows: share threshold, robust z, robust top-1, correlation.

They get our victims, our normal (learned just before the trouble) and our hour of the week; only
the blame differs. Their thresholds are chosen on the tuning seeds, one for each load.
"""

from __future__ import annotations

import numpy as np

from analyzer.detect import DetectSettings, ResourceWindows, learn, seasoned
from analyzer.detect.arrays import Floats
from analyzer.detect.demand import cost_per_operation, measure, offered
from analyzer.detect.victims import breadth_of_others, harmed, slowdown_of_others
from bench.detect.judged import Habit, until

RULES: dict[str, tuple[float, ...]] = {
    "share + victims": (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
    "robust z + victims": (3, 6, 10, 15, 20, 30, 40, 60, 90),
    "robust top-1 + victims": (2, 3, 6, 10, 15, 20, 30, 40),
    "CPI2 correlation + victims": (0.35, 0.5, 0.6, 0.7, 0.8, 0.9),
}

Key = tuple[str, float]


def rival_blames(
    windows: ResourceWindows, begin: int, habit: Habit | None = None
) -> dict[Key, dict[int, int]]:
    """(rule, threshold) -> tenant -> first window blamed (three of five windows)."""
    settings = DetectSettings()
    train = until(windows, max(begin - 6, 181), np.ones(windows.ts.size, bool), None)
    normal = learn(train, settings)
    if normal is None:
        return {}
    work = measure(windows, 0, 3)
    seconds = 3 * windows.window_s
    demand = offered(work, cost_per_operation(work, normal.cost, seconds))
    past = demand[:, 3 : max(begin - 3, 4)]
    middle, mad = _robust(past)
    if habit is not None:
        normal = seasoned(normal, habit.season)
        middle = np.maximum(middle, normal.demand[:, None])
    seen = harmed(work, normal, settings, seconds)
    pain = slowdown_of_others(seen)
    victims = (pain > np.log(settings.harm)) & (breadth_of_others(seen) >= settings.breadth)
    z = (demand - middle) / np.maximum(mad, 0.02 * np.maximum(middle, 1e-6))
    scores = {
        "share + victims": demand / np.maximum(demand.sum(axis=0), 1e-9),
        "robust z + victims": z,
        "robust top-1 + victims": np.where(z == z.max(axis=0), z, -np.inf),
        "CPI2 correlation + victims": _correlation(demand, pain),
    }
    start = int(settings.min_history_s / windows.window_s)
    return {
        (rule, level): _fired((scores[rule] > level) & victims, start)
        for rule, levels in RULES.items()
        for level in levels
    }


def _robust(past: Floats) -> tuple[Floats, Floats]:
    middle = np.median(past, axis=1)[:, None]
    return middle, 1.4826 * np.median(np.abs(past - middle), axis=1)[:, None]


def _correlation(demand: Floats, pain: Floats, span: int = 60) -> Floats:
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


def _fired(blamed: Floats, start: int) -> dict[int, int]:
    count = np.zeros_like(blamed, dtype=int)
    for lag in range(5):
        count[:, lag:] += blamed[:, : blamed.shape[1] - lag]
    fires = (count >= 3) & (np.arange(blamed.shape[1]) >= start)
    return {int(i): int(np.argmax(fires[i])) for i in np.nonzero(fires.any(axis=1))[0]}
