"""An incident in a few sentences."""

from datetime import timedelta

from dashboard.gist import felt, gist
from tests.dashboard import story_incident
from tests.dashboard.story import Story

VIEW = story_incident.incident(Story())


def test_it_says_who_whom_when_and_what_would_have_been():
    assert gist(VIEW) == [
        "acme asks for 6.4 times its usual load, 52 % of all work on db:shard-3, "
        "from 16:06:00 UTC on, noticed after 2 min.",
        "Callers of 18 tenants typically wait 180 ms instead of 75.7 ms; "
        "worst off is acct-00153 with 191 ms.",
        "Without the excess the model puts them at 1.0 times their normal latency, not 2.3.",
    ]


def test_what_is_over_is_told_as_past():
    over = VIEW.model_copy(update={"ended_at": VIEW.started_at + timedelta(hours=1)})
    assert "acme asked for" in gist(over)[0]
    assert "typically waited" in gist(over)[1]


def test_a_tenant_nobody_expected_has_no_ratio():
    blame = VIEW.blames[0].model_copy(update={"times_expected": 0.0})
    view = VIEW.model_copy(update={"blames": [blame], "detected_at": None})
    assert gist(view)[0].startswith("acme asks for work nobody expected of it, 52 %")
    assert "noticed" not in gist(view)[0]


def test_only_what_is_known_is_said():
    errors = [harm for harm in VIEW.harms if harm.signal == "errors"]
    view = VIEW.model_copy(update={"harms": errors, "stretch_without": None})
    assert len(gist(view)) == 1
    assert felt(errors) is None


def test_one_victim_is_not_compared_with_itself():
    alone = [harm for harm in VIEW.harms if harm.signal == "latency"][:1]
    said = gist(VIEW.model_copy(update={"harms": alone}))[1]
    assert said == "Callers of 1 tenant wait 167 ms instead of 73 ms."


def test_where_nobody_is_to_blame_the_analyzer_speaks():
    view = VIEW.model_copy(update={"kind": "capacity", "blames": []})
    assert gist(view) == VIEW.explanation[1:4]


def test_a_gentler_limit_is_told_beside_the_whole():
    view = VIEW.model_copy(update={"relief_curve": [(0.5, 1.4), (1.0, 1.0)]})
    assert gist(view)[2].endswith("not 2.3; with half of it gone, at 1.4.")


def test_on_a_collapse_only_whether_they_would_be_back_is_told():
    view = VIEW.model_copy(update={"stretch_without": None, "recovers": True})
    assert "would be back inside their normal" in gist(view)[2]
    assert "would still not be back" in gist(view.model_copy(update={"recovers": False}))[2]
