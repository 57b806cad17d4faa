from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from analyzer.notify import HttpTransport, NotifySettings
from analyzer.notify.channels.message import Mail, Message
from analyzer.notify.settings import EndpointSettings, redacted
from analyzer.notify.wire.guard import BlockedError, guard

PRIVATE = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.0.0.53:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2600::5efe:127.0.0.1]:{port}/",
    "http://[2600::200:5efe:127.0.0.1]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[5f00::1]:{port}/",
    "http://[3fff::1]:{port}/",
    "http://192.0.0.8:{port}/",
    "http://192.88.99.1:{port}/",
    "http://240.0.0.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://１２７.0.0.1:{port}/",
    "http://127.000.000.001:{port}/",
    "http://0x7f.1:{port}/",
    "http://somebody@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@public.example/",
    "http://10.0.0.1:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data",
    "http://[fe80::1]:{port}/",
    "http://[fd00:ec2::254]:{port}/",
    "http://100.100.100.200:{port}/",
    "http://192.168.1.1:{port}/",
    "http://224.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "http:///nowhere",
]


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[int, list[object]]]:
    """A port on every local address that counts who connects."""
    server = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    server.settimeout(0.05)
    seen: list[object] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            try:
                connection, peer = server.accept()
            except TimeoutError:
                continue
            seen.append(peer)
            connection.close()

    thread = threading.Thread(target=count)
    thread.start()
    yield server.getsockname()[1], seen
    stop.set()
    thread.join()
    server.close()


@pytest.mark.parametrize("form", PRIVATE)
def test_no_form_of_a_private_address_is_connected_to(listener, form):
    port, seen = listener
    settings = NotifySettings(ports=(port,), connect_timeout_s=0.3, total_timeout_s=0.5)
    answer = HttpTransport(settings).send(Message(form.format(port=port), b"{}"), {})
    assert answer.status is None
    assert answer.blocked or "gaierror" in answer.error
    assert seen == []


def test_the_listener_of_these_tests_does_count(listener):
    port, seen = listener
    socket.create_connection(("127.0.0.1", port)).close()
    for _ in range(100):
        if seen:
            break
        threading.Event().wait(0.01)
    assert seen
    seen.clear()


def test_one_bad_answer_among_good_ones_blocks():
    mixed = guard((), (443,), lambda host, port: ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(BlockedError, match="private"):
        mixed.address("rebind.example", 443)


def test_the_resolver_is_asked_once_and_its_answer_pinned(listener):
    port, seen = listener
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    asked = []

    def rebinding(host: str, _: int) -> list[str]:
        asked.append(host)
        return next(answers)

    pinned = guard((), (port,), rebinding)
    assert pinned.address("rebind.example", port) == "93.184.215.14"
    assert asked == ["rebind.example"]
    with pytest.raises(BlockedError):
        pinned.address("rebind.example", port)
    assert seen == []


def test_a_name_that_moves_to_loopback_between_two_sends_is_not_followed(listener):
    """DNS rebinding through the real transport: it connects to what was checked, or not at all."""
    port, seen = listener
    settings = NotifySettings(ports=(port,), connect_timeout_s=0.3, total_timeout_s=0.5)
    answers = iter([["192.0.2.1"], ["127.0.0.1"], ["192.0.2.1", "::1"], ["::ffff:127.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, _: int) -> list[str]:
        asked.append(host)
        return next(answers)

    transport = HttpTransport(settings, guarded=guard((), (port,), rebinding))
    said = [transport.send(Message(f"http://rebind.example:{port}/", b"{}"), {}) for _ in range(4)]
    assert asked == ["rebind.example"] * 4  # once a send: nothing is asked again after the check
    assert all(answer.status is None for answer in said)
    assert all("blocked" in answer.error for answer in said)
    assert seen == []


@pytest.mark.parametrize("form", [f for f in PRIVATE if f.startswith("http://")])
def test_no_mail_server_is_a_way_in(listener, form):
    port, seen = listener
    settings = NotifySettings(
        ports=(port,), mail_ports=(port,), connect_timeout_s=0.3, total_timeout_s=0.5
    )
    url = form.format(port=port).replace("http://", "smtp://").split("/latest")[0]
    mail = Mail("a@example.com", ("b@example.com",))
    answer = HttpTransport(settings).send(Message(url, b"", mail=mail), {})
    assert answer.status is None
    assert seen == []


def test_the_operator_may_allow_a_network_and_only_that_one():
    allowed = guard(("10.1.0.0/16",), (443,), lambda host, port: [host])
    assert allowed.address("10.1.2.3", 9093) == "10.1.2.3"
    with pytest.raises(BlockedError):
        allowed.address("10.2.0.1", 443)


@pytest.mark.parametrize("metadata", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"])
def test_metadata_is_never_allowed_whatever_the_operator_lists(metadata):
    everything = guard(("0.0.0.0/0", "::/0"), (80,), lambda host, port: [host])
    with pytest.raises(BlockedError, match="never"):
        everything.address(metadata, 80)


def test_webhooks_do_not_go_to_mail_servers_nor_mails_elsewhere():
    settings = NotifySettings(connect_timeout_s=0.3, total_timeout_s=0.5)
    mail = Mail("a@example.com", ("b@example.com",))
    transport = HttpTransport(settings)
    for message in (
        Message("https://93.184.215.14:25/", b""),
        Message("smtp://93.184.215.14:8080", b"", mail=mail),
    ):
        assert "is not in [notify] ports" in transport.send(message, {}).error


@pytest.mark.parametrize(
    "public", ["93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]
)
def test_the_internet_is_open(public):
    assert guard((), (443,), lambda host, port: [host]).address(public, 443) == public


def test_a_public_address_needs_a_known_port():
    public = guard((), (443,), lambda host, port: [host])
    assert public.address("93.184.215.14", 443)
    with pytest.raises(BlockedError, match="port 22"):
        public.address("93.184.215.14", 22)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (EndpointSettings("", "https://a.example/"), "endpoint.name: missing"),
        (EndpointSettings("a", "ftp://a.example/"), "must begin with https"),
        (EndpointSettings("a", "https:///x"), "names no host"),
        (EndpointSettings("a", "https://u:p@a.example/"), "user or password"),
        (EndpointSettings("a", "https://a.example:99999/"), "not a URL"),
        (EndpointSettings("a", "https://[::1/"), "not a URL"),
        (EndpointSettings("a", "https://a.example/\r\nX: y"), "control characters"),
        (EndpointSettings("a", "https://a.example/", "smoke"), "unknown 'smoke'"),
        (EndpointSettings("a", "https://a.example/", secret="whsec_short"), "24 to 64"),
        (EndpointSettings("a", "https://a.example/", "pagerduty"), "routing_key: missing"),
    ],
)
def test_a_bad_endpoint_is_explained(settings, said):
    assert said in "; ".join(settings.problems())


def test_settings_report_all_errors_at_once():
    twice = (EndpointSettings("a", "https://a.example/"), EndpointSettings("a", "nowhere"))
    settings = NotifySettings(twice, ("10.0.0.1/8",), lease_s=5.0, parallel=0)
    found = "; ".join(settings.problems())
    for word in ("used twice", "must begin", "10.0.0.1/8", "notify.lease_s", "notify.parallel"):
        assert word in found
    assert NotifySettings().problems() == []


def test_a_shown_url_holds_no_path():
    assert redacted("https://hooks.example/services/T1/B2/secret?x=1") == "https://hooks.example/…"
    assert redacted("http://[::1]:8080/secret") == "http://[::1]:8080/…"


def test_secrets_are_not_in_the_repr_of_settings():
    shown = repr(EndpointSettings("a", "https://a.example/", secret="whsec_x", routing_key="key1"))
    assert "whsec_x" not in shown
    assert "key1" not in shown
