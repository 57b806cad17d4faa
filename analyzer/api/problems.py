"""Errors as RFC 9457 problems: what is wrong, where, and what to do about it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from analyzer.api.views.base import Problem
from collector.model import Rejected, Rejection

LOG = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"

_REMEDIES: Mapping[Rejection, str] = {
    Rejection.UNAUTHENTICATED: "Send Authorization: Bearer with a token of the configuration file.",
    Rejection.FORBIDDEN: "Use a token whose scope reaches this route.",
    Rejection.UNSUPPORTED_TYPE: "Send the content type this route documents.",
    Rejection.BODY_TOO_LARGE: "Send less at once.",
    Rejection.MALFORMED: "Send a well-formed body of the documented shape.",
    Rejection.MISSING_FIELD: "Add the field named here.",
    Rejection.INVALID_FIELD: "Correct the field named here.",
    Rejection.TOO_MANY_FIELDS: "Leave out the fields that are not documented.",
    Rejection.NOT_FOUND: "Look the id up in the list of its kind.",
    Rejection.CONFLICT: "Read its present state, then decide again.",
    Rejection.TENANT_RATE: "Send more slowly; Retry-After says when.",
    Rejection.OVERLOADED: "Try again after Retry-After.",
    Rejection.UNAVAILABLE: "Try again after Retry-After; nothing was lost or half done.",
}

_BY_STATUS = {
    401: Rejection.UNAUTHENTICATED,
    403: Rejection.FORBIDDEN,
    404: Rejection.NOT_FOUND,
    409: Rejection.CONFLICT,
    413: Rejection.BODY_TOO_LARGE,
    415: Rejection.UNSUPPORTED_TYPE,
    503: Rejection.UNAVAILABLE,
}


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""
    app.add_exception_handler(Rejected, _rejected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _crashed)


def problem_of(rejected: Rejected, *, status: int | None = None) -> Problem:
    """The document for a rejection."""
    reason = rejected.reason
    return Problem(
        type=f"urn:partywall:rejection:{reason.value}",
        title=reason.value.replace("-", " ").capitalize(),
        status=status or reason.status,
        detail=rejected.detail,
        id=reason.value,
        field=rejected.field,
        remedy=_REMEDIES.get(reason, ""),
    )


def problem_response(rejected: Rejected, *, status: int | None = None) -> JSONResponse:
    """The answer for a rejection, with Retry-After where waiting helps."""
    problem = problem_of(rejected, status=status)
    headers = {}
    if rejected.retry_after_s or problem.status in (429, 503):
        headers["Retry-After"] = str(rejected.retry_after_s or 1)
    return JSONResponse(problem.model_dump(), problem.status, headers, MEDIA_TYPE)


async def _rejected(_: Request, error: Exception) -> JSONResponse:
    return problem_response(_as(Rejected, error))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    errors: Sequence[Any] = _as(RequestValidationError, error).errors()
    first = errors[0] if errors else {"loc": (), "msg": "is not valid", "type": ""}
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    words = "; ".join(f"{_place(each)}: {each['msg']}" for each in errors[:10])
    return problem_response(
        Rejected(_reason(str(first["type"])), words or "is not valid", field=".".join(place))
    )


async def _http(_: Request, error: Exception) -> JSONResponse:
    raised = _as(HTTPException, error)
    reason = _BY_STATUS.get(raised.status_code, Rejection.INVALID_FIELD)
    answer = problem_response(Rejected(reason, str(raised.detail)), status=raised.status_code)
    answer.headers.update(raised.headers or {})
    return answer


async def _crashed(request: Request, error: Exception) -> JSONResponse:
    LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(
        Rejected(Rejection.UNAVAILABLE, "the service failed on this; its log says why"), status=500
    )


def _reason(kind: str) -> Rejection:
    if kind == "missing":
        return Rejection.MISSING_FIELD
    if kind == "extra_forbidden":
        return Rejection.TOO_MANY_FIELDS
    return Rejection.MALFORMED if kind == "json_invalid" else Rejection.INVALID_FIELD


def _place(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"]) or "body"


def _as(kind: type[Any], error: Exception) -> Any:
    if not isinstance(error, kind):
        raise error
    return error
