"""Files are whole or not there; S3 is never overwritten; a mail is the same mail each time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import boto3
import pytest
from moto.server import ThreadedMotoServer

from analyzer.accounts.known import stored_accounts
from analyzer.cost.ledger import stored
from analyzer.notify.channels.message import Message
from analyzer.notify.wire.answer import Answer
from analyzer.reports.delivery.channels import (
    DifferentBytesError,
    UndeliverableError,
    to_folder,
    to_mail,
    to_s3,
)
from analyzer.reports.delivery.letter import letter
from analyzer.reports.delivery.parcel import Parcel, parcel
from analyzer.reports.delivery.settings import DeliverySettings
from analyzer.reports.document import document_of, for_view
from collector.model import TenantId
from tests.analyzer.reports.delivery.house import closed

HOSTILE = "evil\r\nBcc: all@example.com\n=cmd|' /C calc'!A0<script>"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parcel]:
    with closed(1, tmp_path_factory.mktemp("w"), ("acme", HOSTILE)) as store:
        with store.reader() as reader:
            known = stored(reader, "2026-W47")
            assert known is not None
            whole = document_of(known, stored_accounts(reader, "2026-W47", 1))
        yield parcel(for_view(whole, "finance"), ("html", "csv", "pdf"))


# -- file


def test_files_and_a_manifest_with_their_hashes(packed, tmp_path):
    shelf = DeliverySettings("shelf", "folder", str(tmp_path))
    to_folder(packed, shelf, "")
    manifest = json.loads((tmp_path / packed.folder / "manifest.json").read_text())
    assert [f["path"] for f in manifest["files"]] == [p.path for p in packed.pieces]
    for entry in manifest["files"]:
        data = (tmp_path / entry["path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        assert len(data) == entry["bytes"]
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    to_folder(packed, shelf, "")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_crash_half_way_leaves_no_manifest_and_no_half_file(packed, tmp_path, monkeypatch):
    done: list[int] = []

    def failing(handle: int) -> None:
        done.append(handle)
        if len(done) == 3:  # a file, its directory, then the disk is full
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="No space"):
        to_folder(packed, DeliverySettings("shelf", "folder", str(tmp_path)), "")
    names = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert names == ["2026-W47-v1.html"]


# -- s3


@pytest.fixture(scope="module")
def s3() -> Iterator[DeliverySettings]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    _boto(endpoint).create_bucket(Bucket="reports")
    yield DeliverySettings(
        "vault", "s3", "s3://reports/weekly", username="testing", password="testing",
        endpoint=endpoint,
    )  # fmt: skip
    server.stop()


def _boto(endpoint: str):
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="testing", aws_secret_access_key="testing",
    )  # fmt: skip


def test_objects_are_created_and_found_again_by_whoever_comes_second(packed, s3):
    to_s3(packed, s3, "")
    client = _boto(s3.endpoint)
    for piece in packed.pieces:
        got = client.get_object(Bucket="reports", Key=f"weekly/{piece.path}")
        assert got["Body"].read() == piece.data
        assert got["ContentType"] == piece.content_type
    to_s3(packed, s3, "")  # 412, with the same bytes: delivered


def test_other_bytes_in_its_place_are_an_alarm_and_stay(packed, s3):
    client, key = _boto(s3.endpoint), f"weekly/{packed.pieces[0].path}"
    client.put_object(Bucket="reports", Key=key, Body=b"forged")
    with pytest.raises(DifferentBytesError, match="holds other bytes") as raised:
        to_s3(packed, s3, "")
    assert raised.value.final
    assert client.get_object(Bucket="reports", Key=key)["Body"].read() == b"forged"


# -- mail

BOARD = DeliverySettings(
    "board", "mail", "smtp://127.0.0.1:2525", formats=("pdf",), sender="Partywall <p@example.com>",
    recipients=("Ann <ann@example.com>",), unsubscribe="https://example.com/stop",
)  # fmt: skip


def opened(message: Message) -> EmailMessage:
    mail = message_from_bytes(message.body, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def test_a_mail_has_text_html_and_files_and_one_name(packed):
    message = letter(packed, BOARD, BOARD.recipients[0], "https://pw.example.com")
    mail = opened(message)
    assert message.mail is not None
    assert message.mail.recipients == ("ann@example.com",)
    assert next(p.get_content_type() for p in mail.iter_parts()) == "multipart/alternative"
    assert [p.get_filename() for p in mail.iter_attachments()] == [
        "2026-W47-v1.html", "2026-W47-v1.csv", "2026-W47-v1.pdf",
    ]  # fmt: skip
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines()[0] == packed.document.headline()
    html = mail.get_body(("html",))
    assert html is not None
    assert packed.document.sha256 in html.get_content()
    assert mail["Message-ID"].startswith("<2026-W47.1.finance.")
    assert mail["Message-ID"].endswith("@example.com>")
    assert mail["List-Unsubscribe"] == "<https://example.com/stop>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    again = letter(packed, BOARD, BOARD.recipients[0], "https://pw.example.com")
    assert again.body == message.body
    other = letter(packed, BOARD, "bob@example.com", "https://pw.example.com")
    assert opened(other)["Message-ID"] != mail["Message-ID"]


def test_a_mail_too_large_has_a_link_in_place_of_its_files(packed):
    small = DeliverySettings(
        "board", "mail", "smtp://127.0.0.1", sender="p@example.com",
        recipients=("a@example.com",), max_bytes=1000,
    )  # fmt: skip
    message = letter(packed, small, "a@example.com", "https://pw.example.com")
    mail = opened(message)
    assert list(mail.iter_attachments()) == []
    for kind in ("plain", "html"):
        body = mail.get_body((kind,))
        assert body is not None
        assert "https://pw.example.com/reports/2026-W47" in body.get_content()


def test_a_hostile_name_writes_no_header_and_no_line(packed):
    document = for_view(packed.document, "account", TenantId(HOSTILE))
    message = letter(parcel(document, ("csv",)), BOARD, "a@example.com", "https://x")
    mail = opened(message)
    assert mail["Bcc"] is None
    assert "\n" not in mail["Subject"]
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        (Answer(422, error="550 no such mailbox"), True),
        (Answer(503, error="421 busy"), False),
        (Answer(None, error="refused"), False),
    ],
)
def test_what_the_mail_server_answers_decides_whether_to_come_again(packed, answer, final):
    class Server:
        def send(self, message: Message, headers: object) -> Answer:
            return Answer(answer.status, error=answer.error)

    with pytest.raises(UndeliverableError, match=answer.error) as raised:
        to_mail(Server(), "https://x")(packed, BOARD, "a@example.com")
    assert raised.value.final is final


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DeliverySettings("a", "fax", "x"), "channel: 'fax' is unknown"),
        (DeliverySettings("a", "folder", ""), "target: missing"),
        (DeliverySettings("a", "s3", "reports/x"), "names no bucket"),
        (DeliverySettings("a", "folder", "x", "account"), "tenant: missing"),
        (DeliverySettings("a", "folder", "x", tenant="acme"), "for the account view only"),
        (DeliverySettings("a", "folder", "x", formats=("doc",)), "formats: 'doc' is unknown"),
        (DeliverySettings("a", "mail", "localhost", sender="a@b"), "is no mail server"),
        (DeliverySettings("a", "mail", "smtp://x", recipients=("ann",)), "recipients: write"),
        (DeliverySettings("", "folder", "x"), "delivery.name: missing"),
    ],
)
def test_what_cannot_be_delivered_is_said_at_the_start(settings, words):
    assert any(words in problem for problem in settings.problems())


def test_good_settings_have_no_problems():
    assert BOARD.problems() == []
    assert DeliverySettings("a", "folder", "x", "account", tenant="*").problems() == []
