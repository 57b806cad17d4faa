"""`doctor`: what could keep the service from working, each with its remedy."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.commands.senders import findings
from partywall.failures import Failure
from partywall.output import Format
from partywall.session import ApiOption, ConfigOption, FormatOption, configuration

if TYPE_CHECKING:
    from partywall.config import Config

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing looked at; `ok` None: could not be looked at, and that may be fine."""

    what: str
    ok: bool | None
    detail: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    config: ConfigOption = None,
    form: FormatOption = Format.TABLE,
    *,
    explain_mapping: Annotated[
        bool, typer.Option("--explain-mapping", help="Which rule took which live metric.")
    ] = False,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="What names no tenant, with examples.")
    ] = False,
    targets: Annotated[bool, typer.Option("--targets", help="How scraping goes.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Prove that roll-ups, files and spool agree.")
    ] = False,
    api: ApiOption = "",
) -> None:
    """Look at clock, disk, store, roles, sources and tools. Exit code 1 when something is wrong."""
    if explain_mapping or quarantine or targets:
        from partywall.commands import senders

        tell = senders.explain_mapping if explain_mapping else senders.show_targets
        (senders.show_quarantine if quarantine else tell)(configuration(config), form)
        return
    if verify:
        from partywall.commands import keeping

        keeping.show_verified(config, api, form)
        return
    found = list(examine(config))
    if form is Format.JSON:
        import json
        from dataclasses import asdict

        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        for one in found:
            print(f"{_MARK[one.ok]}\t{one.what}\t{one.detail}")
            if one.remedy and one.ok is not True:
                print(f"\t\tfix: {one.remedy}")
    if any(one.ok is False for one in found):
        raise typer.Exit(1)


_MARK = {True: "ok", False: "WRONG", None: "-"}


def examine(file: Path | None) -> Iterator[Examined]:
    """Everything looked at, in order."""
    try:
        config = configuration(file)
    except Failure as failure:
        yield Examined("configuration", False, failure.why, failure.fix)  # noqa: FBT003
        return
    source = str(config.file) if config.file else "no file: defaults"
    yield Examined("configuration", True, source)  # noqa: FBT003
    yield _clock()
    yield _disk(config.service.data)
    yield _spool(config)
    yield from _roles(config)
    yield from (Examined(*told) for told in findings(config))
    yield from _tools()


def _clock() -> Examined:
    now = datetime.now(UTC)
    before, steady = time.time(), time.monotonic()
    time.sleep(0.05)
    drift = abs((time.time() - before) - (time.monotonic() - steady))
    fine = drift < 0.5 and now.year >= 2024
    return Examined("clock", fine, f"{now:%Y-%m-%d %H:%M:%S} UTC", "set it, and run NTP")


def _disk(data: Path) -> Examined:
    place = next(one for one in (data, *data.absolute().parents) if one.exists())
    free = shutil.disk_usage(place).free
    writable = _writable(place)
    detail = f"{free // MIB} MiB free for {data}" + ("" if writable else ", not writable")
    return Examined("disk", writable and free > 512 * MIB, detail, "set [service] data")


def _writable(place: Path) -> bool:
    import os

    return os.access(place, os.W_OK)


def _spool(config: Config) -> Examined:
    directory = config.collector.spool.directory
    files = [path.stat().st_size for path in directory.glob("*.seg")] if directory.is_dir() else []
    detail = f"{len(files)} segment(s), {sum(files) // 1024} KiB not yet drained"
    late = sum(files) > 256 * MIB
    return Examined("spool", not late, detail, "is the analyzer running? see its log")


def _roles(config: Config) -> Iterator[Examined]:
    from partywall.config import address

    listens = {
        "collector": config.collector.listen,
        "analyzer": config.analyzer.listen,
        "dashboard": config.dashboard.listen,
    }
    for role, listen in listens.items():
        yield _role(role, address(listen))


def _role(role: str, url: str) -> Examined:
    import httpx

    try:
        answer = httpx.get(url + "/readyz", timeout=3, trust_env=False)
    except httpx.HTTPError:
        return Examined(role, None, f"not running at {url}", "partywall up")
    ready = answer.is_success
    detail = f"ready at {url}" if ready else f"not ready: {answer.text[:200]}"
    return Examined(role, ready, detail, f"see the log of the {role}")


def _tools() -> Iterator[Examined]:
    for tool, use in {
        "chromium": "screenshots in the tests",
        "prometheus": "the peer tests",
    }.items():
        path = shutil.which(tool)
        yield Examined(tool, True if path else None, path or f"not installed ({use})")
