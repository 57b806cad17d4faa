from __future__ import annotations

import logging
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from analyzer.config import AnalyzerSettings
from analyzer.notify import EndpointSettings, NotifySettings, sync_endpoints
from analyzer.notify.endpoints import endpoints
from analyzer.store.database import Store
from analyzer.store.seal import Seal
from tests.analyzer.journal.cast import at

KEYS = [Fernet.generate_key().decode() for _ in range(3)]
SLACK = EndpointSettings(
    name="chat",
    url="https://hooks.example/services/T0AAAA/B0BBBB/wordofthehook",
    secret="whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0",
    routing_key="routingkeyofpagerduty0123456789a",
    token="xoxb-botsownpassword",
    format="json",
)
WORDS = [SLACK.url, "wordofthehook", SLACK.secret, SLACK.routing_key, SLACK.token]


@given(st.text(min_size=1, max_size=300))
def test_what_is_sealed_opens_again_and_never_lies_open(text):
    seal = Seal(keys=KEYS[:1])
    kept = seal.close(text)
    assert seal.open(kept) == text
    assert seal.close("") == ""
    assert len(text) < 8 or text not in kept


def test_no_secret_can_be_found_in_the_files_of_the_store(tmp_path):
    store = Store.open(tmp_path / "partywall.duckdb")
    sync_endpoints(store, NotifySettings(endpoints=(SLACK,)), at(0))
    before = everything(tmp_path)
    store.checkpoint()
    store.close()
    for blob in (before, everything(tmp_path)):
        assert b"chat" in blob  # what is no secret can be found, so the search does search
        assert [word for word in WORDS if word.encode() in blob] == []


def everything(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(directory.glob("partywall.duckdb*")))


def test_the_key_file_is_the_owners_alone(tmp_path, caplog):
    seal = Seal(tmp_path / "secrets.key")
    assert not (tmp_path / "secrets.key").exists()  # nothing to seal, no key
    kept = seal.close("word")
    assert (tmp_path / "secrets.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "secrets.key").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert Seal(tmp_path / "secrets.key").open(kept) == "word"
    assert (tmp_path / "secrets.key").stat().st_mode & 0o777 == 0o600
    assert "0600" in caplog.text


def test_a_secret_survives_a_restart_and_a_change_of_keys(tmp_path):
    for keys in ((KEYS[0],), (KEYS[1], KEYS[0]), (KEYS[1],)):
        store = Store.open(tmp_path / "partywall.duckdb", keys=keys)
        sync_endpoints(store, NotifySettings(endpoints=(SLACK,)), at(0))
        with store.reader() as reader:
            (found,) = endpoints(reader)
        assert (found.url, found.token) == (SLACK.url, SLACK.token)
        store.close()


def test_what_no_key_opens_is_said_kept_and_stops_nothing(tmp_path, caplog):
    store = Store.open(tmp_path / "partywall.duckdb", keys=KEYS[:1])
    with store.transaction() as tx:
        sealed = Seal(keys=KEYS[2:]).close("https://a.example/")
        tx.execute(
            "notify_endpoint_insert",
            id="ep_1", called="lost", source="api", now=at(0).replace(tzinfo=None), url=sealed,
            format="json", secret="", routing_key="", token="", options="", events=[],
        )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        sync_endpoints(store, NotifySettings(), at(0))
    assert "put the old key back" in caplog.text
    assert store.rows("notify_endpoint", id="ep_1")[0][2] == sealed
    store.close()


def test_what_lay_open_before_is_sealed_at_the_next_start():
    store = Store.open(None)
    with store.transaction() as tx:
        tx.execute(
            "notify_endpoint_insert",
            id="ep_1", called="old", source="api", now=at(0).replace(tzinfo=None),
            url=SLACK.url, format="json", secret=SLACK.secret, routing_key="", token="",
            options="", events=[],
        )  # fmt: skip
    sync_endpoints(store, NotifySettings(), at(0))
    assert SLACK.url not in str(store.rows("notify_endpoints"))
    with store.reader() as reader:
        (found,) = endpoints(reader)
    assert (found.url, found.secret) == (SLACK.url, SLACK.secret)
    store.close()


def test_a_key_that_is_none_is_told_with_its_remedy():
    (said,) = AnalyzerSettings(secrets_key="hunter2").problems()
    assert said.startswith("analyzer.secrets_key:")
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(keys=["hunter2"])


def test_secrets_are_in_no_repr():
    store = Store.open(None)
    sync_endpoints(store, NotifySettings(endpoints=(SLACK,)), at(0))
    with store.reader() as reader:
        (found,) = endpoints(reader)
    settings = AnalyzerSettings(endpoints=(SLACK,), secrets_key=KEYS[0])
    shown = f"{found!r} {found.addressee()!r} {settings!r} {Seal(keys=KEYS)!r}"
    assert [word for word in (*WORDS, *KEYS) if word in shown] == []
    store.close()
