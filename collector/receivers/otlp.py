"""POST /v1/metrics: OTLP over HTTP, protobuf and JSON.

A partial success is a 200 that says how many points were refused (the sender must not resend); a
failure is a `google.rpc.Status` in the type of the request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from collector.config import LimitSettings, TenancySettings
from collector.decode import otlp, otlp_json, otlp_scan
from collector.decode.compression import inflate
from collector.intake import Accepted, Intake
from collector.model import Rejected, Rejection
from collector.readings import Readings
from collector.series import SeriesBook
from collector.tenancy import Claim
from collector.wire import Reply, Request, media_type_of, problem

PATH = "/v1/metrics"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_INVALID_ARGUMENT = 3
_CODES = {401: 16, 403: 7, 404: 5, 413: 11, 415: _INVALID_ARGUMENT, 429: 8, 503: 14}
"""HTTP status → code of `google.rpc.Status` (code.proto)."""

_FURTHER_LABELS = ("family", "service.name", "service.instance.id")


class OtlpReceiver:
    """See the module's text; 503, never 500, when we cannot store: clients drop on a 500."""

    path = PATH

    def __init__(self, intake: Intake, limits: LimitSettings, tenancy: TenancySettings) -> None:
        self._intake = intake
        self._limits = limits
        kept = (*tenancy.labels, *tenancy.resource_labels, *_FURTHER_LABELS)
        self._keep = frozenset({*kept, *(name.replace("_", ".") for name in kept)})

    async def answer(self, request: Request, claim: Claim) -> Reply:
        """Decode, admit, append; see `Receiver`."""
        now_s = request.now_ms / 1000

        def decode(book: SeriesBook) -> Readings:
            body, limits = self._body(request), self._intake.widest
            if request.media_type == JSON:
                points = otlp_json.points(body)
                return otlp.read(points, book, claim, self._keep, limits, now_s=now_s)
            return otlp_scan.read(body, book, claim, self._keep, limits, now_s=now_s)

        accepted = await self._intake.samples(decode, now_ms=request.now_ms, sender=request.sender)
        if accepted.refused and accepted.shed:
            raise Rejected(Rejection.TENANT_RATE, _told(accepted), retry_after_s=5)
        if request.media_type == JSON:
            return Reply(200, _json_answer(accepted), JSON)
        return Reply(200, _protobuf_answer(accepted), PROTOBUF)

    def refuse(self, rejected: Rejected, headers: Mapping[str, str]) -> Reply:
        """A `google.rpc.Status`; see `Receiver`."""
        plain = problem(rejected)
        code = _CODES.get(plain.status, _INVALID_ARGUMENT)
        if media_type_of(headers) == JSON:
            body = json.dumps({"code": code, "message": rejected.detail}).encode()
            return Reply(plain.status, body, JSON, plain.headers)
        body = b"\x08" + _varint(code) + _field(2, rejected.detail.encode("utf-8", "replace"))
        return Reply(plain.status, body, PROTOBUF, plain.headers)

    def _body(self, request: Request) -> bytes:
        if request.media_type not in {PROTOBUF, JSON}:
            detail = f"Content-Type {request.media_type!r}: use {PROTOBUF} or {JSON}"
            raise Rejected(Rejection.UNSUPPORTED_TYPE, detail, field="Content-Type")
        encoding = request.header("content-encoding").lower()
        return inflate(request.body, encoding, self._limits.decoded_bytes)


def _told(accepted: Accepted) -> str:
    reasons = (f"{one.count} {one.reason.value} ({one.detail})" for one in accepted.refused[:8])
    return "; ".join(reasons)


def _json_answer(accepted: Accepted) -> bytes:
    if not accepted.refused:
        return b"{}"
    partial = {
        "rejectedDataPoints": str(accepted.refused_count),
        "errorMessage": _told(accepted),
    }
    return json.dumps({"partialSuccess": partial}).encode()


def _protobuf_answer(accepted: Accepted) -> bytes:
    if not accepted.refused:
        return b""
    message = _field(2, _told(accepted).encode("utf-8", "replace"))
    return _field(1, b"\x08" + _varint(accepted.refused_count) + message)


def _field(number: int, payload: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
