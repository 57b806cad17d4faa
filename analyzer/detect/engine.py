"""The detector on one page: learn, look for harm, survey, judge."""

from __future__ import annotations

import numpy as np

from analyzer.detect.arrays import ResourceWindows
from analyzer.detect.demand import measure
from analyzer.detect.normal import Normal, aligned, learn
from analyzer.detect.scene import survey
from analyzer.detect.settings import DetectSettings
from analyzer.detect.verdict import judge
from analyzer.detect.victims import harmed
from analyzer.model import Finding


def detect(windows: ResourceWindows, settings: DetectSettings) -> list[Finding]:
    """What is wrong with this resource at the end of its newest window; empty when nothing is.

    Pure. Without `windows.normal` the normal is learned from the windows themselves, which needs
    `min_history_s` of them. O(tenants x windows); a calm resource costs only its newest windows.
    """
    if not windows.tenants or windows.ts.size < settings.smooth:
        return []
    normal = windows.normal or learn(windows, settings)
    if normal is None:
        return []
    normal = aligned(normal, len(windows.tenants))
    if _silent(windows, normal, settings):
        return []
    return judge(survey(windows, normal, settings))


def _silent(windows: ResourceWindows, normal: Normal, settings: DetectSettings) -> bool:
    """No window of data now, or nobody hurt now: harm first (law 1)."""
    if np.isnan(windows.arrived[:, -1]).all() and np.isnan(windows.count[:, -1]).all():
        return True
    work = measure(windows, windows.ts.size - 1, settings.smooth)
    seen = harmed(work, normal, settings, settings.smooth * windows.window_s)
    return not bool((seen.hurt & seen.felt).any())
