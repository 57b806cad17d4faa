"""What every answer is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """Base of all answers: unknown keys are errors when we read our own answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(View):
    """An RFC 9457 problem. `id` is the Rejection id; `remedy` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    id: str
    field: str = ""
    remedy: str = ""
