"""`tokens`: make a bearer token; the file keeps only its hash."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum
from typing import Annotated

import typer

from partywall.output import stderr


class Scope(StrEnum):
    """What a token may do."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"
    TENANT = "tenant"


def register(app: typer.Typer) -> None:
    app.command()(tokens)


def tokens(
    name: Annotated[str, typer.Argument(help="Who will use it.")],
    scope: Annotated[Scope, typer.Option(help="What it may do.")] = Scope.INGEST,
    tenant: Annotated[str, typer.Option(help="Bind it to one tenant.")] = "",
) -> None:
    """Make a token: the token on stdout, the lines for partywall.toml on stderr."""
    token = "pw_" + secrets.token_urlsafe(32)
    console = stderr()
    console.print("put this into partywall.toml (it holds only the hash):\n", markup=False)
    lines = ["[[token]]", f"name = {toml_text(name)}", f'scope = "{scope}"']
    lines.append(f'sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"')
    if tenant:
        lines.append(f"tenant = {toml_text(tenant)}")
    console.print("\n".join(lines) + "\n", markup=False)
    print(token)


def toml_text(text: str) -> str:
    """A TOML basic string."""
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
