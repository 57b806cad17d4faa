"""Figures are values: data in, traces out."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.api.views.annotations import AnnotationView
from analyzer.api.views.incidents import Band
from analyzer.api.views.resources import Heatmap
from dashboard import theme
from dashboard.figures import cost, density, evidence, heatmap, labels, usage
from tests.dashboard import story, story_incident
from tests.dashboard.story import Story

SCHEMES = [theme.LIGHT, theme.DARK]
STORY = Story()


def colours(figure: go.Figure) -> str:
    return repr(figure.to_dict())


def test_the_heatmap_shows_at_most_forty_of_ten_thousand_tenants():
    figure = heatmap.figure(story.heatmap(Story(tenants=10_000)), theme.LIGHT)
    assert len(figure.data[0].y) == 40
    assert figure.data[0].y[0] == "acme"


def test_heatmap_colours_end_at_eight_times_but_the_hover_tells_the_truth():
    at = datetime(2026, 11, 20, tzinfo=UTC)
    view = Heatmap(
        tenants=["acme"], clock=[at, at], window_s=60, values=[[5.0, None]], shown=1, of=1
    )
    trace = heatmap.figure(view, theme.LIGHT).data[0]
    assert trace.z[0][0] == heatmap.REACH
    assert trace.customdata[0][0] == 32.0
    assert math.isnan(trace.z[0][1])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_unknown_cells_of_the_heatmap_are_grey_and_say_so(scheme):
    at = datetime(2026, 11, 20, tzinfo=UTC)
    view = Heatmap(
        tenants=["acme"], clock=[at, at], window_s=60, values=[[0.0, None]], shown=1, of=1
    )
    known, gaps = heatmap.figure(view, scheme).data
    assert math.isnan(known.z[0][1])
    assert math.isnan(gaps.z[0][0])
    assert {colour for _, colour in gaps.colorscale} == {scheme.gap}
    assert "no data" in gaps.hovertemplate


def test_a_heatmap_without_gaps_has_one_layer():
    at = datetime(2026, 11, 20, tzinfo=UTC)
    view = Heatmap(tenants=["acme"], clock=[at], window_s=60, values=[[0.0]], shown=1, of=1)
    assert len(heatmap.figure(view, theme.LIGHT).data) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_who_is_blamed_is_vermillion_in_the_density_bars(scheme):
    rows = story.density(STORY)
    calm = density.figure(rows, {}, scheme)
    held = density.figure(rows, {"db:shard-3": frozenset({"acme"})}, scheme)
    assert scheme.aggressor not in colours(calm)
    marks = [colour for trace in held.data[:4] for colour in trace.marker.color]
    assert marks.count(scheme.aggressor) == 1


def test_density_bars_add_up_to_how_full_the_resource_is():
    rows = [row for row in story.density(STORY) if row.packing is not None]
    figure = density.figure(rows, {}, theme.LIGHT)
    for index, row in enumerate(density.ranked(rows)):
        total = sum(trace.x[index] for trace in figure.data if trace.type == "bar")
        assert total == pytest.approx(row.packing)


def test_resources_without_a_capacity_have_no_bar():
    figure = density.figure(story.density(STORY), {}, theme.LIGHT)
    assert "cache:redis-1" not in figure.data[0].y


def test_no_resource_at_all_is_still_a_figure():
    assert isinstance(density.figure([], {}, theme.LIGHT), go.Figure)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_evidence_is_three_rows_on_one_clock(scheme):
    view = story_incident.incident(STORY)
    figure = evidence.figure(view, scheme)
    assert {trace.yaxis or "y" for trace in figure.data} == {"y", "y2", "y3"}
    assert all(list(trace.x) == view.clock for trace in figure.data)
    assert figure.layout.xaxis.matches == "x3"


def test_roles_keep_their_colours_in_the_evidence():
    figure = evidence.figure(story_incident.incident(STORY), theme.LIGHT)
    drawn = {trace.name: trace.line for trace in figure.data if trace.name}
    assert drawn["acme"].color == theme.AGGRESSOR
    assert drawn["18 victims, median"].color == theme.VICTIM
    assert drawn["without acme (model)"].dash == "dot"


def test_a_gap_in_the_evidence_stays_a_gap():
    figure = evidence.figure(story_incident.incident(STORY), theme.LIGHT)
    own = next(t for t in figure.data if t.name == "acme" and not t.stackgroup)
    assert own.y[99] is None
    assert own.connectgaps is False


def test_short_latencies_are_drawn_in_milliseconds():
    figure = evidence.figure(story_incident.incident(STORY), theme.LIGHT)
    assert "What the victims feel, ms" in [one.text for one in figure.layout.annotations]
    median = next(t for t in figure.data if t.name == "18 victims, median")
    assert 60 < median.y[0] < 80


def test_lines_are_named_at_their_ends():
    figure = evidence.figure(story_incident.incident(STORY), theme.LIGHT)
    words = [one.text for one in figure.layout.annotations]
    assert words.count("<b>acme</b>") == 2
    assert {"victims", "without it", "promised", "capacity", "everyone else"} <= set(words)


def test_what_others_told_is_marked_and_their_words_are_no_markup():
    view = story_incident.incident(STORY)
    inside, outside = view.clock[40], view.clock[0] - timedelta(hours=3)
    notes = [
        AnnotationView(
            id=f"ann_{k}", at=at, title=title, detail="", resource=None, tenant=None, source="api"
        )
        for k, (at, title) in enumerate(
            [(inside, "deploy <b>42</b>"), (inside, "x" * 80), (outside, "long ago")]
        )
    ]
    figure = evidence.figure(view.model_copy(update={"annotations": notes}), theme.LIGHT)
    words = [one.text for one in figure.layout.annotations]
    assert "deploy &lt;b&gt;42&lt;/b&gt;" in words
    assert "x" * 26 + "…" in words
    assert "long ago" not in words


def test_the_evidence_ends_with_the_last_window_anybody_was_measured_in():
    view = story_incident.incident(STORY)

    def late(bands: list[Band]) -> list[Band]:
        blank = {"aggressor", "victims", "others"}
        return [
            b.model_copy(update={"values": [*b.values[:-1], None]}) if b.role in blank else b
            for b in bands
        ]

    half_told = view.model_copy(
        update={
            "aggressor_bands": late(view.aggressor_bands),
            "victim_bands": late(view.victim_bands),
            "resource_bands": late(view.resource_bands),
        }
    )
    figure = evidence.figure(half_told, theme.LIGHT)
    assert all(list(trace.x) == view.clock[:-1] for trace in figure.data)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_names_of_lines_keep_their_order_and_never_touch(levels):
    found = labels.spread([labels.Label(str(k), at, "victims") for k, at in enumerate(levels)])
    placed = [one.level for one in found]
    assert [levels[int(one.words)] for one in found] == sorted(levels)
    assert all(b - a >= labels.GAP - 1e-9 for a, b in pairwise(placed))
    assert max(placed, default=0.0) <= 1.0


def test_an_incident_without_bands_is_still_a_figure():
    bare = story_incident.incident(STORY).model_copy(
        update={"aggressor_bands": [], "victim_bands": [], "resource_bands": [], "clock": []}
    )
    assert len(evidence.figure(bare, theme.LIGHT).data) == 0


def test_a_tenant_is_drawn_in_the_aggressors_colour_only_while_it_is_loud():
    shown = story_incident.usage(STORY, "acme")
    assert theme.AGGRESSOR not in colours(usage.figure(shown, 120.0, theme.LIGHT))
    assert theme.AGGRESSOR in colours(usage.figure(shown, 120.0, theme.LIGHT, loud=True))


def test_cost_bars_say_the_exact_amount_on_hover():
    page = story.costs(STORY)
    figure = cost.figure(page.lines, page.currency, theme.LIGHT)
    assert len(figure.data[0].y) == cost.MOST
    assert figure.data[0].customdata[0] == page.lines[0].direct


def test_no_figure_mixes_red_with_green():
    words = colours(evidence.figure(story_incident.incident(STORY), theme.LIGHT)).lower()
    assert not any(colour in words for colour in ("#ff0000", "#00ff00", "'red'", "'green'"))
