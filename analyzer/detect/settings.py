"""Thresholds of the detector (defaults tuned on the tuning seeds of `bench.detect`)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from collector.model import GRAIN_S


@dataclass(frozen=True, slots=True)
class DetectSettings:
    """TOML section `[detect]`. Spans are in windows of 10 s unless the name ends in `_s`.

    `harm` is the smallest felt slowdown (a ratio) that counts; `breadth` the share of the other
    tenants that must be hurt; `surge` the smallest z of a suspect's offered demand; `relief` the
    smallest part of the harm that taking its excess away must undo; `excess` the smallest excess
    as a part of capacity; `association` the smallest agreement in time; `explained` the smallest
    part of the harm the load must explain.
    """

    smooth: int = 2
    recent: int = 60
    min_history_s: float = 1800.0
    guard_s: float = 120.0
    harm: float = 1.25
    min_operations: float = 3.0
    breadth: float = 0.25
    surge: float = 3.0
    relief: float = 0.25
    excess: float = 0.03
    association: float = 0.35
    explained: float = 0.35
    spread_floor: float = 0.10
    target_utilisation: float = 0.7
    max_suspects: int = 12

    def at_grain(self, window_s: float) -> DetectSettings:
        """The same spans of time in longer windows: 30 s windows need little smoothing."""
        if window_s <= GRAIN_S:
            return self
        smooth = max(round(self.smooth * GRAIN_S / window_s), 1)
        recent = max(round(self.recent * GRAIN_S / window_s), 20)
        return replace(self, smooth=smooth, recent=recent)

    def problems(self) -> list[str]:
        """Every invalid value at once, as "key: what, remedy"."""
        found = [
            f"detect.{f.name}: must be above 0, remove it for the default"
            for f in fields(self)
            if not getattr(self, f.name) > 0
        ]
        ratios = ("breadth", "relief", "excess", "association", "explained", "target_utilisation")
        found += [
            f"detect.{name}: is a part of one, set it between 0 and 1"
            for name in ratios
            if getattr(self, name) > 1
        ]
        if self.harm <= 1:
            found.append("detect.harm: is a ratio of slowdown, set it above 1 (1.25 by default)")
        return found
