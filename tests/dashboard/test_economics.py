"""Pictures of money and room say what the numbers say, and read no markup in a name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.api.views.resources import DensityDimension, DensityRow, HoursOfWeek
from dashboard import theme
from dashboard.figures import density, economics, fleet, room
from dashboard.figures.tiles import Tile, tiles
from dashboard.pages.shards import dimension_rows
from dashboard.pages.tenant import account_body
from tests.dashboard import story, story_money
from tests.dashboard.fake_api import FakeApi

S = FakeApi().story()
PAGE = story.costs(S)
SCHEMES = [theme.LIGHT, theme.DARK]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.name)
def test_the_area_of_a_tenant_is_its_cost_and_no_two_overlap(scheme):
    figure = economics.treemap(PAGE.lines, "EUR", scheme)
    (trace,) = figure.data
    area = {
        said[0]: (shape.x1 - shape.x0) * (shape.y1 - shape.y0)
        for said, shape in zip(trace.customdata, figure.layout.shapes, strict=True)
    }
    cost = {line.tenant: float(line.total) for line in PAGE.lines}
    plan = {line.tenant: line.plan for line in PAGE.lines}
    for name in set(plan.values()):
        mine = [tenant for tenant in area if plan[tenant] == name]
        ratios = [area[tenant] / cost[tenant] for tenant in mine]
        assert ratios == pytest.approx([ratios[0]] * len(ratios))


@given(st.lists(st.floats(0.01, 1000), min_size=1, max_size=30))
def test_tiles_fill_their_room_in_proportion(amounts):
    found = tiles(sorted(amounts, reverse=True), Tile(0, 0, 160, 100))
    areas = [tile.width * tile.height for tile in found]
    assert sum(areas) == pytest.approx(16_000)
    assert areas == pytest.approx(
        [a * 16_000 / sum(amounts) for a in sorted(amounts, reverse=True)]
    )
    assert all(t.x >= -1e-6 and t.x + t.width <= 160 + 1e-6 for t in found)
    assert all(t.y >= -1e-6 and t.y + t.height <= 100 + 1e-6 for t in found)


def test_the_steps_lead_from_last_week_to_this_one():
    steps = economics.changes(PAGE.lines)
    assert steps is not None
    assert [name for name, _ in steps] == [
        "prices", "own use", "neighbours", "policy", "moves", "restatement",
    ]  # fmt: skip
    now = sum((Decimal(line.total) for line in PAGE.lines), Decimal())
    (trace,) = economics.waterfall(steps, now, "EUR", theme.LIGHT).data
    assert sum(map(Decimal, trace.customdata[:-1])) == now
    last, end = trace.base[-2], trace.base[-2] + trace.y[-2]
    assert float(now) in (pytest.approx(last), pytest.approx(end))  # the steps end where it stands
    assert trace.customdata[-1] == str(now)
    nothing = [line.model_copy(update={"why": None}) for line in PAGE.lines]
    assert economics.changes(nothing) is None


def test_who_loses_is_marked_by_shape_and_word_besides_colour():
    _, wins, loses = economics.scatter(PAGE.lines, "EUR", theme.LIGHT).data
    assert all(y >= x for x, y in zip(wins.x, wins.y, strict=True))
    assert all(y < x for x, y in zip(loses.x, loses.y, strict=True))
    assert wins.marker.symbol != loses.marker.symbol
    assert wins.name != loses.name


def test_every_plan_has_a_box_of_its_tenants():
    traces = economics.box(PAGE.lines, "EUR", theme.DARK).data
    assert [trace.name for trace in traces] == sorted({line.plan for line in PAGE.lines})
    assert sum(len(trace.x) for trace in traces) == len(PAGE.lines)


def test_curves_begin_at_nothing_and_end_at_all():
    rows = room.curved(story.density(S))
    assert len(rows) <= 6
    _, *curves = room.lorenz(rows, theme.LIGHT).data
    assert all((curve.y[0], curve.y[-1]) == (0.0, 1.0) for curve in curves)
    assert len({curve.line.dash for curve in curves}) == len(curves)


def test_the_hours_of_the_week_and_the_frontier():
    found = story_money.hours(S, "db:shard-3")
    (heat,) = room.hours(found, theme.DARK).data
    assert (len(heat.y), len(heat.x)) == (12, 168)
    weeks = story_money.weeks(S)
    earlier, now = fleet.frontier(weeks, theme.LIGHT).data
    assert len(earlier.x) + len(now.x) == len(weeks)
    assert {row[1] for row in now.customdata} == {max(one.week for one in weeks)}
    assert max(now.y) == pytest.approx(0.8)


def test_the_map_of_resources_leaves_out_the_diagonal_and_keeps_unknowns_open():
    found = story_money.together(S)
    (heat,) = fleet.together(found, theme.DARK).data
    assert [heat.z[k][k] for k in range(len(heat.y))] == [None] * len(found.resources)
    assert heat.z[0][1] == found.correlation[0][1]
    assert (heat.zmin, heat.zmax) == (-1, 1)


def test_areas_of_the_tree_are_the_cost_and_names_are_inert():
    found = story_money.tree(S)
    figure = fleet.tree(found, theme.LIGHT)
    (names,) = figure.data
    assert len(names.customdata) == len(found.leaves)
    drawn = [s for s in figure.layout.shapes if s.fillcolor != "rgba(0,0,0,0)"]
    assert len(drawn) == len(found.leaves)
    costs = sorted(float(leaf.cost) for leaf in found.leaves)
    areas = sorted((s.x1 - s.x0) * (s.y1 - s.y0) for s in drawn)
    assert areas[-1] / areas[0] == pytest.approx(costs[-1] / costs[0], rel=0.5)  # edges cost some
    evil = found.leaves[0].model_copy(update={"tenant": "<b>evil</b>", "resource": "<i>x"})
    figure = fleet.tree(found.model_copy(update={"leaves": [evil]}), theme.LIGHT)
    told = [*figure.data[0].text, *figure.data[0].customdata[0]]
    assert not [word for word in told if "<" in word]
    assert not [note for note in figure.layout.annotations if "<" in note.text]
    empty = fleet.tree(found.model_copy(update={"leaves": []}), theme.LIGHT)
    assert len(empty.layout.shapes) == 0


def test_the_bars_mark_what_losing_another_would_mean():
    figure = density.figure(story.density(S), {}, theme.LIGHT)
    (marks,) = [trace for trace in figure.data if trace.name == "if one is lost"]
    assert len(marks.x) == sum(r.n1_headroom is not None for r in story.density(S))


def test_the_statement_shows_the_stored_amounts_and_says_na():
    text = str(account_body(story_money.account(S, "2026-W46", "acme")).to_plotly_json())  # type: ignore[no-untyped-call]
    for word in ("57.20", "41.20", "-1.50", "58.10", "49.30 to 68.50", "last month off by 7.1%",
                 "n/a", "0.0704", "odd"):  # fmt: skip
        assert word in text


def test_no_name_is_markup_in_a_hover_template():
    row = story.density(S)[0].model_copy(update={"resource": "<b>evil</b>"})
    _, curve = room.lorenz([row], theme.LIGHT).data
    assert "<b>evil" not in curve.hovertemplate


def test_what_is_empty_makes_a_picture_all_the_same():
    economics.treemap([], "EUR", theme.LIGHT)
    economics.box([], "EUR", theme.LIGHT)
    room.hours(HoursOfWeek(resource="db", tenants=[], values=[]), theme.LIGHT)


def test_each_dimension_has_its_line_and_one_of_them_binds():
    row = DensityRow(
        resource="db:1", kind="database", capacity=2, tenants=3, active_tenants=3, p95_load=1,
        packing=0.5, headroom=0.5, multiplexing_gain=None, effective_tenants=None, gini=None,
        top_tenant=None, top_share=None, room=None, days_to_full=None, shares=[],
        n1_headroom=0.1, binding="in flight", reservation=1.2,
        dimensions=[
            DensityDimension(name="time", full=0.5, n1_headroom=0.1),
            DensityDimension(name="in flight", full=0.75),
        ],
    )  # fmt: skip
    assert dimension_rows(row) == [
        ["db:1", "in flight", "75 %", "25 %", "–", "–", "binds"],
        ["db:1", "time", "50 %", "50 %", "10 %", "120 %", "–"],
    ]
