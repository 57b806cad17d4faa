"""POST /api/v1/write: Prometheus remote write 1.0 and 2.0."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial as bind

from collector.config import LimitSettings
from collector.decode import remote_write, remote_write_v2
from collector.decode.compression import Unpacker
from collector.intake import Accepted, Decode, Intake
from collector.model import Rejected, Rejection
from collector.readings import Readings
from collector.series import Origin, SeriesBook
from collector.tenancy import Claim
from collector.wire import Reply, Request, partial, problem

PATH = "/api/v1/write"
_V1 = "prometheus.WriteRequest"
_V2 = "io.prometheus.write.v2.Request"


class RemoteWriteReceiver:
    """204 when every sample is on disk; 400 names what was refused, the rest is on disk."""

    path = PATH

    def __init__(self, intake: Intake, limits: LimitSettings) -> None:
        self._intake = intake
        self._limits = limits
        self._unpacker = Unpacker()

    async def answer(self, request: Request, claim: Claim) -> Reply:
        """Decode, admit, append; see `Receiver`."""
        message = _message(request)

        def decode(book: SeriesBook) -> Readings:
            return self._decoder(message, request, claim)(book)

        return reply_of(
            await self._intake.samples(decode, now_ms=request.now_ms, sender=request.sender)
        )

    def refuse(self, rejected: Rejected, headers: Mapping[str, str]) -> Reply:  # noqa: ARG002
        """A problem; see `Receiver`."""
        return problem(rejected, _written(0, 0, 0))

    def _decoder(self, message: str, request: Request, claim: Claim) -> Decode:
        data = self._unpacker.unsnap(request.body, self._limits.decoded_bytes)
        now_s = request.now_ms / 1000
        if message == _V2:
            origin = Origin("remote_write_v2", claim)
            return bind(
                remote_write_v2.decode,
                data,
                origin=origin,
                now_s=now_s,
                limits=self._intake.widest,
            )
        return bind(
            remote_write.decode,
            data,
            origin=Origin("remote_write", claim),
            now_s=now_s,
            max_series=self._limits.series_per_request,
        )


def reply_of(accepted: Accepted) -> Reply:
    """The answer of either version of the protocol."""
    samples = accepted.samples - accepted.parts + accepted.ignored
    headers = _written(samples, accepted.histograms, accepted.exemplars)
    if accepted.refused:
        taken = samples + accepted.histograms
        return partial(accepted.refused, taken, "samples or histograms", headers)
    return Reply(204, headers=headers)


def _written(samples: int, histograms: int, exemplars: int) -> dict[str, str]:
    """Remote write 2.0: senders compare these with what they sent, on success and on failure."""
    return {
        "X-Prometheus-Remote-Write-Samples-Written": str(samples),
        "X-Prometheus-Remote-Write-Histograms-Written": str(histograms),
        "X-Prometheus-Remote-Write-Exemplars-Written": str(exemplars),
    }


def _message(request: Request) -> str:
    """The protobuf message the sender declares; without a word on it, version 1.

    A receiver that says 2xx to what it did not decode loses it silently: 415 instead.
    """
    if (encoding := request.header("content-encoding").lower()) not in {"", "snappy"}:
        raise _unsupported(f"Content-Encoding {encoding!r}: use snappy", "Content-Encoding")
    if request.media_type not in {"", "application/x-protobuf"}:
        raise _unsupported(f"{request.media_type!r}: use application/x-protobuf", "Content-Type")
    message = _V1
    for parameter in request.header("content-type").split(";")[1:]:
        key, _, value = parameter.strip().partition("=")
        if key.lower() == "proto":
            message = value.strip('"')
    if message not in {_V1, _V2}:
        raise _unsupported(f"{message!r}: use {_V1} or {_V2}", "Content-Type")
    return message


def _unsupported(detail: str, field: str) -> Rejected:
    return Rejected(Rejection.UNSUPPORTED_TYPE, f"{field} {detail}", field=field)
