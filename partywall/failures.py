"""How the command fails: three lines (what, why, fix) and an exit code that says the kind."""

from __future__ import annotations

FINDING = 1
USAGE = 2
UNREACHABLE = 3


class Failure(Exception):
    """Ends the command. `code`: 1 a finding, 2 wrong usage or configuration, 3 unreachable."""

    def __init__(self, what: str, why: str, fix: str, *, code: int = USAGE) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.code = code

    def __str__(self) -> str:
        return f"{self.what}\nwhy: {self.why}\nfix: {self.fix}"
