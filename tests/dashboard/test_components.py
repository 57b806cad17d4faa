"""Small parts say what they should."""

import pytest

from analyzer.api.views.alerts import EndpointIn
from analyzer.api.views.incidents import CheckView
from analyzer.api.views.routing import MaintenanceIn, RouteIn
from analyzer.notify.channels import CHANNELS
from dashboard.components import endpoint_form, plan_forms
from dashboard.components.banner import banner
from dashboard.components.checklist import checklist
from dashboard.components.decision import headline
from dashboard.components.grid import GridColumn, column_def
from tests.dashboard import story, story_incident
from tests.dashboard.story import Story

STORY = Story()


def test_calm_on_old_data_is_calm_of_then():
    fresh = story.health(Story(calm=True))
    old = fresh.model_copy(update={"data_age_s": 7200.0})
    assert "not on now" not in str(banner(fresh, None))
    assert "Judged on data up to Fri 20 Nov 16:29 UTC" in str(banner(old, None))


def test_the_banner_leads_to_the_worst_incident():
    words = str(banner(story.health(STORY), story.incident_summary(STORY)))
    assert "acme is slowing 18 tenants" in words
    assert "/incidents/INC-42" in words


def test_a_suspicion_is_said_quietly():
    pending = story.incident_summary(STORY, 40).model_copy(update={"state": "pending"})
    calm = story.health(Story(calm=True))
    alone = banner(calm, None, [pending])
    assert "pw-banner is-watch" in str(alone)
    assert "Watching: " in str(alone)
    assert "/incidents/INC-40" in str(alone)
    beside = banner(story.health(STORY), story.incident_summary(STORY), [pending, pending])
    assert "pw-banner is-bad" in str(beside)
    assert " and 1 more" in str(beside)
    assert "Watching" not in str(banner(calm, None))


def test_a_test_that_could_not_be_made_is_not_a_passed_one():
    check = CheckView(name="Controls", passed=None, value=None, threshold=None, detail="too few")
    words = str(checklist([check]))
    assert "unknown" in words
    assert "✓" not in words


def test_a_decision_says_the_limit_with_its_interval_and_unit():
    assert headline(story_incident.decision(STORY)) == (
        "Throttle acme on db:shard-3 to 2.1 busy seconds per second (1.8 to 2.6)"
    )


@pytest.mark.parametrize(
    ("name", "url", "words"),
    [
        (None, None, "name"),
        ("  ", "https://x.example", "name"),
        ("ops", None, "https://"),
        ("ops", "ftp://x.example", "https://"),
        ("ops", "javascript:alert(1)", "https://"),
    ],
)
def test_an_endpoint_needs_a_name_and_an_address(name, url, words):
    said = endpoint_form.wish(name, url, "slack")
    assert isinstance(said, str)
    assert words in said


def test_an_endpoint_is_asked_for_as_it_was_typed_but_for_blanks():
    assert endpoint_form.wish(" ops ", " https://x.example ", None) == {
        "name": "ops",
        "url": "https://x.example",
        "format": "alertmanager",
    }


def test_a_secret_is_told_only_where_there_is_one():
    made = story_incident.endpoints(STORY)[0]
    assert "not shown again" not in str(endpoint_form.told(made))
    assert "whsec_x" in str(endpoint_form.told(made.model_copy(update={"secret": "whsec_x"})))


def test_the_form_offers_every_format_the_analyzer_renders():
    assert {value for value, _ in endpoint_form.FORMATS} == set(CHANNELS)


def test_the_form_asks_for_what_a_format_needs_and_sends_nothing_else():
    extras = [f"value {number}" for number, _ in enumerate(endpoint_form.EXTRAS)]
    slack = endpoint_form.wish("a", "https://slack.com/api", "slack", extras)
    assert slack == {
        "name": "a", "url": "https://slack.com/api", "format": "slack", "token": "value 1",
        "channel": "value 2",
    }  # fmt: skip
    mail = endpoint_form.wish("a", "smtps://mail.example", "email", ["a@b.c, d@e.f"] * 9)
    assert isinstance(mail, dict)
    assert mail["recipients"] == ["a@b.c", "d@e.f"]
    assert "routing_key" not in mail
    assert endpoint_form.wish("a", "https://x", "email") == (
        "The address begins with smtps:// or smtp://."
    )
    keys = {one.key for one in endpoint_form.EXTRAS}
    assert keys <= set(EndpointIn.model_fields)


def test_only_the_fields_of_the_chosen_format_are_shown():
    styles = endpoint_form.shown("email")
    seen = [one.key for one, style in zip(endpoint_form.EXTRAS, styles, strict=True) if not style]
    assert seen == ["sender", "recipients", "username", "token"]
    assert all(endpoint_form.shown("alertmanager"))


def test_money_columns_sort_as_numbers():
    found = column_def(GridColumn("total", "Total", number=True, money=True))
    assert found["comparator"] == {"function": "pwByNumber"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("", "", "", "0", "0", "", "", False), "Give it a name."),
        (("n", "", "", "0", "300", "", "", False), "Say both when"),
        (("n", "", "", "0", "0", "boss", "", False), "Say both when"),
    ],
)
def test_a_route_says_what_is_missing(given, said):
    assert str(plan_forms.route_wish(*given)).startswith(said)


def test_a_route_is_sent_as_the_api_wants_it():
    given = (" n ", "severity = page", "", "3600", "900", "boss, chief", "mail", True)
    assert plan_forms.route_wish(*given) == {
        "name": "n", "match": ["severity = page"], "to": ["*"], "continues": True,
        "repeat_s": 3600.0, "fallback": "mail",
        "steps": [{"after_s": 900.0, "to": ["boss", "chief"]}],
    }  # fmt: skip
    RouteIn.model_validate(plan_forms.route_wish(*given))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("", "a = b", "", "", "", "", 60, "", ""), "Give it a name."),
        (("n", "", "now", "now+1h", "", "", 60, "", ""), "Say whose events"),
        (("n", "a = b", "now", "", "", "", 60, "", ""), "Say from when"),
        (("n", "a = b", "now", "now+1h", "sat", "02:00", 60, "", ""), "Plan it once"),
    ],
)
def test_planned_work_says_what_is_missing(given, said):
    assert str(plan_forms.window_wish(*given)).startswith(said)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (
            ("n", "a = b", "now", "now+1h", "", "", 60, "", "why"),
            {"starts_at": "now", "ends_at": "now+1h"},
        ),
        (
            ("n", "a = b", "", "", "sat, sun", "02:00", "", "", "why"),
            {"days": ["sat", "sun"], "at": "02:00", "minutes": 60, "zone": "UTC"},
        ),
    ],
)
def test_planned_work_is_sent_as_the_api_wants_it(given, sent):
    wanted = plan_forms.window_wish(*given)
    assert wanted == {"name": "n", "match": ["a = b"], "reason": "why"} | sent
    MaintenanceIn.model_validate(wanted)
