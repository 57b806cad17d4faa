"""`bills`: import what a provider invoiced, see what it was matched to, take one back."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.failures import Failure
from partywall.output import Field, Format, moment, show, show_one, stderr
from partywall.session import ApiOption, ConfigOption, FormatOption, connect, target

if TYPE_CHECKING:
    from analyzer.api.views.bills import BillDetail, BillLineView, BillMatch, BillView


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What providers invoiced, matched to resources.")
    group.callback(invoke_without_command=True)(bills)
    group.command("list")(listed)
    group.command("import")(add)
    group.command("show")(shown)
    group.command("lines")(lines)
    group.command("withdraw")(withdraw)
    app.add_typer(group, name="bills")


def bills(
    ctx: typer.Context, config: ConfigOption = None, api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:  # fmt: skip
    """List imported bills."""
    if ctx.invoked_subcommand is None:
        listed(config, api, form)


def listed(
    config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """List imported bills."""
    from analyzer.api.views.bills import BillView

    with connect(config, api) as client:
        show(client.list(BillView, "/bills"), _BILL, form)


def add(
    files: Annotated[
        list[Path], typer.Argument(help="The files of one bill, or a folder of them.")
    ],
    shape: Annotated[
        str, typer.Option("--as", help="focus, aws-cur or azure-ea; found by the header.")
    ] = "",
    currency: Annotated[str, typer.Option(help="For files that do not say theirs.")] = "",
    *,
    preview: Annotated[bool, typer.Option("--preview", help="Show only; keep nothing.")] = False,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """Import a bill: FOCUS 1.0 to 1.4, AWS CUR, Azure EA; CSV or Parquet, gzipped or not."""
    from analyzer.api.views.bills import BillDetail
    from partywall.client import Client

    name, content = packed(files)
    where = target(config, api)
    with Client(where.api, where.token, timeout_s=300) as client:
        found = client.upload(
            BillDetail, "/bills", content, name=name, shape=shape or None,
            currency=currency or None, preview="true" if preview else None,
        )  # fmt: skip
    if found.known:
        stderr().print("this bill was imported before: nothing was written", markup=False)
    _print(found, form)


def shown(
    bill: str, config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """Show a bill and what the rules make of it."""
    from analyzer.api.views.bills import BillDetail

    with connect(config, api) as client:
        _print(client.get(BillDetail, f"/bills/{bill}"), form)


def lines(
    bill: str,
    *,
    unmatched: Annotated[
        bool, typer.Option("--unmatched", help="Only lines no rule fits.")
    ] = False,
    limit: Annotated[int, typer.Option(help="How many.")] = 200,
    config: ConfigOption = None,
    api: ApiOption = "",
    form: FormatOption = Format.TABLE,
) -> None:
    """List the lines of a bill, each with the resource it goes to."""
    from analyzer.api.views.bills import BillLineView

    matched = "false" if unmatched else None
    with connect(config, api) as client:
        found = client.list(BillLineView, f"/bills/{bill}/lines", matched=matched, limit=limit)
    show(found, _LINE, form)


def withdraw(
    bill: str, config: ConfigOption = None, api: ApiOption = "", form: FormatOption = Format.TABLE
) -> None:
    """Take a bill out of the count; the one it replaced counts again."""
    from analyzer.api.views.bills import BillDetail

    with connect(config, api) as client:
        _print(client.post(BillDetail, f"/bills/{bill}/withdraw"), form)


def packed(files: list[Path]) -> tuple[str, bytes]:
    """A name and the bytes to send: one file as it is, several as one tar."""
    found = [inner for file in files for inner in _inside(file)]
    if not found:
        raise Failure("no bill to import", "the folder holds no file", "name the files of a bill")
    try:
        if len(found) == 1:
            return found[0].name, found[0].read_bytes()
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for number, file in enumerate(found):
                info = tarfile.TarInfo(f"{number:04d}-{file.name}"[:100])
                data = file.read_bytes()
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    except OSError as wrong:
        raise Failure(
            f"cannot read {wrong.filename}",
            wrong.strerror or str(wrong),
            "name a file you may read",
        ) from None
    return f"{found[0].parent.name or found[0].name} ({len(found)} files)", out.getvalue()


def _inside(file: Path) -> list[Path]:
    if not file.is_dir():
        return [file]
    return sorted(p for p in file.rglob("*") if p.is_file() and not p.name.startswith("."))


def _print(found: BillDetail, form: Format) -> None:
    head = {
        "bill": found.id or "(preview)",
        "shape": found.shape,
        "state": found.state,
        "lines": f"{found.lines:,}" + (f", {found.bad:,} kept aside" if found.bad else ""),
        "period": f"{moment(found.since)} to {moment(found.until)}",
    }
    for total in found.totals:
        head[f"billed {total.currency}"] = total.billed
        head[f"effective {total.currency}"] = total.effective
    for number, note in enumerate(found.notes, start=1):
        head[f"note {number}"] = note
    if form is Format.CSV:
        show(found.matches, _MATCH, form)
        return
    show_one(found, head, form)
    if form is Format.TABLE:
        print()
        show(found.matches, _MATCH, form)
        for bad in found.bad_rows:
            print(f"kept aside: {bad.part} row {bad.row}: {bad.what}")


_BILL: list[Field[BillView]] = [
    Field("bill", lambda b: b.id),
    Field("shape", lambda b: b.shape),
    Field("state", lambda b: b.state),
    Field("since", lambda b: moment(b.since)),
    Field("until", lambda b: moment(b.until)),
    Field("lines", lambda b: f"{b.lines:,}", number=True),
    Field("aside", lambda b: f"{b.bad:,}", number=True),
    Field("billed", lambda b: ", ".join(f"{t.billed} {t.currency}" for t in b.totals), number=True),
]

_MATCH: list[Field[BillMatch]] = [
    Field("resource", lambda m: m.resource or f"(unmatched) {m.service}"),
    Field("lines", lambda m: f"{m.lines:,}", number=True),
    Field("billed", lambda m: m.billed, number=True),
    Field("effective", lambda m: m.effective, number=True),
    Field("currency", lambda m: m.currency),
]

_LINE: list[Field[BillLineView]] = [
    Field("row", lambda x: str(x.row), number=True),
    Field("resource", lambda x: x.resource or "(unmatched)"),
    Field("service", lambda x: x.service),
    Field("resource id", lambda x: x.resource_id),
    Field("sku", lambda x: x.sku),
    Field("subaccount", lambda x: x.subaccount),
    Field("from", lambda x: moment(x.start)),
    Field("to", lambda x: moment(x.end)),
    Field("billed", lambda x: x.billed or "-", number=True),
    Field("effective", lambda x: x.effective or "-", number=True),
    Field("currency", lambda x: x.currency),
]
