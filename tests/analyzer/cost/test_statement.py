"""A statement as text and back: every figure, and a wrong shape named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from analyzer.cost.settings import CostSettings, Price
from analyzer.cost.statement import (
    Part,
    ResourceLine,
    Statement,
    TenantLine,
    Why,
    from_json,
    to_json,
)

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
LINE = TenantLine(
    "acme", "Größe", "pro",
    (Part("db:1", 12_345_678_901_234_567_890, -5, 0, 10**20, -1, 7), Part("db:2", 0, 1, 2)),
    revenue=None, before=0, operations=3, why=Why(1, -2, 3, 4, 5, -6),
)  # fmt: skip
WEEK = Statement(
    "2026-W47", MONDAY, MONDAY + timedelta(days=7), 168, 167, "final", 6,
    CostSettings(prices=(Price("db:1", "0.48"),)),
    (LINE, replace(LINE, tenant="globex", parts=(), revenue=5, before=None, why=None)),
    (ResourceLine("db:1", "database", 9, 4, 3, 2, 0.5, 1, None),),
    ("a note",), "request",
)  # fmt: skip


@pytest.mark.parametrize("scale", [0, 2, 6])
def test_what_is_written_is_read_back(scale: int) -> None:
    week = replace(WEEK, scale=scale)
    assert from_json(to_json(week)) == week


def test_lines_without_what_came_later_keep_their_defaults() -> None:
    text = to_json(WEEK).replace(',"used":0', "").replace('"own_idle":"0.000000",', "")
    assert '"used":0' not in text
    assert from_json(text) == WEEK


@pytest.mark.parametrize(
    "damage", [('"direct":"', '"indirect":"'), ('"tenants":[', '"tenants":["no line",')]
)
def test_another_shape_is_named(damage: tuple[str, str]) -> None:
    with pytest.raises(ValidationError):
        from_json(to_json(WEEK).replace(*damage))
