"""Writes the tables of the reference that come from the code: `python docs/tables.py`."""

from __future__ import annotations

from pathlib import Path

from collector.catalog import FOREIGN_METERS, OWN_METERS, Meter

REFERENCE = Path(__file__).parent / "reference"

_METERS = """# Meters

Generated from `collector/catalog.py` by `python docs/tables.py`.

Every series needs a label that names its tenant (`tenancy.labels`) and one that names its resource
(`tenancy.resource_labels`). For metrics of your own names write `[[meter]]` rules.

Time felt by the caller is a *victim* signal, time spent at the server (`busy`) the *aggressor*
signal. Client timing blames the victims: their calls wait, so they look busy.

## Ours

{own}

## Conventions understood out of the box

{foreign}
"""


def meters() -> str:
    """The page `meters.md`."""
    return _METERS.format(own=_table(OWN_METERS), foreign=_table(FOREIGN_METERS))


def _table(rows: tuple[Meter, ...]) -> str:
    head = "| metric | unit | kind | column of `Usage` | meaning |\n|---|---|---|---|---|\n"
    return head + "\n".join(
        f"| `{m.name}` | {m.unit} | {m.kind.value}{' histogram' if m.histogram else ''} "
        f"| `{m.column.value}` | {m.help} |"
        for m in rows
    )


PAGES = {"meters.md": meters}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (REFERENCE / name).write_text(write(), "utf-8")
