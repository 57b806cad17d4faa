"""Routes of bills: import and preview, what they are matched to, adjustments over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from analyzer.api.views.bills import (
    AdjustmentView,
    BillBadRow,
    BillDetail,
    BillLineView,
    BillMatch,
    BillTotal,
    BillView,
)
from analyzer.cost.bills import shelf
from analyzer.cost.bills.line import Bill
from analyzer.cost.bills.read import read_bill
from analyzer.cost.bills.rules import match
from analyzer.cost.bills.shelf import Matched, Shelved
from analyzer.cost.settings import CostSettings
from analyzer.cost.usage import aware
from analyzer.store.database import Store
from collector.model import Rejected, Rejection

MAX_BODY = 256 * 2**20
"""Of one upload, as sent."""

_BAD_SHOWN = 20
_Body = dict[str, object]
_BODY: _Body = {
    "requestBody": {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    }
}


def router(store: Store, clock: Callable[[], datetime], settings: CostSettings) -> APIRouter:
    """`/bills` and `/adjustments`."""
    routes = APIRouter(tags=["bills"])
    _import_route(routes, store, clock, settings)
    _bill_routes(routes, store, clock, settings)
    return routes


def _import_route(
    routes: APIRouter, store: Store, clock: Callable[[], datetime], settings: CostSettings
) -> None:
    @routes.post("/bills", openapi_extra=_BODY)
    async def add(
        request: Request,
        name: Annotated[str, Query(max_length=200)] = "bill",
        shape: Annotated[str, Query(max_length=40)] = "",
        currency: Annotated[str, Query(max_length=10)] = "",
        preview: bool = False,  # noqa: FBT001, FBT002
    ) -> BillDetail:
        data = await _body(request)

        def keep() -> BillDetail:
            bill = read_bill(data, name=name, shape=shape, currency=currency)
            if preview:
                return _preview(bill, name, settings)
            ident, known = shelf.put(store, bill, name=name, now=clock())
            return _detail(store, ident, settings, known=known)

        return await run_in_threadpool(keep)


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BODY:
            raise Rejected(
                Rejection.BODY_TOO_LARGE, f"a bill of more than {MAX_BODY >> 20} MiB, split it"
            )
    if not found:
        raise Rejected(Rejection.MALFORMED, "send the bill as the body", field="body")
    return bytes(found)


def _bill_routes(
    routes: APIRouter, store: Store, clock: Callable[[], datetime], settings: CostSettings
) -> None:
    @routes.get("/bills")
    def bills() -> list[BillView]:
        with store.reader() as reader:
            return [BillView.model_validate(_plain(found)) for found in shelf.shelved(reader)]

    @routes.get("/bills/{bill}")
    def bill(bill: str) -> BillDetail:
        return _detail(store, bill, settings)

    @routes.post("/bills/{bill}/withdraw")
    def withdraw(bill: str) -> BillDetail:
        shelf.withdraw(store, bill, clock())
        return _detail(store, bill, settings)

    @routes.get("/bills/{bill}/lines")
    def lines(
        bill: str,
        matched: bool | None = None,  # noqa: FBT001
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> list[BillLineView]:
        return _lines(store, bill, settings, matched)[offset : offset + limit]

    @routes.get("/adjustments")
    def adjustments(
        week: str | None = None,
        resource: str | None = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> list[AdjustmentView]:
        with store.reader() as reader:
            rows = reader.records("adjustment_list", week=week, resource=resource, limit=limit)
        return [AdjustmentView.model_validate(row | {"at": aware(row["at"])}) for row in rows]


def _detail(store: Store, ident: str, settings: CostSettings, *, known: bool = False) -> BillDetail:
    with store.reader() as reader:
        found = shelf.one(reader, ident)
        matches = shelf.matched(reader, ident, settings.bill_rules)
        bad = shelf.bad_rows(reader, ident, _BAD_SHOWN)
    plain = _plain(found) | {"known": known, "matches": _matches(matches)}
    plain["bad_rows"] = [BillBadRow(part=b.part, row=b.row, what=b.what, text=b.text) for b in bad]
    return BillDetail.model_validate(plain)


def _preview(bill: Bill, name: str, settings: CostSettings) -> BillDetail:
    return BillDetail(
        id="", shape=bill.shape, name=name, lines=len(bill.lines), bad=len(bill.bad),
        since=min((x.since for x in bill.lines), default=None),
        until=max((x.until for x in bill.lines), default=None),
        periods=len({(x.face.provider, x.account, x.since) for x in bill.lines}), counts=0,
        state="preview", imported_at=None, sha256=bill.sha256,
        totals=[
            BillTotal(
                currency=code, billed=f"{bill.total(code):f}",
                effective=f"{bill.total(code, 'effective'):f}",
            )
            for code in bill.currencies
        ],
        notes=list(bill.notes), matches=_matches(shelf.preview(bill, settings.bill_rules)),
        bad_rows=[
            BillBadRow(part=b.part, row=b.row, what=b.what, text=b.text)
            for b in bill.bad[:_BAD_SHOWN]
        ],
    )  # fmt: skip


def _matches(found: Sequence[Matched]) -> list[BillMatch]:
    return [
        BillMatch(
            resource=m.resource, service=m.service, lines=m.lines, currency=m.currency,
            billed=m.billed, effective=m.effective,
        )
        for m in found
    ]  # fmt: skip


def _plain(found: Shelved) -> dict[str, object]:
    return {
        "id": found.id, "shape": found.shape, "name": found.name, "lines": found.lines,
        "bad": found.bad, "since": found.since, "until": found.until, "periods": found.periods,
        "counts": found.counts, "state": _state(found), "imported_at": found.imported_at,
        "sha256": found.sha256, "notes": [note for note in found.notes.split("; ") if note],
        "totals": [
            {"currency": t.currency, "billed": t.billed, "effective": t.effective}
            for t in found.totals
        ],
    }  # fmt: skip


def _state(found: Shelved) -> str:
    if found.withdrawn_at is not None:
        return "withdrawn"
    if found.counts == found.periods:
        return "counted"
    return "partly counted" if found.counts else "replaced"


def _lines(
    store: Store,
    ident: str,
    settings: CostSettings,
    wanted: bool | None,  # noqa: FBT001
) -> list[BillLineView]:
    with store.reader() as reader:
        shelf.one(reader, ident)
        scale = shelf.scale_of(reader, ident)
        rows = reader.records("bill_lines_of", bill=ident)
    found = []
    for row in rows:
        face = shelf.face_of(row)
        hit = match(face, settings.bill_rules)
        if wanted is not None and wanted != (hit is not None):
            continue
        plain = dict(row) | {
            "resource": hit[0] if hit else "",
            "start": aware(row["start_ts"]), "end": aware(row["end_ts"]),
        }  # fmt: skip
        for basis in ("billed", "effective"):
            quanta = row[basis]
            plain[basis] = None if quanta is None else f"{Decimal(quanta).scaleb(-scale):f}"
        known = {name: plain[name] for name in BillLineView.model_fields}
        found.append(BillLineView.model_validate(known))
    return found
