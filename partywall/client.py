"""Talks to a running analyzer: views in, failures with a remedy out."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from analyzer.api.views.base import Problem
from partywall.failures import FINDING, UNREACHABLE, Failure

V = TypeVar("V", bound=BaseModel)
A = TypeVar("A")

Params = dict[str, str | int | float | None]


class Client:
    """One conversation with the API under `base` (`http://host:port`)."""

    def __init__(
        self,
        base: str,
        token: str = "",
        *,
        timeout_s: float = 10,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.base = base
        self._http = httpx.Client(
            base_url=base + "/api/v1",
            headers=headers,
            timeout=timeout_s,
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, view: type[V], path: str, **params: str | float | None) -> V:
        """One view."""
        return _read(TypeAdapter(view), self._send("GET", path, params=params))

    def list(self, view: type[V], path: str, **params: str | float | None) -> list[V]:
        """A list of views."""
        adapter = TypeAdapter[list[V]](list[view])  # type: ignore[valid-type]
        return _read(adapter, self._send("GET", path, params=params))

    def post(
        self, view: type[V], path: str, body: BaseModel | Mapping[str, Any] | None = None
    ) -> V:
        """Change something; the changed thing comes back."""
        content = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        return _read(TypeAdapter(view), self._send("POST", path, body=content or {}))

    def remove(self, path: str) -> None:
        """DELETE something."""
        self._send("DELETE", path)

    def send(self, path: str, body: dict[str, str] | None = None) -> str:
        """POST something; the answer as text."""
        return self._send("POST", path, body=body or {}).text

    def delete(self, path: str) -> None:
        """Remove what stands there."""
        self._send("DELETE", path)

    def upload(self, view: type[V], path: str, content: bytes, **params: str | float | None) -> V:
        """POST bytes; what became of them comes back."""
        return _read(TypeAdapter(view), self._send("POST", path, params=params, content=content))

    def raw(self, path: str, **params: str | float | None) -> httpx.Response:
        """GET whatever stands there (a report, a policy)."""
        return self._send("GET", path, params=params)

    def reachable(self) -> bool:
        """Is there an analyzer at this address?"""
        try:
            return self._http.get("/status").status_code < 500
        except httpx.HTTPError:
            return False

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        given = {key: value for key, value in (params or {}).items() if value is not None}
        try:
            answer = self._http.request(
                method, path, params=given or None, json=body, content=content
            )
        except httpx.HTTPError as wrong:
            raise Failure(
                f"no analyzer answers at {self.base}",
                str(wrong) or type(wrong).__name__,
                "start one with `partywall up`, or name the right --config or --api",
                code=UNREACHABLE,
            ) from None
        if answer.is_success:
            return answer
        raise _refused(answer)


def _refused(answer: httpx.Response) -> Failure:
    code = UNREACHABLE if answer.status_code >= 500 else FINDING
    path = answer.request.url.path
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        return Failure(
            f"the analyzer answered {answer.status_code} to {path}",
            answer.text[:200] or "no reason given",
            "look at the analyzer's log",
            code=code,
        )
    remedy = problem.remedy or "see docs/reference/errors.md, heading " + problem.id
    return Failure(f"{problem.title} ({path})", problem.detail or problem.id, remedy, code=code)


def _read(adapter: TypeAdapter[A], answer: httpx.Response) -> A:
    try:
        return adapter.validate_json(answer.content)
    except ValidationError as wrong:
        raise Failure(
            f"the answer to {answer.request.url.path} is not what this version expects",
            f"{wrong.error_count()} field(s) differ: {wrong.errors()[0]['loc']}",
            "run the command and the analyzer from the same version",
            code=UNREACHABLE,
        ) from None
