"""Who is told of what, and why not: pure judgement over routes, silences and their like."""

from __future__ import annotations

from analyzer.routing.judge import Choice, Notice, Reason, Recipient, Source, route
from analyzer.routing.rules import Inhibition, Maintenance, Policy, Route, Silence, Step
from analyzer.routing.standing import Past, Standing

__all__ = [
    "Choice",
    "Inhibition",
    "Maintenance",
    "Notice",
    "Past",
    "Policy",
    "Reason",
    "Recipient",
    "Route",
    "Silence",
    "Source",
    "Standing",
    "Step",
    "route",
]
