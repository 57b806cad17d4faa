"""Imported bills: put on the shelf once by content, looked up, withdrawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext

import pyarrow as pa

from analyzer.cost.bills.line import BadRow, Bill, Line
from analyzer.cost.bills.parts import wrong
from analyzer.cost.bills.rules import BillRule, Face, match
from analyzer.cost.usage import aware, naive
from analyzer.store.database import Store
from analyzer.store.reader import Reader
from collector.model import Rejected, Rejection

_MOST_QUANTA = 2**120
_TEXTS = (
    "provider", "account", "subaccount", "service", "sku", "resource_id", "resource_name",
    "category", "tags", "charge_class", "description", "currency",
)  # fmt: skip
_TIMES = ("start_ts", "end_ts", "since", "until")
_QUANTA = pa.decimal128(38, 0)
_LINES = pa.schema(
    [
        ("row", pa.int64()),
        *((name, pa.string()) for name in _TEXTS),
        ("billed", _QUANTA),
        ("effective", _QUANTA),
        *((name, pa.timestamp("us")) for name in _TIMES),
    ]
)


@dataclass(frozen=True, slots=True)
class Total:
    """Of one currency; a cost the bill does not say is "0"."""

    currency: str
    billed: str
    effective: str


@dataclass(frozen=True, slots=True)
class Shelved:
    """A bill on the shelf. `counts`: for how many of its `periods` it is the bill that counts."""

    id: str
    shape: str
    name: str
    parts: int
    lines: int
    bad: int
    notes: str
    imported_at: datetime
    sha256: str
    since: datetime | None
    until: datetime | None
    periods: int
    counts: int
    providers: tuple[str, ...]
    withdrawn_at: datetime | None
    totals: tuple[Total, ...]


@dataclass(frozen=True, slots=True)
class Matched:
    """Lines that go to one resource; an empty `resource`: no rule fits, `service` says of what."""

    resource: str
    service: str
    lines: int
    currency: str
    billed: str
    effective: str


def put(store: Store, bill: Bill, *, name: str, now: datetime) -> tuple[str, bool]:
    """Keep a bill; answers its id, and whether it was there already (nothing is written then).

    Raises Rejected when its finest and its largest amount are too far apart to be exact.
    """
    scale = bill.scale
    batch = _batch(bill.lines, scale)
    with store.transaction() as tx:
        known = tx.row("bill_by_hash", sha256=bill.sha256)
        if known is not None:
            return str(known[0]), True
        seq = tx.row("bill_next")
        number = int(seq[0]) if seq else 1
        ident = f"bill-{number}-{bill.sha256[:8]}"
        tx.execute(
            "bill_add", id=ident, seq=number, sha256=bill.sha256, shape=bill.shape,
            name=name[:200], parts=bill.parts, lines=len(bill.lines), bad=len(bill.bad),
            scale=scale, notes="; ".join(bill.notes), imported_at=naive(now),
        )  # fmt: skip
        tx.load("bill_lines_add", batch, bill=ident)
        tx.execute("bill_scopes_add", bill=ident)
        if bill.bad:
            tx.load("bill_bad_rows_add", _bad(bill.bad), bill=ident)
    return ident, False


def shelved(reader: Reader, ident: str | None = None) -> list[Shelved]:
    """Bills, newest first; the one called `ident`, or all."""
    return [_shelved(reader, row) for row in reader.records("bill_list", bill=ident)]


def one(reader: Reader, ident: str) -> Shelved:
    """A bill by its id. Raises Rejected(NOT_FOUND)."""
    found = shelved(reader, ident)
    if not found:
        raise Rejected(Rejection.NOT_FOUND, f"there is no bill {ident[:80]!r}", field="bill")
    return found[0]


def withdraw(store: Store, ident: str, now: datetime) -> None:
    """Take a bill out of the count; the one before it, if any, counts again."""
    with store.reader() as reader:
        if one(reader, ident).withdrawn_at is not None:
            raise Rejected(Rejection.CONFLICT, f"bill {ident[:80]} is withdrawn already")
    with store.transaction() as tx:
        tx.execute("bill_withdraw", bill=ident, at=naive(now))


def bad_rows(reader: Reader, ident: str, limit: int) -> list[BadRow]:
    """What was kept aside."""
    return [BadRow(*row) for row in reader.rows("bill_bad_rows_of", bill=ident, limit=limit)]


def matched(reader: Reader, ident: str, rules: Sequence[BillRule]) -> list[Matched]:
    """What the rules make of a bill on the shelf, the unmatched last."""
    scale = scale_of(reader, ident)
    rows = [
        (face_of(row), str(row["currency"]), int(row["lines"]),
         Decimal(row["billed"]).scaleb(-scale), Decimal(row["effective"]).scaleb(-scale))
        for row in reader.records("bill_faces", bill=ident)
    ]  # fmt: skip
    return _matched(rows, rules)


def preview(bill: Bill, rules: Sequence[BillRule]) -> list[Matched]:
    """The same of a bill that is not kept."""
    nothing = Decimal(0)
    return _matched(
        [(x.face, x.currency, 1, x.billed or nothing, x.effective or nothing) for x in bill.lines],
        rules,
    )


def face_of(row: Mapping[str, object]) -> Face:
    """What rules see of a stored line."""
    tags = json.loads(str(row["tags"] or "[]"))
    return Face(
        provider=str(row["provider"]), subaccount=str(row["subaccount"]),
        service=str(row["service"]), sku=str(row["sku"]), resource_id=str(row["resource_id"]),
        resource_name=str(row["resource_name"]), category=str(row["category"]),
        tags=tuple((str(key), str(value)) for key, value in tags),
    )  # fmt: skip


_Row = tuple[Face, str, int, Decimal, Decimal]


def _matched(rows: Sequence[_Row], rules: Sequence[BillRule]) -> list[Matched]:
    sums: dict[tuple[str, str, str], tuple[int, Decimal, Decimal]] = {}
    nothing = (0, Decimal(0), Decimal(0))
    with localcontext(prec=60):
        for face, currency, lines, billed, effective in rows:
            found = match(face, rules)
            key = (found[0], "", currency) if found else ("", unmatched_name(face), currency)
            n, b, e = sums.get(key, nothing)
            sums[key] = (n + lines, b + billed, e + effective)
    order = sorted(sums, key=lambda key: (not key[0], *key))
    return [
        Matched(key[0], key[1], sums[key][0], key[2], f"{sums[key][1]:f}", f"{sums[key][2]:f}")
        for key in order
    ]


def unmatched_name(face: Face) -> str:
    """What an unmatched line is told under."""
    return (face.service or face.provider or "no service")[:120]


def scale_of(reader: Reader, ident: str) -> int:
    """Decimals of a bill's quanta."""
    row = next(iter(reader.records("bill_list", bill=ident)), None)
    return int(row["scale"]) if row else 0


def _shelved(reader: Reader, row: Mapping[str, object]) -> Shelved:
    ident, scale = str(row["id"]), int(str(row["scale"]))
    totals = tuple(
        Total(currency, *(f"{Decimal(a or 0).scaleb(-scale):f}" for a in amounts))
        for currency, *amounts in reader.rows("bill_totals", bill=ident)
    )
    imported = aware(row["imported_at"])  # type: ignore[arg-type]
    assert imported is not None
    return Shelved(
        ident, str(row["shape"]), str(row["name"]), int(str(row["parts"])), int(str(row["lines"])),
        int(str(row["bad"])), str(row["notes"]), imported, str(row["sha256"]),
        aware(row["since"]), aware(row["until"]),  # type: ignore[arg-type]
        int(str(row["periods"] or 0)), int(str(row["counts"])),
        tuple(row["providers"] or ()),  # type: ignore[arg-type]
        aware(row["withdrawn_at"]), totals,  # type: ignore[arg-type]
    )  # fmt: skip


def _batch(lines: Sequence[Line], scale: int) -> pa.Table:
    columns: dict[str, list[object]] = {name: [] for name in _LINES.names}
    for line in lines:
        face = line.face
        start, end = line.span
        values = (
            line.row, face.provider, line.account, face.subaccount, face.service, face.sku,
            face.resource_id, face.resource_name, face.category,
            json.dumps(face.tags) if face.tags else "", line.charge_class, line.description[:500],
            line.currency, _quanta(line.billed, scale), _quanta(line.effective, scale),
            naive(start), naive(end), naive(line.since), naive(line.until),
        )  # fmt: skip
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    return pa.table(columns, schema=_LINES)


def _quanta(amount: Decimal | None, scale: int) -> Decimal | None:
    if amount is None:
        return None
    with localcontext(prec=60):
        quanta = int(amount.scaleb(scale))
        if abs(quanta) >= _MOST_QUANTA:
            raise wrong(f"holds {amount:f} beside amounts of {scale} decimals, split it")
        return Decimal(quanta)


def _bad(rows: Sequence[BadRow]) -> pa.Table:
    return pa.table(
        {
            "part": [row.part for row in rows],
            "row": [row.row for row in rows],
            "what": [row.what for row in rows],
            "text": [row.text for row in rows],
        }
    )
