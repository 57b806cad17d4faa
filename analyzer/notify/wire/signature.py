"""Standard Webhooks 1.0.0: who sent it, when, and that nobody changed it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from analyzer.notify.settings import signing_key


def signed_headers(message_id: str, at: datetime, body: bytes, secrets: str) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` (of this attempt) and, with a secret, the signature.

    `secrets` holds one `whsec_` secret, or several with blanks between while one is rotated out.
    """
    stamp = str(int(at.timestamp()))
    headers = {"webhook-id": message_id, "webhook-timestamp": stamp}
    content = f"{message_id}.{stamp}.".encode() + body
    keys = [key for secret in secrets.split() if (key := signing_key(secret)) is not None]
    if keys:
        headers["webhook-signature"] = " ".join(_v1(key, content) for key in keys)
    return headers


def _v1(key: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
