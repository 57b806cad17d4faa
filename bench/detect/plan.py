"""What is run: loads, families, seeds, dirty lenses and ablations.

Seeds below 1000 tune (thresholds of the engine, of the rivals, the weights of the confidence);
seeds from 1000 on are only reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.detect.families import BORDERLINE, FAMILIES
from bench.detect.observe import CLEAR, Lens
from bench.detect.worlds import Shape

REPORTED = 1000
"""The first seed that is reported and never tuned on."""

THRASHING = (
    "surge", "slow_burn", "heavy_queries", "two_aggressors", "flapping", "retry_storm",
    "global_incident", "incident_with_surge", "everyone_peaks", "big_but_harmless", "quiet",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of platform. `seeds` per family in the full table and in the quick one; `group` is
    what its figures are added up under; `dirty` seeds per family are also seen through lenses."""

    name: str
    shape: Shape
    group: str
    seeds: int
    quick: int = 0
    dirty: int = 0
    families: tuple[str, ...] = field(default_factory=lambda: tuple(FAMILIES))


LOADS = (
    Load("synthetic, 40 tenants", Shape(), "synthetic", 6, quick=1, dirty=2),
    Load("synthetic, 12 tenants", Shape(tenants=12), "synthetic", 4),
    Load("synthetic, 150 tenants", Shape(tenants=150), "synthetic", 2),
    Load("real clients A, bursty", Shape(traces="A"), "real", 6, quick=1, dirty=2),
    Load("real clients B, burstier", Shape(traces="B"), "real", 6, dirty=2),
    Load(
        "thrashes softly",
        Shape(collapse="soft", load=(0.3, 0.5)),
        "thrashing",
        4,
        families=THRASHING,
    ),
    Load(
        "thrashes hard",
        Shape(collapse="hard", load=(0.3, 0.5)),
        "thrashing",
        4,
        quick=1,
        families=THRASHING,
    ),
)

LENSES: dict[str, Lens] = {
    "": CLEAR,
    "server time missing": Lens(busy=False),
    "5 % of windows lost": Lens(lost=0.05),
    "latencies sampled at 10 %": Lens(sampled=0.1),
    "windows of 60 s": Lens(window_s=60),
    "capacity told as half": Lens(capacity=0.5),
    "capacity told as double": Lens(capacity=2.0),
    "capacity not told": Lens(capacity=0.0),
    "30 % of tenants up to 30 s late": Lens(late=0.3),
    "10 % of tenants renamed": Lens(renamed=0.1),
    "locks not sampled": Lens(locks=False),
}


@dataclass(frozen=True, slots=True)
class Job:
    """One world; looked at through each of `lenses`, by the engine without each of `without`."""

    load: str
    shape: Shape
    family: str
    seed: int
    lenses: tuple[str, ...] = ("",)
    without: tuple[str, ...] = ("",)
    rivals: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """Which jobs: `quick` is a few of the reported ones, `tuning` those of the tuning seeds."""

    quick: bool = False
    first: int = REPORTED
    seeds: int = 0  # 0: as each load says
    loads: tuple[str, ...] = tuple(load.name for load in LOADS)
    families: tuple[str, ...] = tuple(FAMILIES)
    lenses: tuple[str, ...] = tuple(LENSES)
    ablations: tuple[str, ...] = ()

    def jobs(self) -> Iterator[Job]:
        """Judged worlds, long ones first within a load."""
        for load in LOADS:
            seeds = self.seeds or (load.quick if self.quick else load.seeds)
            if load.name not in self.loads:
                continue
            for k in range(seeds):
                dirty = not self.quick and k < load.dirty
                for family in (*load.families, *BORDERLINE):
                    if family in self.families:
                        yield Job(
                            load.name, load.shape, family, self.first + k,
                            lenses=self.lenses if dirty else ("",),
                            without=("", *self.ablations) if dirty else ("",),
                        )  # fmt: skip

    def tuning(self, seeds: int = 2) -> Iterator[Job]:
        """Worlds on which the rivals choose their thresholds."""
        for load in LOADS:
            if load.name in self.loads and (load.quick or not self.quick):
                for k in range(1 if self.quick else seeds):
                    for family in load.families:
                        yield Job(load.name, load.shape, family, k, lenses=(), without=())
