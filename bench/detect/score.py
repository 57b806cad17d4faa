"""One run judged: simulate, observe, judge, compare with what re-simulation says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from analyzer.model import Finding, Incident, Kind
from bench.detect.ablations import ABLATIONS
from bench.detect.families import world_of
from bench.detect.judged import Habit, judge_all
from bench.detect.observe import CLEAR, Lens, late_rows, observe
from bench.detect.rivals import Key, rival_blames
from bench.detect.truth import RECOVERED, Replay, Truth
from bench.detect.worlds import Shape, World, run

PARTS = (1.0, 0.7, 0.4)
"""Parts of the excess a cap may take away."""


@dataclass(frozen=True, slots=True)
class Blamed:
    """One blame of one run: was it right by the script, by re-simulation, how sure, how late."""

    tenant: int
    right: bool
    harmful: bool
    confidence: float
    delay: float


@dataclass(frozen=True, slots=True)
class Rival:
    """Blames of a rival rule: right, wrong by the script, wrong even by re-simulation."""

    right: int
    wrong: int
    proven: int


@dataclass(slots=True)
class Row:
    """One run judged. `misses` is |ln error| of the counterfactual by part taken away; `recovers`
    (claimed, true) whether the victims come back without the blamed."""

    family: str
    seed: int
    truth: Truth
    want: str
    kinds: tuple[str, ...]
    blames: list[Blamed]
    tenant_weeks: float
    misses: dict[float, float] = field(default_factory=dict)
    recovers: tuple[bool, bool] | None = None
    rivals: dict[Key, Rival] = field(default_factory=dict)


class Case:
    """A simulated world ready to be looked at through one lens or another."""

    def __init__(self, family: str, seed: int, shape: Shape) -> None:
        self.world: World = world_of(family, seed, shape)
        self.replay = Replay(self.world, run(self.world))
        self.truth = self.replay.truth()
        season = self.world.season
        self.habit = None if season is None else Habit(season, self.world.season_from)
        self.tenant_weeks = shape.tenants * shape.seconds / (7 * 86400)

    def judged(self, lens: Lens = CLEAR, *, without: str = "") -> Row:
        """What the production code says of it; `without` names a part of the engine left out."""
        windows = observe(self.world, self.replay.ran, lens=lens)
        behind = late_rows(windows, lens, self.world.seed) if lens.late else None
        patch, settings, policy = ABLATIONS[without]
        with patch():
            judged = judge_all(windows, settings, policy, habit=self.habit, behind=behind)
        first = windows.ts[0].astype("datetime64[us]").item()
        row = Row(
            self.world.family, self.world.seed, self.truth, self._want(),
            tuple(str(i.kind) for i in judged.incidents), [], self.tenant_weeks,
        )  # fmt: skip
        blaming = [i for i in judged.incidents if i.kind is Kind.NOISY_NEIGHBOUR and i.detected_at]
        for incident in blaming:
            self._blames(row, incident, first)
        if blaming:
            self._counterfactual(row, blaming[0].finding, first)
        return row

    def unjudged(self, rivals: dict[Key, Rival]) -> Row:
        """A row of rivals only: nobody else looked."""
        return Row(
            self.world.family, self.world.seed, self.truth, self._want(), (), [],
            self.tenant_weeks, rivals=rivals,
        )  # fmt: skip

    def against(self) -> dict[Key, Rival]:
        """What the rivals say of it."""
        windows = observe(self.world, self.replay.ran)
        found = {}
        for key, blames in rival_blames(windows, int(self.world.begin // 10), self.habit).items():
            wrong = {i: at for i, at in blames.items() if i not in self.truth.aggressors}
            proven = [
                i for i, at in wrong.items()
                if not self.replay.harmful(i, at * 10 - 60.0, at * 10 + 120.0)
            ]  # fmt: skip
            found[key] = Rival(len(blames) - len(wrong), len(wrong), len(proven))
        return found

    def _want(self) -> str:
        if self.truth.aggressors:
            return str(Kind.NOISY_NEIGHBOUR)
        return "" if self.world.kind == Kind.NOISY_NEIGHBOUR else self.world.kind

    def _blames(self, row: Row, incident: Incident, first: datetime) -> None:
        assert incident.detected_at is not None
        seen = _since(incident.detected_at, first)
        begin = _since(incident.started_at, first)
        known = {b.tenant for b in row.blames}
        for blame in incident.finding.aggressors:
            i = tenant_number(blame.tenant)
            if i in known:
                continue
            right = i in self.truth.aggressors
            does = right or self.replay.harmful(i, begin, seen + 120)
            late = seen - self.truth.onset
            row.blames.append(Blamed(i, right, does, incident.finding.confidence, late))

    def _counterfactual(self, row: Row, finding: Finding, first: datetime) -> None:
        """How wrong the first counterfactual of the run is; nothing when it gives no number.

        The claim is the part of the (logarithmic) slowdown that stays: it is held against a
        re-simulation by going that part of the way from the calm p95 to the observed one.
        """
        span = _since(finding.window_start, first), _since(finding.window_end, first)
        blamed = tuple(sorted({tenant_number(b.tenant) for b in finding.aggressors}))
        calm, seen, true = self.replay.logs(blamed, 1.0, *span)
        if finding.recovers is not None:
            row.recovers = (finding.recovers, true - calm <= np.log(RECOVERED))
        if finding.stretch_without is None or finding.stretch <= 1.0:
            return
        curve = {**dict(finding.relief_curve), 1.0: finding.stretch_without}
        for part in PARTS:
            if part in curve:
                left = float(np.log(curve[part]) / np.log(finding.stretch))
                calm, seen, true = self.replay.logs(blamed, part, *span)
                row.misses[part] = abs(calm + left * (seen - calm) - true)


def tenant_number(tenant: str) -> int:
    """The number of a simulated tenant, whatever it is called now."""
    return int(tenant[1:4])


def _since(moment: datetime, first: datetime) -> float:
    return (moment.replace(tzinfo=None) - first).total_seconds()
