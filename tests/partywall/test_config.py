"""One file for three roles: what it accepts, and how it refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from collector.receivers.simulated import Platform
from partywall import reference
from partywall.config import Config, ConfigError, read
from partywall.demo_config import Places, text
from partywall.failures import Failure

ROOT = Path(__file__).parents[2]


def written(tmp_path: Path, toml: str) -> Path:
    file = tmp_path / "partywall.toml"
    file.write_text(toml)
    return file


def keys(tmp_path: Path, toml: str, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        read(written(tmp_path, toml), env or {})
    return [fault.key for fault in refused.value.faults]


def test_no_file_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = read(env={})
    assert isinstance(config, Config)
    assert config.file is None
    assert config.collector.listen == "127.0.0.1:8601"
    assert config.dashboard.api == "http://127.0.0.1:8602"


def test_the_data_directory_reaches_every_role(tmp_path: Path) -> None:
    config = read(written(tmp_path, '[service]\ndata = "/srv/pw"'), {})
    assert config.collector.spool.directory == Path("/srv/pw/spool")
    assert config.analyzer.spool_directory == Path("/srv/pw/spool")


def test_the_dashboard_asks_the_analyzer_that_is_configured(tmp_path: Path) -> None:
    config = read(written(tmp_path, '[analyzer]\nlisten = "127.0.0.1:9999"'), {})
    assert config.dashboard.api == "http://127.0.0.1:9999"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    env = {"PARTYWALL__COLLECTOR__LISTEN": "127.0.0.1:7001", "PARTYWALL__LIMITS__LABELS": "12"}
    config = read(written(tmp_path, '[collector]\nlisten = "127.0.0.1:1"'), env)
    assert config.collector.listen == "127.0.0.1:7001"
    assert config.collector.limits.labels == 12


@pytest.mark.parametrize(
    ("toml", "found"),
    [
        ("[colector]\n", ["colector"]),
        ("[collector]\nlistn = 'x'", ["collector.listn"]),
        ("[collector]\nlisten = 8601", ["collector.listen"]),
        ("collector = 3", ["collector"]),
        ("[collector.limits]\nlabels = 3", ["collector.limits"]),
        ("[limits]\nlabels = 'many'", ["limits.labels"]),
        ("[[scrape]]\nname = 'a'", ["scrape[0].url"]),
        ("[[scrape]]\nurl = 'gopher://x'", ["scrape[0].url"]),
        ("[[resource]]\nid = 'db:1'\nkind = 'databas'", ["resource[0].kind"]),
        ("[[cost.price]]\nresource = 'db:1'\nper_hour = 0.5", ["cost.price[0].per_hour"]),
        ("[detect]\nharm = 0.5", ["detect.harm"]),
        ("[[token]]\nname = 'x'\nsha256 = 'short'", ["token[0].sha256"]),
        (
            "[[endpoint]]\nname = 'a'\nsecret = 'env:NO_SUCH'",
            ["endpoint[0].secret", "endpoint[0].url"],
        ),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_the_key_as_written(
    tmp_path: Path, toml: str, found: list[str]
) -> None:
    assert keys(tmp_path, toml) == found


def test_all_faults_of_all_roles_come_at_once(tmp_path: Path) -> None:
    toml = "[collector]\nlisten = 1\n[analyzer]\ncycle_s = 'x'\n[dashboard]\nlisten = 2\n[nope]\n"
    assert keys(tmp_path, toml) == [
        "nope",
        "collector.listen",
        "analyzer.cycle_s",
        "dashboard.listen",
    ]


def test_a_variable_that_names_no_setting_is_a_fault(tmp_path: Path) -> None:
    assert keys(tmp_path, "", {"PARTYWALL__DATA": "x"}) == ["PARTYWALL__DATA"]


def test_the_error_says_what_why_and_fix_for_each(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read(written(tmp_path, "[colector]\n[tenancy]\nlabels = 3"), {})
    said = str(refused.value)
    assert "colector: is not a section (did you mean [collector]?)" in said
    assert "tenancy.labels: is 3, not a list" in said
    assert refused.value.code == 2


@pytest.mark.parametrize("content", [b"[collector\n", b"\xff\xfe", b"a = \n"])
def test_what_is_no_toml_is_refused_with_the_place(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "partywall.toml"
    file.write_bytes(content)
    with pytest.raises(Failure, match="is not TOML"):
        read(file, {})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot read"):
        read(tmp_path / "none.toml", {})


def test_the_example_is_a_configuration() -> None:
    config = read(ROOT / "examples" / "partywall.toml", {})
    assert [one.id for one in config.analyzer.resources] == ["db:main"]


@pytest.mark.parametrize("name", ["demo", 'de"mo', "de\\mo", "dé mo"])
def test_the_demo_writes_a_configuration_that_is_accepted(tmp_path: Path, name: str) -> None:
    places = Places("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", sink_port=4)
    config = read(written(tmp_path, text(Platform(30), places, tmp_path / name)), {})
    assert config.service.data == tmp_path / name
    assert len(config.analyzer.tenants) == 30
    assert {price.resource for price in config.analyzer.money().prices} == {
        one.id for one in config.analyzer.resources
    }


@pytest.mark.parametrize("page", ["configuration", "commands"])
def test_the_reference_is_up_to_date(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    kept = (reference.DOCS / f"{page}.md").read_text("utf-8")
    made = reference.commands() if page == "commands" else reference.configuration()
    assert kept == made, "run `make docs`"


def test_every_toml_of_the_reference_is_a_section() -> None:
    headings = [line for line in reference.configuration().splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings))
    for heading in headings:
        tomllib.loads(heading.removeprefix("## ").strip("`"))
