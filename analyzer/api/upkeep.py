"""Looking after the store: forget a tenant, and say who asked for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter

from analyzer import erasure
from analyzer.api.views import ErasureIn, ErasureView
from analyzer.pulse import Pulse
from analyzer.store import Store
from collector.model import Rejected, Rejection


def router(store: Store, clock: Callable[[], datetime], pulse: Pulse, *, data: Path) -> APIRouter:
    """`/tenants/ID/erase` and `/erasures`. A token must have the scope admin."""
    routes = APIRouter(tags=["upkeep"])

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
            done = erasure.erase(store, tenant, now=now, by=body.by, data=data)
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

    return routes
