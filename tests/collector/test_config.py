from pathlib import Path

import pytest

from collector.config import (
    CollectorSettings,
    DiscoverySettings,
    LimitSettings,
    MeterRule,
    ScrapeTarget,
    SpoolSettings,
    TenancySettings,
    TenantLimits,
    Token,
)

TOKEN = Token("t", "0123456789abcdef")


def test_the_defaults_are_fine():
    assert CollectorSettings().problems() == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (CollectorSettings(listen="8601"), "collector.listen"),
        (CollectorSettings(listen="127.0.0.1:http"), "collector.listen"),
        (CollectorSettings(listen="127.0.0.1:99999"), "collector.listen"),
        (CollectorSettings(listen="0.0.0.0:8601"), "collector.listen"),
        (CollectorSettings(listen="example.org:8601"), "collector.listen"),
        (CollectorSettings(limits=LimitSettings(burst=0)), "limits.burst"),
        (CollectorSettings(limits=LimitSettings(labels=-1)), "limits.labels"),
        (
            CollectorSettings(limits=LimitSettings(tenants=(TenantLimits("a", burst=-1),))),
            "limits.tenants",
        ),
        (CollectorSettings(scrape=(ScrapeTarget("ftp://x"),)), "scrape[0].url"),
        (CollectorSettings(scrape=(ScrapeTarget("http://x", timeout_s=60),)), "scrape[0].timeout"),
        (CollectorSettings(meters=(MeterRule("("),)), "meter[0].name"),
        (CollectorSettings(meters=(MeterRule("x", labels={"l": "["}),)), "meter[0].l"),
        (CollectorSettings(meters=(MeterRule("x", scale=0),)), "meter[0].scale"),
        (CollectorSettings(tokens=(Token("t", "short"),)), "token[0].token"),
        (CollectorSettings(tokens=(Token("t"),)), "token[0].token"),
        (CollectorSettings(tokens=(Token("t", sha256="xyz"),)), "token[0].sha256"),
        (CollectorSettings(tokens=(Token("t", TOKEN.token, scope="root"),)), "token[0].scope"),
        (CollectorSettings(tenancy=TenancySettings(labels=())), "tenancy.labels"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(settings, key):
    (problem,) = settings.problems()

    assert problem.startswith(key)
    assert ", " in problem or ": " in problem


def test_every_problem_is_told_at_once():
    settings = CollectorSettings(
        listen="x", limits=LimitSettings(burst=0), meters=(MeterRule("("),)
    )

    assert len(settings.problems()) == 3


def test_an_open_address_is_fine_once_there_is_a_token():
    assert CollectorSettings(listen="0.0.0.0:8601", tokens=(TOKEN,)).problems() == []


def test_the_spool_lies_in_the_data_unless_it_is_given(tmp_path):
    given = SpoolSettings(directory=tmp_path / "elsewhere")

    assert CollectorSettings(data=tmp_path).spooling.directory == tmp_path / "spool"
    assert CollectorSettings(data=tmp_path, spool=given).spooling == given


def test_a_secret_is_not_shown_by_repr():
    assert TOKEN.token not in repr(CollectorSettings(tokens=(TOKEN,)))


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:8601", ("::1", 8601))],
)
def test_the_address_is_host_and_port(listen, address):
    assert CollectorSettings(listen=listen).address == address


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (DiscoverySettings(""), "job: empty"),
        (DiscoverySettings("web"), "files: give either"),
        (DiscoverySettings("web", files=("a",), url="http://a/b"), "files: give either"),
        (DiscoverySettings("web", url="ftp://a"), "url: "),
        (DiscoverySettings("web", files=("a",), refresh_s=0), "refresh_s: "),
        (DiscoverySettings("web", files=("a",), timeout_s=99), "timeout_s: "),
        (DiscoverySettings("web", files=("a",), bearer="x", username="y"), "bearer: "),
        (DiscoverySettings("web", files=("a",), sample_limit=-1), "sample_limit: "),
        (DiscoverySettings("web", files=("a",), ca_file=Path("/nowhere")), "ca_file: "),
    ],
)
def test_a_source_of_targets_that_cannot_work_is_named(source, word):
    found = CollectorSettings(discovery=(source,)).problems()

    assert any(one.startswith(f"discovery[0].{word}") for one in found), found


def test_two_targets_of_one_name_are_named():
    targets = (ScrapeTarget("http://a:1/x", name="a"), ScrapeTarget("http://b:1/x", name="a"))

    assert any("'a' is there twice" in one for one in CollectorSettings(scrape=targets).problems())
