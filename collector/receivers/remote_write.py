"""POST /api/v1/write: Prometheus remote write 1.0."""

from __future__ import annotations

from functools import partial as bind

from collector.config import LimitSettings
from collector.decode import remote_write
from collector.decode.compression import unsnap
from collector.intake import Accepted, Intake
from collector.model import Rejected, Rejection
from collector.series import Origin
from collector.tenancy import Claim
from collector.wire import Reply, Request, partial

PATH = "/api/v1/write"
_V1 = "prometheus.WriteRequest"


class RemoteWriteReceiver:
    """204 when every sample is on disk; 400 names what was refused, the rest is on disk."""

    path = PATH

    def __init__(self, intake: Intake, limits: LimitSettings) -> None:
        self._intake = intake
        self._limits = limits

    async def answer(self, request: Request, claim: Claim) -> Reply:
        """Decode, admit, append; see `Receiver`."""
        _check_type(request)
        data = unsnap(request.body, self._limits.decoded_bytes)
        decode = bind(
            remote_write.decode,
            data,
            origin=Origin("remote_write", claim),
            now_s=request.now_ms / 1000,
            max_series=self._limits.series_per_request,
        )
        accepted = await self._intake.samples(decode, now_ms=request.now_ms)
        return reply_of(accepted)


def reply_of(accepted: Accepted) -> Reply:
    """The answer of either version of the protocol."""
    written = accepted.samples + accepted.ignored
    headers = {
        "X-Prometheus-Remote-Write-Samples-Written": str(written),
        "X-Prometheus-Remote-Write-Histograms-Written": "0",
        "X-Prometheus-Remote-Write-Exemplars-Written": "0",
    }
    if accepted.refused:
        return partial(accepted.refused, written, "samples", headers)
    return Reply(204, headers=headers)


def _check_type(request: Request) -> None:
    """A receiver that says 2xx to what it did not decode loses it silently: 415 instead."""
    if (encoding := request.header("content-encoding").lower()) not in {"", "snappy"}:
        raise _unsupported(f"Content-Encoding {encoding!r}: use snappy", "Content-Encoding")
    if request.media_type not in {"", "application/x-protobuf"}:
        raise _unsupported(f"{request.media_type!r}: use application/x-protobuf", "Content-Type")
    for parameter in request.header("content-type").split(";")[1:]:
        key, _, value = parameter.strip().partition("=")
        if key.lower() == "proto" and value.strip('"') != _V1:
            raise _unsupported(f"{value!r}: use protobuf_message: {_V1}", "Content-Type")


def _unsupported(detail: str, field: str) -> Rejected:
    return Rejected(Rejection.UNSUPPORTED_TYPE, f"{field} {detail}", field=field)
