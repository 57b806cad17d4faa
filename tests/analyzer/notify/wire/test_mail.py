"""Mails, handed to a real SMTP server on a loopback port."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from analyzer.model import IncidentState
from analyzer.notify import EndpointSettings, HttpTransport, NotifySettings
from analyzer.notify.channels import render
from analyzer.notify.channels.message import MAX_BODY, Addressee, Options
from tests.analyzer.journal.cast import at, incident, opened, resolved
from tests.analyzer.notify.fakes import Mailbox, mail_server
from tests.analyzer.notify.house import deliver, listening, states, write
from tests.analyzer.notify.test_channels import EVENTS

SENDER, OPS = "Partywall <alerts@partywall.example>", "ops@example.com"
TO = Addressee("mail", "smtps://mail.example", options=Options(sender=SENDER, recipients=(OPS,)))


@dataclass(frozen=True)
class Papers:
    """A certificate for 127.0.0.1, for who serves and who calls."""

    serving: ssl.SSLContext
    calling: ssl.SSLContext


@pytest.fixture(scope="module")
def papers(tmp_path_factory) -> Papers:
    directory: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)  # noqa: TID251
    host = x509.IPAddress(__import__("ipaddress").ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (directory / "both.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(directory / "both.pem")
    return Papers(serving, ssl.create_default_context(cadata=pem.decode()))


def listened(store, box: Mailbox, **more) -> NotifySettings:
    wanted = EndpointSettings(
        "mail", box.url, "email", sender=SENDER, recipients=(OPS, "cto@example.com"), **more
    )
    assert wanted.problems() == []
    return listening(store, wanted)


def errors(store) -> list[str]:
    records = store.records(
        "notify_deliveries", id=None, state=None, endpoint=None, incident=None, limit=9
    )
    return [record["error"] for record in records]


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


def test_a_mail_says_it_as_text_and_as_html(store, box):
    settings = listened(store, box)
    write(store, opened(), now=at(1))
    assert deliver(store, settings, at(1)).delivered == 1
    (mail,) = box.mails
    assert box.envelopes == [("alerts@partywall.example", [OPS, "cto@example.com"])]
    assert mail["subject"] == "[Partywall] Opened: NoisyNeighbour on db:shard-3 (INC-1)"
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert rich is not None
    for part in (plain, rich):
        assert "https://partywall.example/incidents/INC-1" in part.get_content()
        assert "globex" in part.get_content()


def test_the_mails_of_an_incident_are_one_conversation(store, box):
    settings = listened(store, box)
    write(store, opened(), now=at(1))
    deliver(store, settings, at(1))
    write(store, resolved(), now=at(9))
    deliver(store, settings, at(9))
    first, second = box.mails
    assert first["references"] == second["references"] == "<INC-1@partywall.example>"
    assert first["message-id"] != second["message-id"]
    assert second["subject"].startswith("[Partywall] Resolved: ")


def test_a_mail_sent_again_is_the_same_mail(store, box):
    settings = listened(store, box)
    box.answers = ["451 4.3.0 come back later"]
    write(store, opened(), now=at(1))
    assert deliver(store, settings, at(1)).retried == 1
    assert errors(store) == ["451 4.3.0 come back later"]
    assert deliver(store, settings, at(2)).delivered == 1
    (delivery,) = store.rows("notify_all_attempts")[:1]
    (mail,) = box.mails
    event = store.rows("notify_events_of", lane="INC-1")
    assert mail["message-id"].split("@")[0][1:] in str(event)
    assert delivery


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_makes_the_same_small_mail_again(name):
    first, second = render(EVENTS[name], TO, "email"), render(EVENTS[name], TO, "email")
    assert first is not None
    assert first == second
    assert len(first.body) <= MAX_BODY
    assert all(line.isascii() for line in first.body.split(b"\r\n\r\n")[0].splitlines())


def test_no_name_can_write_a_header():
    evil = "x\r\nBcc: all@example.com\r\n\r\nbody"
    event = replace(
        EVENTS["opened"], incident=incident(resource=evil), summary=evil, facts=((evil, evil),)
    )
    message = render(event, TO, "email")
    assert message is not None
    assert b"\nBcc" not in message.body.split(b"\r\n\r\n")[0]
    assert b"\r\nbody" not in message.body


def test_a_name_is_no_html():
    message = render(EVENTS["nasty"], TO, "email")
    assert message is not None
    assert b"</script>" not in message.body.split(b"text/html")[1]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # TLS it is
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_tls_is_checked_and_the_password_goes_only_over_it(store, papers, scheme):
    with mail_server(scheme=scheme, tls=papers.serving, need_login=True) as box:
        settings = listened(store, box, username="partywall", token="mailpassword")
        write(store, opened(), now=at(1))
        trusting = HttpTransport(settings, tls=papers.calling)
        assert deliver(store, settings, at(1), trusting).delivered == 1
        assert box.logins == ["partywall"]
        write(store, opened("INC-2"), now=at(2))
        assert deliver(store, settings, at(2)).retried == 1  # the system trusts no such paper
        assert len(box.mails) == 1


def test_a_wrong_password_is_a_fault_of_the_settings(store, papers):
    with mail_server(tls=papers.serving, need_login=True) as box:
        settings = listened(store, box, username="partywall", token="wrong-password")
        write(store, opened(), now=at(1))
        deliver(store, settings, at(1), HttpTransport(settings, tls=papers.calling))
        (record,) = store.rows("notify_all_attempts")
        assert 401 in record
        assert box.mails == []
        assert "wrong-password" not in str(store.rows("notify_all_attempts"))


def test_a_password_is_never_said_in_the_clear(store, box):
    settings = listened(store, box, username="partywall", token="mailpassword")
    write(store, opened(), now=at(1))
    deliver(store, settings, at(1))
    assert errors(store)[0] == "the server offers no STARTTLS: nothing was sent"
    assert box.mails == []


def test_some_strangers_do_not_keep_the_others_from_reading(store, box):
    settings = listened(store, box)
    box.strangers = ("cto@example.com",)
    write(store, opened(), now=at(1))
    assert deliver(store, settings, at(1)).delivered == 1
    assert errors(store) == ["not taken for cto@example.com: 550 5.1.1 no such mailbox"]
    box.strangers = (OPS, "cto@example.com")
    write(store, opened("INC-2"), now=at(2))
    assert deliver(store, settings, at(2)).dead == 1


def test_a_mail_server_is_guarded_like_any_other(store, box):
    settings = listening(
        store,
        EndpointSettings("mail", box.url, "email", sender=SENDER, recipients=(OPS,)),
        allow=(),
    )
    write(store, opened(), now=at(1))
    deliver(store, settings, at(1))
    assert errors(store)[0].startswith("blocked: 127.0.0.1 is 127.0.0.1: private")
    assert box.mails == []


def test_a_server_that_is_not_there_is_tried_again(store):
    with mail_server() as box:
        settings = listened(store, box)
    write(store, opened(), now=at(1))
    assert deliver(store, settings, at(1)).retried == 1
    assert states(store) == ["pending"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "https://mail.example"}, "must begin with smtps:// or smtp://"),
        ({"sender": ""}, "sender: missing"),
        ({"sender": "nobody"}, "sender: 'nobody' is no mail address"),
        ({"recipients": ()}, "recipients: missing"),
        ({"recipients": (OPS, "a@b\r\nBcc: c@d.example")}, "recipients: "),
        ({"username": "u"}, "token: username and token"),
        ({"token": "password"}, "token: username and token"),
    ],
)
def test_what_is_wrong_with_a_mail_endpoint_is_said(changes, said):
    right = EndpointSettings(
        "mail", "smtps://mail.example", "email", sender=SENDER, recipients=(OPS,)
    )
    assert right.problems() == []
    (problem,) = replace(right, **changes).problems()
    assert said in problem


def test_a_resolved_incident_is_told_as_such():
    over = incident(state=IncidentState.RESOLVED, ended_at=at(9))
    message = render(replace(EVENTS["resolved"], incident=over), TO, "email")
    assert message is not None
    assert b"Resolved" in message.body
