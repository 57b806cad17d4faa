"""That a message is ours: by the library of Standard Webhooks, and by the snippets of the guide."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from analyzer.notify import EndpointSettings
from analyzer.notify.outbox import replay
from analyzer.notify.settings import new_secret
from analyzer.notify.wire.signature import signed_headers
from tests.analyzer.journal.cast import opened
from tests.analyzer.notify.house import deliver, listening, write
from tests.analyzer.notify.receiver import receiver

GUIDE = Path(__file__).parents[3] / "docs/how-to/receive-webhooks.md"
NEW, OLD, OTHER = (new_secret(bytes([n]) * 32) for n in range(3))
BODY = "{'é': \"1\n\"}".encode()

Verify = Callable[[str, dict[str, str], bytes], bool]


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


def test_retries_and_replays_keep_the_id_and_each_is_signed_anew(store):
    """Both secrets verify while one is rotated out; the timestamp is that of the attempt."""
    with receiver([500]) as hook:
        settings = listening(store, EndpointSettings("hook", hook.url, secret=f"{NEW} {OLD}"))
        start = now()
        write(store, opened(), now=start)
        assert deliver(store, settings, start).retried == 1
        assert deliver(store, settings, start + timedelta(seconds=60)).delivered == 1
        (delivery,) = {row[0] for row in store.rows("notify_all_attempts")}
        replay(store, delivery, now=start + timedelta(seconds=90))
        assert deliver(store, settings, start + timedelta(seconds=90)).delivered == 1
    assert len(hook.got) == 3
    assert len({got.id for got in hook.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in hook.got}) == 3
    for got in hook.got:
        for secret in (NEW, OLD):
            assert Webhook(secret).verify(got.body, got.headers)["id"] == got.id
        with pytest.raises(WebhookVerificationError):
            Webhook(OTHER).verify(got.body, got.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(got.body + b" ", got.headers)


def snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found, f"the guide shows no {language}"
    return found[1]


def javascript(directory: Path) -> Verify:
    if shutil.which("node") is None:
        pytest.skip("needs node (apt install nodejs)")
    script = directory / "check.mjs"
    script.write_text(
        snippet("javascript")
        + "\nconst chunks = []; for await (const part of process.stdin) chunks.push(part);\n"
        "const [secret, headers] = JSON.parse(process.argv[2]);\n"
        "process.exit(verify(secret, headers, Buffer.concat(chunks)) ? 0 : 1);\n"
    )

    def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
        return ran(["node", str(script), json.dumps([secret, headers])], body)

    return verify


def shell(directory: Path) -> Verify:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl (apt install openssl)")
    script = directory / "verify.sh"
    script.write_text(snippet("sh"))

    def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        return ran(["sh", str(script), *(headers[name] for name in names)], body, SECRET=secret)

    return verify


def python(directory: Path) -> Verify:
    known: dict[str, Verify] = {}
    exec(snippet("python"), known)
    return known["verify"]


def ran(command: list[str], body: bytes, **env: str) -> bool:
    path = {"PATH": "/usr/bin:/bin", **env}
    done = subprocess.run(command, input=body, env=path, timeout=20, check=False)
    assert done.returncode in (0, 1)
    return done.returncode == 0


@pytest.mark.parametrize("language", [python, javascript, shell])
def test_the_snippet_of_the_guide_verifies_either_secret_and_nothing_else(language, tmp_path):
    verify = language(tmp_path)
    headers = signed_headers("evt_1", now(), BODY, f"{NEW} {OLD}")
    assert verify(NEW, headers, BODY)
    assert verify(OLD, headers, BODY)
    assert not verify(OTHER, headers, BODY)
    assert not verify(NEW, headers, BODY + b" ")
    assert not verify(NEW, {**headers, "webhook-id": "evt_2"}, BODY)
    stale = signed_headers("evt_1", now() - timedelta(minutes=9), BODY, NEW)
    assert not verify(NEW, stale, BODY)
