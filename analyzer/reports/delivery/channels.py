"""The four ways out, of one shape: `deliver(parcel, delivery, recipient)`; raises what failed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import S3Store

from analyzer.notify.wire.answer import Answer, Verdict, judge
from analyzer.notify.wire.signature import signed_headers
from analyzer.notify.wire.transport import Transport
from analyzer.reports.delivery.letter import letter
from analyzer.reports.delivery.parcel import Parcel, Piece
from analyzer.reports.delivery.post import post, post_id
from analyzer.reports.delivery.settings import DeliverySettings, bucket
from analyzer.reports.files import replace_file

if TYPE_CHECKING:
    from obstore.store import S3Config

Deliver = Callable[[Parcel, DeliverySettings, str], None]

_JSON = "application/json"


class UndeliverableError(Exception):
    """Not sent, and why. `final`: the same again would fail again."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class DifferentBytesError(UndeliverableError):
    """Something else stands where the report belongs: nobody may overwrite what was delivered."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} holds other bytes than this report", final=True)


def to_folder(parcel: Parcel, delivery: DeliverySettings, _recipient: str) -> None:
    """Files first, then the manifest: who finds a manifest finds all of its files, complete.

    Raises OSError when the disk is full or the directory is not ours to write.
    """
    base = Path(delivery.target)
    for piece in parcel.pieces:
        path = base / piece.path
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, piece.data)
    replace_file(base / parcel.folder / "manifest.json", parcel.manifest())


def to_s3(parcel: Parcel, delivery: DeliverySettings, _recipient: str) -> None:
    """Each object is created (`If-None-Match: *`) and never overwritten.

    What is there already with the same bytes was delivered by somebody else, or by us before a
    crash. Raises DifferentBytesError when it is not the same, obstore's errors when S3 refuses.
    """
    store = s3_store(delivery)
    _, prefix = bucket(delivery.target)
    manifest = Piece(f"{parcel.folder}/manifest.json", "", _JSON, parcel.manifest())
    for piece in (*parcel.pieces, manifest):
        key = f"{prefix}/{piece.path}" if prefix else piece.path
        try:
            obstore.put(
                store,
                key,
                piece.data,
                mode="create",
                use_multipart=False,
                attributes={"Content-Type": piece.content_type},
            )
        except (AlreadyExistsError, PreconditionError):
            there = hashlib.sha256(bytes(obstore.get(store, key).bytes())).hexdigest()
            if there != piece.sha256:
                raise DifferentBytesError(f"s3://{bucket(delivery.target)[0]}/{key}") from None


def s3_store(delivery: DeliverySettings) -> S3Store:
    """The bucket; without keys in the settings, those of the environment."""
    config: S3Config = {"region": delivery.region, "conditional_put": "etag"}
    if delivery.username:
        config["access_key_id"] = delivery.username
        config["secret_access_key"] = delivery.password
    if delivery.endpoint:
        config["endpoint"] = delivery.endpoint
    return S3Store(
        bucket(delivery.target)[0],
        config=config,
        client_options={
            "allow_http": delivery.endpoint.startswith("http://"),
            "timeout": "30s",
            "connect_timeout": "5s",
        },
        retry_config={"max_retries": 1},
    )


def to_mail(transport: Transport, link: str) -> Deliver:
    """By the way out of all mails; `link` is where a report too large to attach is read."""

    def deliver(parcel: Parcel, delivery: DeliverySettings, recipient: str) -> None:
        _arrived(transport.send(letter(parcel, delivery, recipient, link), {}))

    return deliver


def to_webhook(transport: Transport, link: str, now: Callable[[], datetime]) -> Deliver:
    """By the guarded way out of all webhooks, signed for this try; a receiver knows a report that
    comes again after a crash by its `webhook-id`.
    """

    def deliver(parcel: Parcel, delivery: DeliverySettings, _recipient: str) -> None:
        message = post(parcel, delivery, link)
        name = post_id(parcel.document, delivery)
        headers = signed_headers(name, now(), message.body, delivery.password)
        _arrived(transport.send(message, headers))

    return deliver


def _arrived(answer: Answer) -> None:
    verdict = judge(answer)
    if verdict is not Verdict.DELIVERED:
        words = answer.error or f"answered {answer.status}"
        raise UndeliverableError(words, final=verdict in (Verdict.REFUSED, Verdict.GONE))


def channels(transport: Transport, link: str, now: Callable[[], datetime]) -> dict[str, Deliver]:
    """All of them, by name."""
    return {
        "folder": to_folder,
        "s3": to_s3,
        "mail": to_mail(transport, link),
        "webhook": to_webhook(transport, link, now),
    }
