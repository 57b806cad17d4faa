"""Areas in proportion inside a rectangle, as square as they will go.

Squarified treemap (Bruls, Huizing, van Wijk 2000): rows along the shorter side, a tile is added to
the row as long as that makes its worst aspect ratio no worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tile:
    x: float
    y: float
    width: float
    height: float

    def inside(self, pad: float, top: float = 0.0) -> Tile:
        """The tile without its edge, and without `top` above."""
        return Tile(
            self.x + pad,
            self.y + pad,
            max(0.0, self.width - 2 * pad),
            max(0.0, self.height - 2 * pad - top),
        )


def tiles(amounts: Sequence[float], room: Tile) -> list[Tile]:
    """One tile an amount, in their order; amounts are positive and best given largest first."""
    whole = sum(amounts)
    if whole <= 0:
        return [Tile(room.x, room.y, 0.0, 0.0) for _ in amounts]
    areas = [amount * room.width * room.height / whole for amount in amounts]
    found: list[Tile] = []
    while areas:
        side = min(room.width, room.height)
        row = 1
        while row < len(areas) and _worst(areas[: row + 1], side) <= _worst(areas[:row], side):
            row += 1
        placed, room = _row(areas[:row], room)
        found += placed
        areas = areas[row:]
    return found


def _worst(row: Sequence[float], side: float) -> float:
    """The largest aspect ratio of tiles in a row along `side`."""
    thick = sum(row) / side if side else 0.0
    lengths = [area / thick if thick else 0.0 for area in row]
    return max(max(thick / n, n / thick) if n and thick else float("inf") for n in lengths)


def _row(row: Sequence[float], room: Tile) -> tuple[list[Tile], Tile]:
    across = room.width >= room.height
    side = room.height if across else room.width
    thick = sum(row) / side if side else 0.0
    found, at = [], 0.0
    for area in row:
        length = area / thick if thick else 0.0
        found.append(
            Tile(room.x, room.y + at, thick, length)
            if across
            else Tile(room.x + at, room.y, length, thick)
        )
        at += length
    left = (
        Tile(room.x + thick, room.y, room.width - thick, room.height)
        if across
        else Tile(room.x, room.y + thick, room.width, room.height - thick)
    )
    return found, left


def rectangle(tile: Tile, colour: str, line: str) -> dict[str, object]:
    """The tile as a shape of a figure, below its texts."""
    return {
        "type": "rect",
        "x0": tile.x,
        "x1": tile.x + tile.width,
        "y0": tile.y,
        "y1": tile.y + tile.height,
        "fillcolor": colour,
        "line": {"color": line, "width": 1},
        "layer": "below",
    }
