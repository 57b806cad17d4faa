"""POST /api/v1/usage: finished usage rows, as NDJSON or an Arrow stream."""

from __future__ import annotations

from collections.abc import Mapping

from collector.config import LimitSettings
from collector.decode.compression import inflate
from collector.decode.usage import ARROW, NDJSON, Reading, Rows, decode_arrow, decode_ndjson
from collector.intake import Intake
from collector.model import Rejected, Rejection
from collector.tenancy import Claim
from collector.wire import Reply, Request, as_json, partial, problem

PATH = "/api/v1/usage"
BATCH_HEADER = "X-Partywall-Batch"
_TYPES = (NDJSON, ARROW)


class UsageReceiver:
    """200 with the number of rows on disk; 400 names what was refused, the rest is on disk."""

    path = PATH

    def __init__(self, intake: Intake, limits: LimitSettings) -> None:
        self._intake = intake
        self._limits = limits

    async def answer(self, request: Request, claim: Claim) -> Reply:
        """Decode, admit, append; see `Receiver`."""
        batch_id = _batch_id(request, claim)
        rows = await self._intake.aside(lambda: self._decode(request, claim), request.sender)
        accepted = await self._intake.rows(
            rows.table,
            batch_id=batch_id,
            refused=rows.refused,
            now_ms=request.now_ms,
            sender=request.sender,
        )
        if accepted.refused:
            return partial(accepted.refused, accepted.rows, "rows")
        return as_json(200, {"rows": accepted.rows})

    def refuse(self, rejected: Rejected, headers: Mapping[str, str]) -> Reply:  # noqa: ARG002
        """A problem; see `Receiver`."""
        return problem(rejected)

    def _decode(self, request: Request, claim: Claim) -> Rows:
        resolver = self._intake.resolver
        reading = Reading(
            tenant=lambda name: resolver.tenant(name, claim),
            resource=resolver.resource,
            limits=self._limits,
            now_ms=request.now_ms,
        )
        encoding = request.header("content-encoding").lower()
        body = inflate(request.body, encoding, self._limits.decoded_bytes)
        if request.media_type == ARROW:
            return decode_arrow(body, reading)
        if request.media_type in {NDJSON, "application/jsonl", "application/json", ""}:
            return decode_ndjson(body, reading)
        detail = f"Content-Type {request.media_type!r}: use {' or '.join(_TYPES)}"
        raise Rejected(Rejection.UNSUPPORTED_TYPE, detail, field="Content-Type")


def _batch_id(request: Request, claim: Claim) -> str:
    """The sender's key, within its tenant: no tenant can spend another's."""
    given = request.header(BATCH_HEADER)
    if len(given) > 128 or not given.isprintable():
        detail = f"{BATCH_HEADER} is longer than 128 characters or not printable"
        raise Rejected(Rejection.INVALID_FIELD, detail, field=BATCH_HEADER)
    return f"{claim.tenant}/{given}" if given and claim.tenant else given
