"""The frame: how old the data is, what is wrong, and when the pages must ask again."""

from datetime import UTC, datetime

from dashboard import shell
from dashboard.client import ClientError, Trouble
from dashboard.components.panel import Children
from tests.dashboard import story
from tests.dashboard.story import Story

NOW = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
HEALTH = story.health(Story())
DOWN = ClientError(Trouble.UNREACHABLE, "The analyzer does not answer.", "ab12", "Start it.")


def words(children: Children) -> str:
    return " ".join(str(child) for child in children)


def test_an_unchanged_data_version_leaves_the_pages_alone():
    assert shell.alive(HEALTH, "1.0", 0).version is None
    assert shell.alive(HEALTH, "0.0", 0).version == "1.0"


def test_the_refresh_button_asks_again_within_one_version():
    assert shell.alive(HEALTH, "1.0", 1).version == "1.1"


def test_old_data_is_told_by_word_and_tone():
    old = shell.alive(HEALTH.model_copy(update={"data_age_s": 240.0}), None, 0)
    assert (old.age, old.main_class) == ("data 4 min old", "pw-main is-stale")
    assert "is-warn" in old.age_class
    assert "figures below end there" in words(old.strip)
    dead = shell.alive(HEALTH.model_copy(update={"data_age_s": 4000.0}), None, 0)
    assert "is-bad" in dead.age_class


def test_silent_sources_are_named():
    pulse = shell.alive(HEALTH.model_copy(update={"stale_sources": ["prom-a"]}), None, 0)
    assert "1 source silent: prom-a." in words(pulse.strip)


def test_an_outage_asks_the_pages_once_and_remembers_its_beginning():
    first = shell.outage(DOWN, "1.0", None, NOW)
    assert (first.version, first.down_since) == (shell.OUTAGE, "16:30:00")
    later = shell.outage(DOWN, shell.OUTAGE, first.down_since, NOW.replace(minute=50))
    assert (later.version, later.down_since) == (None, "16:30:00")


def test_after_an_outage_the_pages_ask_again():
    assert shell.alive(HEALTH, shell.OUTAGE, 0).version == "1.0"


def test_only_judgements_are_signed():
    assert shell.wish("incidents/INC-42/label", "confirmed", "mara") == {
        "by": "mara",
        "label": "confirmed",
    }
    assert shell.wish("endpoints/ep-1/test", "", "mara") == {}
