"""The three roles and the settings each takes."""

from __future__ import annotations

from analyzer.config import AnalyzerSettings
from collector.config import CollectorSettings
from dashboard.config import DashboardSettings

ROLES: dict[str, type] = {
    "collector": CollectorSettings,
    "analyzer": AnalyzerSettings,
    "dashboard": DashboardSettings,
}

__all__ = ["ROLES", "AnalyzerSettings", "CollectorSettings", "DashboardSettings"]
