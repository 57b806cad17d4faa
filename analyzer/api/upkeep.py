"""Looking after the store: forget a tenant, copy everything, prove that it adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter

from analyzer.api.views.upkeep import (
    BackupIn,
    BackupView,
    ComparedView,
    ErasureIn,
    ErasureView,
    RecordingIn,
    RecordingView,
    VerificationView,
)
from analyzer.config import AnalyzerSettings
from analyzer.pulse import Pulse
from analyzer.store.database import Store
from analyzer.upkeep import backup, erasure
from analyzer.upkeep import verification as proof
from analyzer.upkeep.record import record
from collector.model import Rejected, Rejection


def router(
    store: Store, clock: Callable[[], datetime], pulse: Pulse, settings: AnalyzerSettings
) -> APIRouter:
    """`/tenants/ID/erase`, `/erasures`, `/backup`, `/recordings`, `/verification`; what changes
    needs admin."""
    routes = APIRouter(tags=["upkeep"])
    _copies(routes, store, clock, settings.data)

    @routes.post("/tenants/{tenant}/erase")
    def erase(tenant: str, body: ErasureIn) -> ErasureView:
        if body.confirm != tenant:
            raise Rejected(
                Rejection.INVALID_FIELD,
                "repeat the id of the tenant here: what is erased does not come back",
                field="confirm",
            )
        now = clock()
        try:
            done = erasure.erase(store, tenant, now=now, by=body.by, data=settings.data)
        except TimeoutError as busy:
            raise Rejected(Rejection.UNAVAILABLE, str(busy), retry_after_s=30) from busy
        pulse.touched()
        return ErasureView(
            id=done.id,
            erased_at=now,
            by=body.by,
            cells=done.cells,
            files=done.files,
            left=list(done.left),
        )

    @routes.get("/erasures")
    def erasures() -> list[ErasureView]:
        return [
            ErasureView(
                id=ident, erased_at=at.replace(tzinfo=UTC), by=by, cells=cells, files=files, left=[]
            )
            for ident, at, by, cells, files in store.rows("erasure_list")
        ]

    @routes.get("/verification")
    def verify() -> VerificationView:
        return verification(store, settings.spool_directory)

    return routes


def _copies(routes: APIRouter, store: Store, clock: Callable[[], datetime], data: Path) -> None:
    @routes.post("/backup")
    def make_backup(body: BackupIn) -> BackupView:
        target = _absolute(body.directory)
        try:
            done = backup.backup(store, data, target, now=clock())
        except (FileExistsError, FileNotFoundError, PermissionError) as wrong:
            raise Rejected(Rejection.CONFLICT, str(wrong), field="directory") from wrong
        return BackupView(directory=str(done.directory), files=done.files, bytes=done.bytes)

    @routes.post("/recordings")
    def make_recording(body: RecordingIn) -> RecordingView:
        target = _absolute(body.directory)
        try:
            done = record(store, target, since=body.since, until=body.until)
        except LookupError as nothing:
            raise Rejected(Rejection.NOT_FOUND, str(nothing), field="since") from nothing
        except (FileExistsError, PermissionError) as wrong:
            raise Rejected(Rejection.CONFLICT, str(wrong), field="directory") from wrong
        return RecordingView(
            directory=str(done.directory), rows=done.rows, since=done.since, until=done.until
        )


def _absolute(directory: str) -> Path:
    """A path on this machine. Raises Rejected where it depends on where the analyzer stands."""
    if not Path(directory).is_absolute():
        raise Rejected(Rejection.INVALID_FIELD, "give the whole path, from /", field="directory")
    return Path(directory)


def verification(store: Store, spool_directory: Path) -> VerificationView:
    """What was compared, wrong ones first."""
    checks = [
        ComparedView(**asdict(one)) for one in proof.verify(store, spool_directory=spool_directory)
    ]
    wrong = [f"{one.what} {one.about}: {one.detail}" for one in checks if not one.ok]
    return VerificationView(ok=not wrong, first=wrong[0] if wrong else None, checks=checks)
