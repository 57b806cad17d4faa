"""`backup`, `restore`, `rebuild`, `record`: what is done with the data directory as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.failures import FINDING, Failure
from partywall.output import Field, Format, show
from partywall.session import ApiOption, ConfigOption, configuration, target

if TYPE_CHECKING:
    from analyzer.api.views.upkeep import ComparedView, VerificationView
    from analyzer.store.database import Store

PATIENCE_S = 3600.0


def register(app: typer.Typer) -> None:
    for command in (backup, restore, rebuild, record):
        app.command()(command)


def backup(
    directory: Annotated[Path, typer.Argument(help="An empty or new directory for the copy.")],
    config: ConfigOption = None,
    api: ApiOption = "",
) -> None:
    """Copy everything that is stored, while the service runs or is stopped."""
    from partywall.client import Client

    where = target(config, api)
    with Client(where.api, where.token, timeout_s=PATIENCE_S) as client:
        if api or client.reachable():
            from analyzer.api.views.upkeep import BackupView

            made = client.post(BackupView, "/backup", {"directory": str(directory.absolute())})
            print(f"{made.files} files, {made.bytes} bytes in {made.directory}")
            return
    from analyzer.upkeep import backup as copies

    settings = configuration(config).analyzer
    with _stopped(settings.data), _opened(config) as store:
        done = copies.backup(store, settings.data, directory, now=datetime.now(UTC))
    print(f"{done.files} files, {done.bytes} bytes in {done.directory}")


def record(
    directory: Annotated[Path, typer.Argument(help="An empty or new directory.")],
    hours: Annotated[float, typer.Option(help="How much of the time up to now.", min=0.01)] = 24,
    config: ConfigOption = None,
    api: ApiOption = "",
) -> None:
    """Write the fine usage of the last hours as `partywall backtest` reads it."""
    from partywall.client import Client

    until = datetime.now(UTC)
    since = until - timedelta(hours=hours)
    where = target(config, api)
    with Client(where.api, where.token, timeout_s=PATIENCE_S) as client:
        if api or client.reachable():
            from analyzer.api.views.upkeep import RecordingView

            asked = {
                "directory": str(directory.absolute()),
                "since": since.isoformat(), "until": until.isoformat(),
            }  # fmt: skip
            made = client.post(RecordingView, "/recordings", asked)
            print(f"{made.rows} rows, {made.since} to {made.until}, in {made.directory}")
            return
    from analyzer.upkeep import record as recording

    with _stopped(configuration(config).analyzer.data), _opened(config) as store:
        try:
            done = recording.record(store, directory, since=since, until=until)
        except LookupError as nothing:
            raise Failure(
                "nothing to record", str(nothing), "ask for more --hours", code=FINDING
            ) from nothing
    print(f"{done.rows} rows, {done.since} to {done.until}, in {done.directory}")


def restore(
    directory: Annotated[Path, typer.Argument(help="A backup made by `partywall backup`.")],
    config: ConfigOption = None,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Move what is in the data directory aside first.")
    ] = False,
) -> None:
    """Bring a backup back into the data directory of a stopped service."""
    from analyzer.upkeep import backup as copies

    data = configuration(config).analyzer.data
    with _stopped(data):
        done = copies.restore(directory, data, force=force)
    print(f"{done.files} files, {done.bytes} bytes restored to {done.directory}, digests equal")


def rebuild(config: ConfigOption = None) -> None:
    """Make the database file anew from the newest saved state, files and spool."""
    from analyzer.upkeep import backup as copies

    data = configuration(config).analyzer.data
    with _stopped(data):
        state, again = copies.rebuild(data)
    print(f"made anew from {state.name}; {again} segment(s) will be drained again at the start")


@contextmanager
def _stopped(data: Path) -> Iterator[None]:
    """The service must not run on this directory; what is wrong is said in three lines."""
    from analyzer.store.database import StoreBusyError
    from analyzer.upkeep.backup import DamagedError

    try:
        yield
    except DamagedError as damaged:
        raise Failure(
            "a copy is not whole", str(damaged), "use another one", code=FINDING
        ) from damaged
    except FileExistsError as full:
        raise Failure(
            "refused to overwrite", str(full), "name an empty directory, or give --force"
        ) from full
    except StoreBusyError as busy:
        raise Failure(f"the service runs on {data}", str(busy), "stop it first") from busy
    except OSError as wrong:
        raise Failure("could not copy", str(wrong), "look at the disk and its rights") from wrong


@contextmanager
def _opened(config: Path | None) -> Iterator[Store]:
    from analyzer.store.database import Store

    store = Store.open(configuration(config).analyzer.database)
    try:
        yield store
    finally:
        store.close()


def show_verified(config: Path | None, api: str, form: Format) -> None:
    """Print what was compared; a difference ends the command with code 1."""
    found = verified(config, api)
    shown = found.checks if form is not Format.TABLE else _summed(found.checks)
    show(shown, _CHECK, form)
    if not found.ok:
        raise Failure(
            "what is stored does not agree",
            str(found.first),
            "partywall rebuild makes the database anew from saved state, files and spool",
            code=FINDING,
        )


def _summed(checks: list[ComparedView]) -> list[ComparedView]:
    """Wrong ones one by one, right ones a line a kind."""
    wrong = [one for one in checks if not one.ok]
    kinds = dict.fromkeys(one.what for one in checks)
    right = {kind: [one for one in checks if one.what == kind and one.ok] for kind in kinds}
    return wrong + [
        each[0].model_copy(update={"about": f"{len(each)} compared", "detail": each[-1].detail})
        for each in right.values()
        if each
    ]


def verified(config: Path | None, api: str) -> VerificationView:
    """What `doctor --verify` compares: by the running analyzer, else on the file."""
    from analyzer.api.views.upkeep import VerificationView
    from partywall.client import Client

    where = target(config, api)
    with Client(where.api, where.token, timeout_s=PATIENCE_S) as client:
        if api or client.reachable():
            return client.get(VerificationView, "/verification")
    from analyzer.api.upkeep import verification

    settings = configuration(config).analyzer
    if not os.path.exists(settings.database):
        raise Failure(
            f"there is no {settings.database}", "nothing was stored yet", "name the right --config"
        )
    with _stopped(settings.data), _opened(config) as store:
        return verification(store, settings.spool_directory)


_CHECK: list[Field[ComparedView]] = [
    Field("", lambda one: "ok" if one.ok else "WRONG"),
    Field("kind", lambda one: one.what),
    Field("about", lambda one: one.about),
    Field("found", lambda one: one.detail),
]
