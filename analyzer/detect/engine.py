"""The detector on one page: learn, look for harm, survey, judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzer.detect.arrays import Bools, Normal, ResourceWindows
from analyzer.detect.demand import Work, cost_per_operation, measure, offered
from analyzer.detect.normal import aligned, learn
from analyzer.detect.scene import survey
from analyzer.detect.settings import DetectSettings
from analyzer.detect.verdict import judge
from analyzer.detect.victims import harmed, slowdown_of_others
from analyzer.model import Finding, Kind

GLANCE = 1.2
"""Rise of its own cost per operation from which a hurt tenant is worth a glance."""

HALF = 0.5
"""Part of the harm (in logarithms) that shows in a smoothed window when it began with the last."""


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
    found: list[Finding] = []
    for look in _looks(windows, normal, settings):
        told = judge(survey(windows, normal, look))
        if any(f.kind is Kind.NOISY_NEIGHBOUR for f in told):
            return told
        if look.smooth == settings.smooth:  # one window alone is enough for a blame only
            found = found or told
    return found


def _looks(
    windows: ResourceWindows, normal: Normal, settings: DetectSettings
) -> list[DetectSettings]:
    """How to look: not at all while nobody is hurt (law 1), at the recent span when harm is shared,
    at a glance when only single tenants are off their normal.

    Harm that is new shows half in a smoothed window: then the newest window is looked at by itself,
    too, which finds a blame a window earlier.
    """
    if np.isnan(windows.arrived[:, -1]).all() and np.isnan(windows.count[:, -1]).all():
        return []
    work = measure(windows, windows.ts.size - 1, settings.smooth)
    seconds = settings.smooth * windows.window_s
    seen = harmed(work, normal, settings, seconds)
    shared = float(slowdown_of_others(seen).max())
    newest = [replace(settings, smooth=1)] if settings.smooth > 1 else []
    if shared > np.log(settings.harm):
        return [settings, *newest]
    hurt = (seen.hurt & seen.felt)[:, 0]
    if shared > HALF * np.log(settings.harm):
        return [*newest, *_glance(work, normal, settings, seconds, hurt)]
    return _glance(work, normal, settings, seconds, hurt)


def _glance(
    work: Work, normal: Normal, settings: DetectSettings, seconds: float, hurt: Bools
) -> list[DetectSettings]:
    if not hurt.any():
        return []
    demand = offered(work, cost_per_operation(work, normal.cost, seconds))[:, 0]
    changed = demand > 1.25 * normal.demand
    changed |= work.served[:, 0] > GLANCE * normal.cost * work.finished[:, 0]
    return [replace(settings, recent=3 * settings.smooth)] if (hurt & changed).any() else []
