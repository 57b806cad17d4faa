"""The detector on one page: learn, look for harm, survey, judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzer.detect.arrays import Normal, ResourceWindows
from analyzer.detect.demand import cost_per_operation, measure, offered
from analyzer.detect.normal import aligned, learn
from analyzer.detect.scene import survey
from analyzer.detect.settings import DetectSettings
from analyzer.detect.verdict import judge
from analyzer.detect.victims import harmed, slowdown_of_others
from analyzer.model import Finding

GLANCE = 1.2
"""Rise of its own cost per operation from which a hurt tenant is worth a glance."""


def detect(windows: ResourceWindows, settings: DetectSettings) -> list[Finding]:
    """What is wrong with this resource at the end of its newest window; empty when nothing is.

    Pure. Without `windows.normal` the normal is learned from the windows themselves, which needs
    `min_history_s` of them. O(tenants x windows); a calm resource costs only its newest windows.
    """
    settings = settings.at_grain(windows.window_s)
    if not windows.tenants or windows.ts.size < settings.smooth:
        return []
    normal = windows.normal or learn(windows, settings)
    if normal is None:
        return []
    normal = aligned(normal, len(windows.tenants))
    look = _look(windows, normal, settings)
    return judge(survey(windows, normal, look)) if look is not None else []


def _look(
    windows: ResourceWindows, normal: Normal, settings: DetectSettings
) -> DetectSettings | None:
    """How far back to look: not at all while nobody is hurt (law 1), the recent span when harm is
    shared, a glance when only single tenants are off their normal."""
    if np.isnan(windows.arrived[:, -1]).all() and np.isnan(windows.count[:, -1]).all():
        return None
    work = measure(windows, windows.ts.size - 1, settings.smooth)
    seconds = settings.smooth * windows.window_s
    seen = harmed(work, normal, settings, seconds)
    hurt = (seen.hurt & seen.felt)[:, 0]
    if not hurt.any():
        return None
    if slowdown_of_others(seen).max() > np.log(settings.harm):
        return settings
    demand = offered(work, cost_per_operation(work, normal.cost, seconds))[:, 0]
    changed = demand > 1.25 * normal.demand
    changed |= work.served[:, 0] > GLANCE * normal.cost * work.finished[:, 0]
    return replace(settings, recent=3 * settings.smooth) if (hurt & changed).any() else None
