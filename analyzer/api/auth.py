"""Who may ask what: bearer tokens with scopes, checked before any route runs.

Without a token configured everyone may ask everything, and the service binds to loopback only.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from analyzer.api.problems import problem_response
from collector.config import Token
from collector.model import Rejected, Rejection

_OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
_V1 = "/api/v1/"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class BearerAuth:
    """ASGI middleware. 401 for a missing or unknown token, 403 for a scope that does not reach."""

    def __init__(self, app: ASGIApp, tokens: Sequence[Token]) -> None:
        self._app = app
        self._tokens = tuple(tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refusal(scope) if scope["type"] == "http" and self._tokens else None
        answer = self._app if refused is None else problem_response(refused)
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> Rejected | None:
        if scope["path"] in _OPEN:
            return None
        secret = _bearer(scope)
        if not secret:
            return _refused(Rejection.UNAUTHENTICATED, "send Authorization: Bearer <token>")
        digest = Token("", secret).digest
        token = next((t for t in self._tokens if hmac.compare_digest(t.digest, digest)), None)
        if token is None:
            return _refused(Rejection.UNAUTHENTICATED, "unknown token")
        if not may(token, scope["method"], scope["path"], scope["query_string"].decode("latin-1")):
            return _refused(Rejection.FORBIDDEN, f"token {token.name!r} has scope {token.scope}")
        scope.setdefault("state", {})["tenant"] = token.tenant
        return None


def confined(request: Request) -> str:
    """The one tenant whoever asks may read of; empty: all of them."""
    return str(getattr(request.state, "tenant", "") or "")


def may(token: Token, method: str, path: str, query: str) -> bool:
    """Whether `token` reaches this route. A tenant token sees its own tenant and nothing else."""
    if token.scope == "admin":
        return True
    if method not in _READS:
        return False
    if token.scope == "read":
        return not token.tenant or _own(token.tenant, path, query)
    return token.scope == "tenant" and bool(token.tenant) and _own(token.tenant, path, query)


def _own(tenant: str, path: str, query: str) -> bool:
    # The path is decoded already, as the router sees it; decoding again would be another path.
    parts = path.removeprefix(_V1).split("/") if path.startswith(_V1) else []
    if parts[:1] == ["tenants"]:
        return parts[1:] == [tenant]
    # Blank values count: the route takes the last one, and a blank one asks for everybody.
    asked = parse_qs(query, keep_blank_values=True).get("tenant", [])
    return parts[:1] == ["reports"] and len(parts) == 2 and asked == [tenant]


def _bearer(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, secret = value.decode("latin-1").partition(" ")
            return secret.strip() if scheme.lower() == "bearer" else ""
    return ""


def _refused(reason: Rejection, detail: str) -> Rejected:
    return Rejected(reason, detail, field="Authorization")
