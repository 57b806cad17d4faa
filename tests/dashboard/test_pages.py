"""What pages say of the story."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from dash.development.base_component import Component
from plotly.utils import PlotlyJSONEncoder

from analyzer.api.views.alerts import SilenceElsewhere
from analyzer.api.views.incidents import LinkView
from dashboard import address, pages
from dashboard.client import Client
from dashboard.components import rule_forms, rules
from dashboard.components.exchange import exchange
from dashboard.config import DashboardSettings
from dashboard.pages import alerts, cost, incident, incidents, overview, shards, tenants
from dashboard.paging import Pages, Wish
from tests.dashboard import story, story_alerts, story_incident
from tests.dashboard.fake_api import FakeApi
from tests.dashboard.story import Story

STORY = Story()
VIEW = story_incident.incident(STORY)
ALL = [story.incident_summary(STORY, number) for number in range(42, 36, -1)]


def every(component: Component) -> list[Component]:
    return list(component._traverse())  # type: ignore[no-untyped-call]


def ids(component: Component) -> list[str]:
    return [str(one.id) for one in every(component) if hasattr(one, "id")]


@pytest.mark.parametrize(
    "path",
    ["/", "/incidents", "/incidents/INC-42", "/tenants", "/tenants/acme", "/shards", "/cost",
     "/reports", "/alerts", "/health"],
)  # fmt: skip
def test_every_page_has_one_heading_and_no_id_twice(path):
    page = pages.render(address.read(path, ""))
    headings = [one for one in every(page) if type(one).__name__ == "H1"]
    found = [str(one) for one in ids(page)]
    assert len(headings) == 1
    assert len(found) == len(set(found))


def test_panel_ids_are_unique_over_the_frame_and_all_pages():
    from dashboard import shell

    taken = {str(one) for one in ids(shell.layout(5.0))}
    for path in ("/", "/incidents", "/incidents/x", "/tenants", "/tenants/x", "/shards", "/cost"):
        found = {str(one) for one in ids(pages.render(address.read(path, "")))}
        assert not found & taken, path


def test_an_unknown_address_says_so():
    assert "No such page" in str(pages.render(address.read("/nope", "")))


def test_the_worst_incident_is_a_page_with_somebody_to_blame():
    worst = overview.worst(list(reversed(ALL)))
    assert worst is not None
    assert worst.id == "INC-42"
    assert overview.worst([]) is None


def test_the_blamed_are_gathered_by_resource():
    assert overview.blamed(ALL)["db:shard-3"] == frozenset({"acme"})


def test_overview_numbers_without_a_price_sheet_say_so():
    cards = overview.cards(story.health(STORY), None)
    assert [card.value for card in cards] == ["2", "18", "94 %", "–", "1"]
    assert cards[3].note == "no price sheet yet"


def test_a_fresh_start_divides_by_no_tenants():
    assert overview.cards(story.health(Story(tenants=0)), None)[1].note == "0.0% of 0"


def test_incident_numbers_tell_who_how_much_and_at_what_price():
    values = [card.value for card in incident.facts(VIEW)]
    assert values == ["6.4×", "18", "+104 ms", "94 %", "18.40 EUR"]


def test_labels_are_told_as_a_part_and_what_they_ask_for():
    view = story_incident.precision(STORY)
    words = incidents.verdict(view)
    assert words.startswith("19 of 24 judged incidents were confirmed: 79 % (60 % to 91 %).")
    assert "Labels ask for a threshold of 0.65 instead of 0.35" in words
    assert "[tuning] enabled = true" in words
    tuned = view.model_copy(update={"tuning": True, "in_force": 0.65})
    assert "The threshold is 0.65, not 0.35" in incidents.verdict(tuned)
    rows = incidents.precision_rows(view)
    assert [row[:3] for row in rows] == [
        ["Noisy neighbour", "20", "15"], ["Capacity", "4", "4"], ["all", "24", "19"],
    ]  # fmt: skip


def test_one_trouble_on_two_resources_is_a_way_from_its_cause():
    began = VIEW.started_at
    chain = [
        LinkView(incident="INC-Q", resource="queue:jobs", kind="noisy_neighbour",
                 started_at=began, ended_at=None, victims=12),
        LinkView(incident=VIEW.id, resource=VIEW.resource, kind="noisy_neighbour",
                 started_at=began, ended_at=None, victims=1),
    ]  # fmt: skip
    shown = json.dumps(incident.head(VIEW.model_copy(update={"chain": chain})),
                       cls=PlotlyJSONEncoder)  # fmt: skip
    assert shown.index("queue:jobs") < shown.index(": 12 tenants suffer")
    assert shown.index(": 12 tenants suffer") < shown.index(": 1 tenant suffers")
    assert "/incidents/INC-Q" in shown
    part = incident.head(VIEW.model_copy(update={"part_of": "INC-9"}))
    assert "/incidents/INC-9" in json.dumps(part, cls=PlotlyJSONEncoder)


def test_an_incident_that_blames_nobody_charges_nobody():
    bare = VIEW.model_copy(update={"blames": [], "harms": [], "cost": None, "utilisation": None})
    assert [card.value for card in incident.facts(bare)] == ["–", "0", "–", "–", "2 min"]


def test_no_promise_is_not_a_promise_kept():
    unset = [harm.model_copy(update={"past_slo": None}) for harm in VIEW.harms]
    assert incident.facts(VIEW)[1].note == "11 past their promise"
    free = VIEW.model_copy(update={"harms": unset})
    assert incident.facts(free)[1].note == "no latency promised to them"


def test_without_a_price_the_card_says_how_soon_it_was_noticed():
    free = VIEW.model_copy(update={"cost": None})
    card = incident.facts(free)[-1]
    assert (card.name, card.value) == ("Noticed after", "2 min")
    unsure = free.model_copy(update={"detected_at": None})
    assert incident.facts(unsure)[-1].value == "–"


def test_each_test_of_the_evidence_is_told_once():
    blamed = VIEW.blames[0].checks
    other = blamed[0].model_copy(update={"name": "load_grew"})
    repeated = VIEW.model_copy(update={"checks": [*blamed, other]})
    assert incident.unsaid(repeated) == [other]
    words = str(incident.why(repeated).values[0])
    assert words.count("Dose and response") == 1
    assert words.count("Everybody's load grew") == 1


def test_every_sentence_of_the_analyzer_is_kept_behind_the_few():
    words = str(incident.head(VIEW))
    silence = SilenceElsewhere(
        where="am-1", silence="s", until=VIEW.started_at, author="ada", comment="we know", url="u"
    )
    hushed = str(incident.head(VIEW.model_copy(update={"silenced_elsewhere": [silence]})))
    assert "Silenced in am-1 until" in hushed
    assert "by ada: we know" in hushed
    assert "Silenced" not in words
    assert "All the evidence in words" in words
    assert all(sentence in words for sentence in VIEW.explanation)


def test_victims_are_told_in_the_unit_of_what_they_felt():
    rows = {row["signal"]: row for row in map(incident.victim_row, VIEW.harms)}
    assert str(rows["latency"]["before_words"]).endswith("ms")
    assert rows["errors"]["before_words"] == "0.2 %"
    assert rows["errors"]["without_words"] == "–"


def test_a_victim_that_felt_nothing_before_has_no_ratio():
    harm = VIEW.harms[0].model_copy(update={"before_s": 0.0})
    assert incident.victim_row(harm)["times"] is None


def test_what_was_done_is_not_offered_again():
    done = VIEW.model_copy(update={"acknowledged_by": "mara", "label": "confirmed"})
    assert [button.children for button in incident.actions(done)] == ["Mark false alarm"]


def test_only_proposed_decisions_have_buttons():
    from dashboard.components.decision import decision

    proposed = VIEW.decisions[0]
    assert "Approve" in str(decision(proposed))
    assert "Approve" not in str(decision(proposed.model_copy(update={"state": "active"})))


def test_incidents_that_go_on_say_so():
    assert incidents.row(ALL[0])["lasted_words"] == "goes on"
    assert incidents.row(ALL[2])["owner"] == "mara, confirmed"


def test_money_stays_the_analyzers_decimal_string():
    page = story.costs(STORY)
    assert cost.row(page.lines[0])["total"] == page.lines[0].total


def test_days_to_full_are_counted_only_where_known():
    cards = shards.cards(story.density(STORY))
    assert (cards[0].value, cards[0].note) == ("94 %", "db:shard-3")


def test_given_up_messages_are_counted_apart_from_waiting_ones():
    cards = alerts.cards(story_incident.deliveries(STORY), story_incident.endpoints(STORY))
    assert [card.value for card in cards] == ["22", "1", "1", "1"]


@pytest.mark.parametrize(
    ("request_", "sort", "order"),
    [
        ({"startRow": 0}, "noise", "desc"),
        ({"sortModel": [{"colId": "p95_s", "sort": "asc"}]}, "p95_s", "asc"),
        ({"sortModel": [{"colId": "__class__", "sort": "x"}]}, "noise", "desc"),
        ({"sortModel": [7]}, "noise", "desc"),
        ({"sortModel": "p95_s"}, "noise", "desc"),
    ],
)
def test_the_grid_may_sort_only_by_what_the_api_knows(request_, sort, order):
    wish = tenants.wish(request_, address.read("/tenants", ""))
    assert (wish.sort, wish.order) == (sort, order)


def test_ten_thousand_tenants_come_in_blocks_and_each_once():
    async def work() -> Any:
        fake = FakeApi("large")
        api = Client(DashboardSettings(), transport=httpx.ASGITransport(fake.app()))
        walk = Pages(api)
        starts = [0, 100, 9_900, 500, 20_000]
        found = [await walk.slice(Wish(sort="id", order="asc"), start) for start in starts]
        await api.close()
        return found

    blocks = asyncio.run(work())
    assert [total for _, total in blocks] == [10_000] * 5
    assert [len(rows) for rows, _ in blocks] == [100, 100, 100, 100, 0]
    assert blocks[0][0][0].id < blocks[1][0][0].id < blocks[3][0][0].id < blocks[2][0][0].id


def test_what_was_skipped_is_not_waiting():
    rows = story_incident.deliveries(STORY)
    skipped = rows[0].model_copy(update={"state": "skipped", "delivered_at": None})
    cards = alerts.cards([skipped, *rows[1:]], story_incident.endpoints(STORY))
    assert [card.value for card in cards] == ["21", "1", "1", "1"]


def words(component: Component) -> str:
    return json.dumps(component, cls=PlotlyJSONEncoder, ensure_ascii=False)


def test_rules_are_told_in_words():
    told = words(rules.routes(story_alerts.routes(STORY)))
    for word in ("severity = page", "no endpoint pagre", "10 min: ops-webhook", "2 h", "the API"):
        assert word in told
    told = words(rules.silences(story_alerts.silences(STORY)))
    for word in ("migration 42", "silences/sil_1/expire", "INC-42", "active", "expired"):
        assert word in told
    assert "silences/sil_0/expire" not in told
    told = words(rules.windows(story_alerts.windows(STORY)))
    assert "sat, sun 02:00 Europe/Berlin, 90 min" in told


def test_what_went_over_the_wire_is_shown_as_text():
    found = story_alerts.delivery(STORY, "dl-6")
    told = words(exchange(found))
    assert "deliveries/dl-6/replay" in told
    assert "webhook-id: evt_1" in told
    assert "dangerouslySetInnerHTML" not in told


def test_matchers_are_parted_by_commas():
    assert rule_forms.parted(" severity = page, plan = a|b ,, ") == [
        "severity = page",
        "plan = a|b",
    ]
    assert rule_forms.parted(None) == []
