"""The table, as Markdown: figures beside their targets, unreached ones marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.detect import figures
from bench.detect.plan import LENSES, LOADS
from bench.detect.rivals import RULES, Key
from bench.detect.score import PARTS, Row

Rows = Sequence[Row]
Viewed = Mapping[tuple[str, str, str], Rows]
"""(load, lens, ablation) -> runs."""

ALLOWED_LOSS = {
    "server time missing": (0.02, 0.04, 0.005),
    "5 % of windows lost": (0.0, 0.0, 0.0),
    "latencies sampled at 10 %": (0.005, 0.0, 0.0),
    "windows of 60 s": (0.015, 0.025, 0.0),
    "capacity told as half": (0.0, 0.0, 0.0),
    "capacity told as double": (0.01, 0.01, 0.01),
}
"""Half of the loss of F1 that design section 4 names for synthetic, real A and real B loads (what
is not named there has no target). Below the noise of the sample a loss is none: see `_noise`."""


@dataclass(frozen=True, slots=True)
class Target:
    """`least` or `most` a figure may be; None: not asked."""

    least: float | None = None
    most: float | None = None

    def mark(self, value: float) -> str:
        """ "" when reached or not asked, else a word that cannot be overlooked."""
        if np.isnan(value):
            return ""
        low = self.least is not None and value < self.least
        high = self.most is not None and value > self.most
        return " **missed**" if low or high else ""

    def __str__(self) -> str:
        if self.least is not None:
            return f"≥ {self.least:g}"
        return "" if self.most is None else f"≤ {self.most:g}"


F1 = {
    "synthetic": Target(least=0.97), "real": Target(least=0.92), "thrashing": Target(least=0.85),
}  # fmt: skip
WRONG, HALF, MOST = Target(most=0.05), Target(most=20), Target(most=60)
CAP = {1.0: Target(most=0.10), 0.7: Target(most=0.10), 0.4: Target(most=0.20)}
RECALL = {"cache_thrash": Target(least=0.9), "lock_hog": Target(least=0.9)}
APART, ECE = Target(least=0.95), Target(most=0.05)


def report(viewed: Viewed, levels: Mapping[tuple[str, str], Key]) -> Iterator[str]:
    """All lines. `levels` is each rival's threshold by (load, rule), from the tuning seeds."""
    plain = {load: rows for (load, lens, without), rows in viewed.items() if not lens + without}
    yield from _blame(plain)
    yield from _against(plain, levels)
    yield from _families(plain)
    yield from _kinds(plain)
    yield from _sure(plain)
    yield from _counterfactual(plain)
    yield from _dirty(viewed)
    yield from _ablated(viewed)


def _grouped(plain: Mapping[str, Rows]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for load in LOADS:
        found.setdefault(load.group, []).extend(plain.get(load.name, ()))
    return {group: rows for group, rows in found.items() if rows}


def _cell(value: float, target: Target, form: str = ".3f", unit: str = "") -> str:
    return f"{value:{form}}{unit}{target.mark(value)}"


def _blame(plain: Mapping[str, Rows]) -> Iterator[str]:
    yield "\n## Blame\n"
    yield (
        "| load (runs, true aggressors) | precision | recall | F1 | F1 re-simulated [95 %] "
        "| wrong per tenant-week | time to detect: median | p90 |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    groups = {load.name: load.group for load in LOADS}
    for name, rows in plain.items():
        yield _blame_line(name, rows, F1[groups[name]])
    for group, rows in _grouped(plain).items():
        yield _blame_line(f"**{group}**", rows, F1[group])
        asked = f"re-simulated {F1[group]}" if group == "real" else str(F1[group])
        yield f"| target, {group} | | | {asked} | | {WRONG} | {HALF} s | {MOST} s |"


def _blame_line(name: str, rows: Rows, target: Target) -> str:
    counts = figures.added([figures.counted(r, proven=False) for r in rows])
    precision, recall, plain = figures.scores(*counts)
    again = figures.f1(rows, proven=True)
    low, high = figures.interval(rows, lambda some: figures.f1(some, proven=True))
    half, most = figures.delays(rows)
    return (
        f"| {name} ({len(rows)}, {counts[0] + counts[2]}) | {precision:.3f} | {recall:.3f} "
        f"| {plain:.3f} | {_cell(again, target)} [{low:.2f}-{high:.2f}] "
        f"| {_cell(figures.wrong_per_week(rows), WRONG)} "
        f"| {_cell(half, HALF, '.0f', ' s')} | {_cell(most, MOST, '.0f', ' s')} |"
    )


def _against(plain: Mapping[str, Rows], levels: Mapping[tuple[str, str], Key]) -> Iterator[str]:
    yield "\n## Beside what others do (F1 · F1 re-simulated; threshold from the tuning seeds)\n"
    yield "| load | Partywall | " + " | ".join(RULES) + " |"
    yield "|---|---|" + "---|" * len(RULES)
    for name, rows in plain.items():
        ours = f"{figures.f1(rows):.3f} · {figures.f1(rows, proven=True):.3f}"
        cells = []
        for rule in RULES:
            key = levels.get((name, rule)) or (rule, RULES[rule][len(RULES[rule]) // 2])
            pair = [figures.rival_f1(rows, key, proven=proven) for proven in (False, True)]
            cells.append(f"{pair[0]:.3f} · {pair[1]:.3f} (> {key[1]:g})")
        yield f"| {name} | {ours} | " + " | ".join(cells) + " |"


def _families(plain: Mapping[str, Rows]) -> Iterator[str]:
    everything = [row for rows in plain.values() for row in rows]
    yield "\n## Families (all loads)\n"
    yield "| family | runs | aggressors | found | wrong (proven) | kind as wanted | median delay |"
    yield "|---|---|---|---|---|---|---|"
    for family in dict.fromkeys(row.family for row in everything):
        rows = [row for row in everything if row.family == family]
        right, wrong, missed = figures.added([figures.counted(r, proven=False) for r in rows])
        proven = figures.added([figures.counted(r, proven=True) for r in rows])[1]
        recall = right / (right + missed) if right + missed else float("nan")
        mark = RECALL[family].mark(recall) if family in RECALL else ""
        kind = sum(set(r.kinds) == {r.want} - {""} for r in rows)
        half = figures.delays(rows)[0]
        delay = "" if np.isnan(half) else f"{half:.0f} s"
        yield (
            f"| {family} | {len(rows)} | {right + missed} | {right}{mark} | {wrong} ({proven}) "
            f"| {kind} of {len(rows)} | {delay} |"
        )


def _kinds(plain: Mapping[str, Rows]) -> Iterator[str]:
    rows = [row for some in plain.values() for row in some]
    right, of = figures.told_apart(rows)
    alone, asked = figures.told_alone(rows)
    share = alone / asked if asked else float("nan")
    beside, _ = figures.told_beside(rows)
    part = beside / asked if asked else float("nan")
    yield "\n## Capacity or degraded\n"
    yield (
        f"Told so, nothing else and nobody blamed: {alone} of {asked} = {_cell(share, APART)} "
        f"(target {APART}). Blames proven harmful left aside: {beside} of "
        f"{asked} = {_cell(part, APART)}. Where one of the two is told at all, the right one: "
        f"{right} of {of}.\n"
    )
    table = figures.confusion(rows)
    names = [kind or "silence" for kind in figures.KINDS]
    yield "| wanted \\ told | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for want in figures.KINDS:
        yield f"| {want or 'silence'} | " + " | ".join(map(str, table[want].values())) + " |"


def _sure(plain: Mapping[str, Rows]) -> Iterator[str]:
    yield "\n## Confidence\n"
    rows = [row for some in plain.values() for row in some]
    error, brier = figures.calibration(rows)
    yield f"Expected calibration error {_cell(error, ECE)} (target {ECE}), Brier {brier:.3f}.\n"
    yield "| said | was right | blames |"
    yield "|---|---|---|"
    for said, true, n in figures.reliability(rows):
        yield f"| {said:.2f} | {true:.2f} | {n} |"


def _counterfactual(plain: Mapping[str, Rows]) -> Iterator[str]:
    yield "\n## Counterfactual: median (p90) of |ln error| of the victims' p95\n"
    yield "| load | " + " | ".join(f"cap removes {part:.0%}" for part in PARTS) + " | recovers? |"
    yield "|---|" + "---|" * len(PARTS) + "---|"
    for group, rows in _grouped(plain).items():
        cells = []
        for part in PARTS:
            middle, far, n = figures.errors(rows, part)
            mark = "" if group == "thrashing" else CAP[part].mark(middle)
            cells.append(f"{middle:.2f} ({far:.2f}; {n}){mark}")
        right, of = figures.recovery(rows)
        yield f"| {group} | " + " | ".join(cells) + f" | {right} of {of} claims right |"
    yield "| target | " + " | ".join(str(CAP[part]) for part in PARTS) + " | |"


def _noise(rows: Rows) -> float:
    """What one changed blame does to F1 here: less cannot be told."""
    return 1.0 / max(sum(len(r.truth.aggressors) for r in rows), 1)


def _dirty(viewed: Viewed) -> Iterator[str]:
    loads = ("synthetic, 40 tenants", "real clients A, bursty", "real clients B, burstier")
    if not any(lens for _, lens, _ in viewed):
        return
    yield "\n## Dirty input: F1 re-simulated (loss) · median and p90 delay\n"
    yield "| | " + " | ".join(loads) + " |"
    yield "|---|" + "---|" * len(loads)
    for lens in LENSES:
        cells = []
        for k, load in enumerate(loads):
            rows = viewed.get((load, lens, ""), ())
            seeds = {(r.family, r.seed) for r in rows}
            clear = [r for r in viewed.get((load, "", ""), ()) if (r.family, r.seed) in seeds]
            if lens == "":
                dirty = {key: r for key, r in viewed.items() if key[0] == load and key[1]}
                seeds = {(r.family, r.seed) for some in dirty.values() for r in some}
                rows = clear = [r for r in clear if (r.family, r.seed) in seeds]
            cells.append(_dirty_cell(rows, clear, ALLOWED_LOSS.get(lens, (9.0, 9.0, 9.0))[k]))
        yield f"| {lens or 'clear'} | " + " | ".join(cells) + " |"


def _dirty_cell(rows: Rows, clear: Rows, allowed: float) -> str:
    if not rows:
        return ""
    score, base = figures.f1(rows, proven=True), figures.f1(clear, proven=True)
    half, most = figures.delays(rows)
    missed = " **missed**" if base - score > max(allowed, _noise(rows)) else ""
    return f"{score:.3f} ({score - base:+.3f}){missed} · {half:.0f}/{most:.0f} s"


def _ablated(viewed: Viewed) -> Iterator[str]:
    names = list(dict.fromkeys(without for _, _, without in viewed if without))
    if not names:
        return
    loads = list(dict.fromkeys(load for load, _, without in viewed if without))
    yield "\n## Without one part: F1 · F1 re-simulated · wrong per tenant-week\n"
    yield "| | " + " | ".join(loads) + " |"
    yield "|---|" + "---|" * len(loads)
    for without in ("", *names):
        cells = []
        for load in loads:
            seeds = {(r.family, r.seed) for r in viewed.get((load, "", names[0]), ())}
            rows = [r for r in viewed[load, "", without] if (r.family, r.seed) in seeds]
            cells.append(
                f"{figures.f1(rows):.3f} · {figures.f1(rows, proven=True):.3f} "
                f"· {figures.wrong_per_week(rows):.3f}"
            )
        yield f"| {without or 'whole'} | " + " | ".join(cells) + " |"
