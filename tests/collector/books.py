"""A series book without a collector around it."""

from __future__ import annotations

from collector.admission import Budgets
from collector.catalog import Catalog
from collector.config import LimitSettings, MeterRule, TenancySettings
from collector.series import SeriesBook
from collector.tenancy import Resolver


def book(*rules: MeterRule, limits: LimitSettings | None = None) -> SeriesBook:
    bounds = limits or LimitSettings()
    return SeriesBook(Catalog(rules), Resolver(TenancySettings()), bounds, Budgets(bounds))
