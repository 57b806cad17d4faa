"""What the collector says of those who send: which rule took what, who is unknown, what is down."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from partywall.failures import FINDING, UNREACHABLE, Failure
from partywall.output import Field, Format, moment, number, show

if TYPE_CHECKING:
    from partywall.config import Config

V = TypeVar("V", bound=BaseModel)
MOST = 2_000


class Line(BaseModel):
    """One metric: what became of its series."""

    metric: str
    outcome: str
    rule: str
    family: str
    columns: list[str]
    kind: str
    tenant: str
    resource: str
    labels: dict[str, str]
    why: str
    note: str
    series: int
    seen_s: float


class Odd(BaseModel):
    """A mistake of a sender that is legal and cannot be meant."""

    kind: str
    metric: str
    detail: str
    points: int
    first_s: float
    last_s: float


class MappingView(BaseModel):
    """The answer of `/api/v1/mapping`."""

    metrics: list[Line]
    left_off: int
    oddities: list[Odd]


class ExampleView(BaseModel):
    """A series without a tenant."""

    door: str
    labels: dict[str, str]
    first_s: float


class QuarantineView(BaseModel):
    """The answer of `/api/v1/quarantine`."""

    series: int
    samples: int
    rows: int
    first_s: float
    last_s: float
    examples: list[ExampleView]


class TargetView(BaseModel):
    """How the last scrape of a target went."""

    target: str
    up: bool
    at_ms: int
    seconds: float
    samples: int
    problem: str


class TargetsView(BaseModel):
    """The answer of `/api/v1/targets`."""

    targets: list[TargetView]
    left_off: int


LINES: tuple[Field[Line], ...] = (
    Field("outcome", lambda one: one.outcome),
    Field("metric", lambda one: one.metric),
    Field("series", lambda one: str(one.series), number=True),
    Field("rule", lambda one: one.rule or "-"),
    Field("feeds", lambda one: " ".join((one.family, *one.columns)) or "-"),
    Field("kind", lambda one: one.kind or "-"),
    Field("resource", lambda one: one.resource or "-"),
    Field("seen", lambda one: _at(one.seen_s)),
    Field("note", lambda one: one.note or one.why or "-"),
)
EXAMPLES: tuple[Field[ExampleView], ...] = (
    Field("door", lambda one: one.door),
    Field("first seen", lambda one: _at(one.first_s)),
    Field("series", lambda one: _series(one.labels)),
)
TARGETS: tuple[Field[TargetView], ...] = (
    Field("target", lambda one: one.target),
    Field("up", lambda one: "up" if one.up else "DOWN"),
    Field("at", lambda one: _at(one.at_ms / 1000)),
    Field("took", lambda one: number(one.seconds, " s"), number=True),
    Field("samples", lambda one: str(one.samples), number=True),
    Field("problem", lambda one: one.problem or "-"),
)


def explain_mapping(config: Config, form: Format) -> None:
    """Print one line a metric: what was refused, what nothing took, what a rule took."""
    found = ask(config, MappingView, "/api/v1/mapping")
    if form is Format.JSON:
        print(found.model_dump_json(indent=2))
        return
    show(found.metrics, LINES, form)
    if form is Format.TABLE:
        for odd in found.oddities:
            print(f"odd\t{odd.metric}\t{odd.points} point(s)\t{odd.detail}")
        if found.left_off:
            print(f"... and {found.left_off} more metrics")


def show_quarantine(config: Config, form: Format) -> None:
    """Print what came without a tenant, with examples."""
    held = ask(config, QuarantineView, "/api/v1/quarantine")
    if form is Format.JSON:
        print(held.model_dump_json(indent=2))
        return
    if form is Format.TABLE:
        print(
            f"{held.series} series, {held.samples} samples, {held.rows} rows without a tenant; "
            f"first {_at(held.first_s)}, last {_at(held.last_s)}"
        )
    show(held.examples, EXAMPLES, form)


def show_targets(config: Config, form: Format) -> None:
    """Print the health of every scrape target."""
    found = ask(config, TargetsView, "/api/v1/targets")
    if form is Format.JSON:
        print(found.model_dump_json(indent=2))
    else:
        show(found.targets, TARGETS, form)


def ask(config: Config, view: type[V], path: str) -> V:
    """One view of the running collector. Raises Failure when none answers, or not so."""
    import httpx

    from partywall.config import address

    base = address(config.collector.listen)
    token = os.environ.get("PARTYWALL_TOKEN", "") or config.dashboard.token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(
            base + path, params={"limit": MOST}, headers=headers, timeout=10, trust_env=False
        )
    except httpx.HTTPError as wrong:
        why = str(wrong) or type(wrong).__name__
        fix = "start one with `partywall up`, or name the right --config"
        raise Failure(f"no collector answers at {base}", why, fix, code=UNREACHABLE) from None
    if not answer.is_success:
        fix = "set PARTYWALL_TOKEN to a token with scope read or admin"
        raise Failure(f"the collector refused {path}", answer.text[:200], fix, code=FINDING)
    try:
        return view.model_validate_json(answer.content)
    except ValidationError:
        fix = "run the command and the collector from the same version"
        raise Failure(
            f"the answer to {path} is not what this version expects", "", fix, code=UNREACHABLE
        ) from None


def findings(config: Config) -> Iterator[tuple[str, bool | None, str, str]]:
    """For `doctor`: what, whether it is well (None: look yourself), detail, remedy."""
    try:
        mapping = ask(config, MappingView, "/api/v1/mapping")
        held = ask(config, QuarantineView, "/api/v1/quarantine")
        targets = ask(config, TargetsView, "/api/v1/targets").targets
    except Failure as failure:
        if failure.code != UNREACHABLE:
            yield "senders", None, f"cannot be looked at: {failure.why}", failure.fix
        return
    down = [one for one in targets if not one.up]
    if targets:
        detail = f"{len(targets) - len(down)} of {len(targets)} targets up"
        detail += "".join(f"; {one.target}: {one.problem}" for one in down[:3])
        yield "scrape", not down, detail, "see `partywall doctor --targets`"
    told = [f"{odd.metric}: {odd.detail}" for odd in mapping.oddities]
    told += [f"{one.metric}: {one.note or one.why}" for one in mapping.metrics if one.note]
    refused = [one for one in mapping.metrics if one.outcome == "refused"]
    told += [f"{one.metric}: {one.series} series refused, {one.why}" for one in refused]
    ignored = sum(one.outcome == "ignored" for one in mapping.metrics)
    taken = len(mapping.metrics) - ignored - len(refused)
    detail = f"{taken} metrics taken, {ignored} by no rule" + "".join(f"; {t}" for t in told[:3])
    yield "mapping", not told, detail, "see `partywall doctor --explain-mapping`"
    if held.series or held.rows:
        detail = f"{held.series} series and {held.rows} rows name no tenant"
        yield "quarantine", None, detail, "see `partywall doctor --quarantine`"


def _at(seconds: float) -> str:
    return moment(datetime.fromtimestamp(seconds, UTC)) if seconds else "-"


def _series(labels: dict[str, str]) -> str:
    inner = ", ".join(f"{k}={v!r}" for k, v in labels.items() if k != "__name__")
    return f"{labels.get('__name__', '')}{{{inner}}}"
