from __future__ import annotations

import base64
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analyzer.notify.settings import new_secret, signing_key
from analyzer.notify.signature import signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
GUIDE = Path(__file__).parents[3] / "docs/how-to/receive-webhooks.md"


def test_the_known_vector_of_the_standard_webhooks_library():
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
        SECRET,
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("secret", ["", "abc", "whsec_", "whsec_???", "whsec_YWJj"])
def test_without_a_usable_secret_there_is_no_signature(secret):
    assert signing_key(secret) is None
    assert "webhook-signature" not in signed_headers("evt_1", datetime.now(UTC), b"", secret)  # noqa: TID251


def test_the_snippet_of_the_guide_verifies_either_secret_and_no_other():
    source = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert source
    snippet: dict[str, Any] = {}
    exec(source[1], snippet)
    verify = snippet["verify"]
    new, old, other = (new_secret(bytes([n]) * 32) for n in range(3))
    body = "{'é': 1}".encode()
    now = datetime.fromtimestamp(time.time(), UTC)  # noqa: TID251
    headers = signed_headers("evt_1", now, body, f"{new} {old}")
    assert verify(new, headers, body)
    assert verify(old, headers, body)
    assert not verify(other, headers, body)
    assert not verify(new, headers, body + b" ")
    assert not verify(new, {**headers, "webhook-id": "evt_2"}, body)
    stale = signed_headers("evt_1", datetime.fromtimestamp(1, UTC), body, new)
    assert not verify(new, stale, body)


def test_a_new_secret_is_one():
    assert signing_key(new_secret(b"x" * 32)) == b"x" * 32
    assert base64.b64decode(new_secret(b"x" * 32)[6:]) == b"x" * 32
