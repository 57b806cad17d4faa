from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from analyzer.notify.settings import new_secret, signing_key
from analyzer.notify.wire.signature import signed_headers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


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


def test_a_new_secret_is_one():
    assert signing_key(new_secret(b"x" * 32)) == b"x" * 32
    assert base64.b64decode(new_secret(b"x" * 32)[6:]) == b"x" * 32
