"""What every command that asks the service needs: configuration, address, token."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from partywall.output import Format

if TYPE_CHECKING:
    from partywall.client import Client
    from partywall.config import Config

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; default partywall.toml if present."),
]
ApiOption = Annotated[
    str, typer.Option("--api", envvar="PARTYWALL_API", help="Address of a running analyzer.")
]
FormatOption = Annotated[
    Format, typer.Option("--output-format", "-o", help="How to print: table, json or csv.")
]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the service is and what it demands."""

    api: str
    token: str


def configuration(file: Path | None) -> Config:
    """The configuration, all faults at once."""
    from partywall.config import read

    return read(file)


def target(file: Path | None, api: str) -> Target:
    """The analyzer to ask: --api, else the one of the configuration."""
    from partywall.config import address

    token = os.environ.get("PARTYWALL_TOKEN", "")
    if api:
        return Target(api.rstrip("/"), token)
    config = configuration(file)
    return Target(address(config.analyzer.listen), token or config.dashboard.token)


def connect(file: Path | None, api: str, *, timeout_s: float = 10) -> Client:
    """A client of the running analyzer that waits `timeout_s` for an answer."""
    from partywall.client import Client

    where = target(file, api)
    return Client(where.api, where.token, timeout_s=timeout_s)
