"""Backups, proofs and erasures."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from analyzer.api.views.base import View


class ErasureView(View):
    """One tenant forgotten; it does not say which. `left` are files that still hold the id."""

    id: str
    erased_at: datetime
    by: str
    cells: int
    files: int
    left: list[str]


class BackupIn(BaseModel):
    """`POST /api/v1/backup`: an empty directory on the analyzer's machine."""

    model_config = ConfigDict(extra="forbid")
    directory: str


class BackupView(View):
    directory: str
    files: int
    bytes: int


class RecordingIn(BaseModel):
    """`POST /api/v1/recordings`: an empty directory on the analyzer's machine, and of when."""

    model_config = ConfigDict(extra="forbid")
    directory: str
    since: AwareDatetime
    until: AwareDatetime


class RecordingView(View):
    """Fine usage written for `partywall backtest`, cut to what is held."""

    directory: str
    rows: int
    since: datetime
    until: datetime


class ComparedView(View):
    """One thing compared: what kind, what about, and what was found."""

    what: str
    about: str
    ok: bool
    detail: str


class VerificationView(View):
    """Whether grains, files and spool say the same; `first` names the first difference."""

    ok: bool
    first: str | None
    checks: list[ComparedView]


class ErasureIn(BaseModel):
    """`POST /api/v1/tenants/ID/erase`: `confirm` repeats the id."""

    model_config = ConfigDict(extra="forbid")
    confirm: str
    by: str = ""
