"""A tenant without history is held against its plan's peers, and that is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analyzer.detect import DetectSettings, detect
from analyzer.detect.scene import usual_or_peers
from tests.analyzer.detect.worlds import CAST, noisy

USUAL = np.array([1.0, 1.2, 0.8, 10.0, 12.0, 8.0, 0.0, 0.0, 0.0])
PLANS = ("free", "free", "free", "pro", "pro", "pro", "free", "pro", "")


def test_of_its_plan_where_three_are_known_else_of_all():
    assert usual_or_peers(USUAL, PLANS)[6:].tolist() == [1.0, 10.0, 4.6]
    few = ("team", "team", "x", "pro", "pro", "pro", "team", "pro", "")
    assert usual_or_peers(USUAL, few)[6:].tolist() == [4.6, 10.0, 4.6]
    assert usual_or_peers(USUAL)[6:].tolist() == [4.6, 4.6, 4.6]
    assert usual_or_peers(USUAL[:6], PLANS[:6]).tolist() == USUAL[:6].tolist()
    assert usual_or_peers(np.zeros(3), PLANS[:3]).tolist() == [0.0] * 3


def test_the_finding_says_whom_a_new_tenant_is_compared_with():
    for plans, words in ((None, "their peers"), (("free",) * len(CAST), "their plan's peers")):
        windows = replace(noisy(), plans=plans)
        new = replace(windows)
        for name in ("arrived", "count", "errors", "busy_s", "log_latency"):
            getattr(new, name)[1, : windows.ts.size - 6] = np.nan
        (finding,) = detect(new, DetectSettings())
        assert [b.tenant for b in finding.aggressors] == ["acme"]
        assert any(caveat.endswith(words) for caveat in finding.caveats), finding.caveats
