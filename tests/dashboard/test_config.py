"""All mistakes at once, with the key and the remedy."""

from dashboard.config import DashboardSettings


def test_the_defaults_are_fine():
    assert DashboardSettings().problems() == []


def test_all_mistakes_are_told_at_once():
    wrong = DashboardSettings(
        listen="8600", api="ftp://x", public_url="here", refresh_s=0, timeout_s=0
    )
    keys = [problem.partition(":")[0] for problem in wrong.problems()]
    assert keys == [
        "dashboard.listen",
        "dashboard.api",
        "dashboard.public_url",
        "dashboard.refresh_s",
        "dashboard.timeout_s",
    ]


def test_an_ipv6_address_can_be_listened_on():
    settings = DashboardSettings(listen="[::1]:8600")
    assert (settings.problems(), settings.host, settings.port) == ([], "::1", 8600)
