"""Accounts as text: what goes in comes out, in its order, and one is found by its tenant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analyzer.accounts.account import Account, sha256, to_json
from analyzer.accounts.packed import Packed
from tests.dashboard.story import Story
from tests.dashboard.story_money import account

ONE = account(Story(), "2026-W47", Story().names[0])
SOME = [replace(ONE, tenant=f"t{n}", name=f"Größe {n}") for n in range(600)]


def test_what_goes_in_comes_out_in_its_order() -> None:
    packed = Packed(iter(SOME))
    assert len(packed) == 600
    assert list(packed) == SOME
    assert (packed[0], packed[257], packed[-1]) == (SOME[0], SOME[257], SOME[599])
    assert packed[255:258] == SOME[255:258]


def test_one_is_found_by_its_tenant() -> None:
    packed = Packed(SOME)
    assert packed.of("t511") == SOME[511]
    assert packed.of("nobody") is None


def test_a_row_of_the_ledger_is_ready_for_each() -> None:
    first = Packed(SOME).table.slice(0, 1).to_pylist()[0]
    text = to_json(SOME[0])
    assert (first["content"], first["sha256"], first["tenant"]) == (text, sha256(text), "t0")


def test_none_at_all_is_empty() -> None:
    none: list[Account] = []
    packed = Packed(none)
    assert (len(packed), list(packed), packed.of("t0")) == (0, [], None)
    with pytest.raises(IndexError, match="no account 0 of 0"):
        packed[0]
