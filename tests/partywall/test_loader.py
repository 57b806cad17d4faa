"""Tables into settings: every fault at once, with its key and its remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Literal, NewType

import pytest

from partywall.loader import EnvText, Fault, load

Id = NewType("Id", str)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Door:
    name: str
    width: float = 0.9


@dataclass(frozen=True, slots=True)
class House:
    id: Id = Id("home")
    floors: int = 1
    price: Decimal = Decimal("1")
    lived_in: bool = True
    colour: Colour = Colour.RED
    roof: Literal["flat", "steep"] = "flat"
    plan: Path = Path("plan")
    owner: str | None = None
    doors: tuple[Door, ...] = ()
    lucky: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def house(**table: object) -> tuple[House | None, list[Fault]]:
    faults: list[Fault] = []
    return load(House, table, "house", faults), faults


def test_an_empty_table_is_the_defaults() -> None:
    assert house() == (House(), [])


def test_every_kind_of_field_is_read() -> None:
    built, faults = house(
        id="villa", floors=2, price="0.10", lived_in=False, colour="blue", roof="steep",
        plan="p.svg",
        owner="acme", door=[{"name": "front", "width": 1}], lucky=[3, 7], labels={"a": "b"},
    )  # fmt: skip
    assert faults == []
    assert built == House(
        Id("villa"), 2, Decimal("0.10"), False, Colour.BLUE, "steep", Path("p.svg"), "acme",
        (Door("front", 1.0),), (3, 7), {"a": "b"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "key", "what"),
    [
        ({"flors": 1}, "house.flors", "did you mean floors?"),
        ({"floors": "2"}, "house.floors", "a whole number"),
        ({"floors": 1.5}, "house.floors", "a whole number"),
        ({"floors": True}, "house.floors", "a whole number"),
        ({"price": float("nan")}, "house.price", "a finite number"),
        ({"price": "cheap"}, "house.price", "a number"),
        ({"lived_in": 1}, "house.lived_in", "true or false"),
        ({"colour": "green"}, "house.colour", "one of red, blue"),
        ({"roof": "round"}, "house.roof", "one of flat, steep"),
        ({"owner": 3}, "house.owner", "text in quotes"),
        ({"doors": {"name": "front"}}, "house.doors", "not a list"),
        ({"door": [{"width": 1.0}]}, "house.door[0].name", "is missing"),
        ({"door": [{"name": "a", "width": "wide"}]}, "house.door[0].width", "a number"),
        ({"lucky": [1, "two"]}, "house.lucky[1]", "a whole number"),
        ({"labels": "a=b"}, "house.labels", "not a table"),
        ({"labels": {"a": 1}}, "house.labels.a", "text in quotes"),
        ({"owner": "env:PARTYWALL_NOT_SET"}, "house.owner", "is not set"),
        ({"owner": "file:/does/not/exist"}, "house.owner", "No such file"),
    ],
)
def test_a_fault_names_its_key_and_a_remedy(table: dict[str, object], key: str, what: str) -> None:
    built, faults = house(**table)
    assert built is None
    assert [fault.key for fault in faults] == [key]
    assert what in str(faults[0])


def test_all_faults_are_found_at_once() -> None:
    _, faults = house(flors=1, floors="x", colour="green", door=[{}, {"name": 3}])
    assert [fault.key for fault in faults] == [
        "house.flors", "house.floors", "house.colour", "house.door[0].name", "house.door[1].name",
    ]  # fmt: skip


def test_a_key_written_in_both_its_forms_is_a_fault() -> None:
    _, faults = house(doors=[{"name": "a"}], door=[{"name": "b"}])
    assert [fault.key for fault in faults] == ["house.door"]


def test_text_of_the_environment_becomes_what_the_field_is() -> None:
    built, faults = house(
        floors=EnvText("3"), price=EnvText("2.5"), lived_in=EnvText("FALSE"),
        colour=EnvText("blue"),
        lucky=EnvText("[1, 2]"), owner=EnvText("007"), door=EnvText('[{name = "a"}]'),
    )  # fmt: skip
    assert faults == []
    assert built == House(
        floors=3, price=Decimal("2.5"), lived_in=False, colour=Colour.BLUE, lucky=(1, 2),
        owner="007", doors=(Door("a"),),
    )  # fmt: skip


def test_secrets_are_read_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("swordfish\n")
    monkeypatch.setenv("HOUSE_OWNER", "globex")
    assert house(owner=f"file:{tmp_path / 'secret'}")[0] == House(owner="swordfish")
    assert house(owner="env:HOUSE_OWNER")[0] == House(owner="globex")
