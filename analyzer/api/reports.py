"""Routes about reports: which weeks are closed, their files, one tenant's account."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Response

from analyzer.accounts.account import Account
from analyzer.accounts.known import HARM_WEIGHT, stored_account, stored_accounts
from analyzer.accounts.packed import Packed
from analyzer.api.money import unknown
from analyzer.api.views.reports import ReportView
from analyzer.cost.book import CostBook, book
from analyzer.cost.settings import CostSettings
from analyzer.cost.shown import Same, shown_amount
from analyzer.cost.statement import sha256, to_json
from analyzer.cost.usage import aware
from analyzer.cost.weeks import Week, parse_week
from analyzer.density.fullness import held_densities
from analyzer.reports.document import FORMATS, Document, document_of, ending, for_view
from analyzer.reports.files import render
from analyzer.reports.ledger import accounts_of
from analyzer.store.database import Store
from collector.model import Rejected, Rejection, TenantId

_ESTIMATED = timedelta(days=14)
"""How long ago a week without statement may have ended to be estimated all the same."""


_ESTIMATES = 2
"""Of how many estimates accounts are kept: 20 kB a tenant each."""


def router(
    store: Store,
    clock: Callable[[], datetime],
    settings: CostSettings,
    directory: Path,
) -> APIRouter:
    """`/reports`, the files of a week, and its accounts. `directory` holds the files."""
    routes = APIRouter()
    held, rooms = book(store, settings), held_densities(store)
    kept = _Kept(store)

    @routes.get("/reports")
    def reports() -> list[ReportView]:
        with store.reader() as reader:
            return [_report(row, directory) for row in reader.records("report_list")]

    @routes.get("/reports/{week}", response_class=Response)
    def report(
        week: str,
        format: str = "html",  # noqa: A002
        tenant: str | None = None,
        view: str = "",
    ) -> Response:
        now, chosen = clock(), parse_week(week, settings.zone)
        whole = _document(held, chosen, now, settings)
        with_accounts = replace(whole, accounts=kept(whole, now))
        if view in ("exec", "sre"):
            with_accounts = replace(with_accounts, rooms=tuple(rooms.get(now)))
        return _file(for_view(with_accounts, view, TenantId(tenant) if tenant else None), format)

    @routes.get("/reports/{week}/accounts/{tenant}")
    def account(week: str, tenant: str) -> Account:
        """The stored statement of one tenant; one made now for a week that is not closed."""
        now, chosen = clock(), parse_week(week, settings.zone)
        with store.reader() as reader:
            known = stored_account(reader, chosen.id, tenant)
        if known is not None:
            return known
        document = _document(held, chosen, now, settings)
        found = kept(document, now).of(tenant)
        if found is None:
            raise Rejected(
                Rejection.NOT_FOUND,
                f"tenant {tenant[:80]!r} has no account in {chosen.id}",
                field="tenant",
            )
        return found

    return routes


def _document(held: CostBook, week: Week, now: datetime, settings: CostSettings) -> Document:
    """The stored statement, or an estimate (version 0) of a week that has begun."""
    known = held.closed(week.id)
    if known is not None:
        return document_of(known)
    if week.start > now or week.end < now - _ESTIMATED or not settings.prices:
        raise unknown(week.id)
    estimate = held.estimate(week, now)
    return Document(estimate, 0, _digest(Same(estimate)))


class _Kept:
    """Accounts of the estimates asked for last: made once of each, which is as long as the estimate
    holds. For any threads; one makes at a time. Those of closed weeks are read as they are stored.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._made: dict[Same, Packed] = {}
        self._making = threading.Lock()

    def __call__(self, document: Document, now: datetime) -> Packed:
        if document.version:
            return self._stored(document, now)
        key = Same(document.statement)
        with self._making:
            if key not in self._made:
                while len(self._made) >= _ESTIMATES:
                    self._made.pop(next(iter(self._made)))
                self._made[key] = self._make(document, now)
            return self._made[key]

    def _stored(self, document: Document, now: datetime) -> Packed:
        """Those stored with the version; made now for a version from before there were any."""
        with self._store.reader() as reader:
            found = stored_accounts(reader, document.statement.week, document.version)
        return Packed(found) if found else self._make(document, now)

    def _make(self, document: Document, now: datetime) -> Packed:
        return accounts_of(self._store, document.statement, document.version, now, HARM_WEIGHT)


@lru_cache(maxsize=_ESTIMATES)
def _digest(same: Same) -> str:
    return sha256(to_json(same.statement))


def _report(row: dict[str, object], directory: Path) -> ReportView:
    return ReportView.model_validate(
        {
            "week": row["week"],
            "version": row["version"],
            "status": row["status"],
            "created_at": aware(row["created_at"]),  # type: ignore[arg-type]
            "total": shown_amount(str(row["bill"]), str(row["currency"])),
            "currency": row["currency"],
            "formats": row["formats"] or [],
            "path": str(directory / str(row["week"]) / f"v{row['version']}"),
        }
    )


def _file(document: Document, format_: str) -> Response:
    data = render(document, format_)
    name = f"{document.statement.week}-v{document.version}.{ending(format_)}"
    kind = "inline" if format_ == "html" else "attachment"
    headers = {
        "Content-Disposition": f'{kind}; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type=FORMATS[format_], headers=headers)
