"""Tables rounded so that what is displayed adds up, in both directions.

Controlled rounding (Bacharach 1966, Cox 1987): every cell goes to the unit below or above it, exact
ones stay, and so does every sum of a row, of a column, and of all. Such a table always exists; it
is found by rounding row by row and then moving units along alternating paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Rests = npt.NDArray[np.float64]

_EXACT = 2**53


class Cell(NamedTuple):
    """One amount of a table; a place has at most one."""

    row: int
    column: int
    amount: int


def nearest(amount: int, unit: int) -> int:
    """An amount in whole units, half up."""
    return (2 * amount + unit) // (2 * unit)


def controlled(cells: Sequence[Cell], unit: int) -> list[int]:
    """The cells in whole units, in their order. The sum of all is the nearest to the exact one."""
    rows = 1 + max((cell.row for cell in cells), default=-1)
    columns = 1 + max((cell.column for cell in cells), default=-1)
    parts: list[list[tuple[int, int]]] = [[] for _ in range(rows)]
    whole = 0
    for cell in cells:
        rest = cell.amount % unit
        whole += rest
        if rest:
            parts[cell.row].append((cell.column, rest))
    chosen, needed = _row_by_row(parts, columns, unit)
    table = _Table(rows, columns + 1, parts, chosen, unit)
    table.balance(spare=needed - nearest(whole, unit))
    return [c.amount // unit + int(table.up[c.row, c.column]) for c in cells]


def _row_by_row(
    parts: list[list[tuple[int, int]]], columns: int, unit: int
) -> tuple[list[list[int]], int]:
    """Which cells of a row go up: the largest, but a column that lost or won more than a unit so
    far is helped or held back. A spare column (the last) completes every row to whole units.
    """
    carry = [0] * (columns + 1)
    chosen, needed = [], 0
    for row in parts:
        if spare := -sum(rest for _, rest in row) % unit:
            row.append((columns, spare))
        ups = sum(rest for _, rest in row) // unit
        needed += ups
        claims = sorted((-rest - _beyond(carry[column], unit), column) for column, rest in row)
        lucky = [column for _, column in claims[:ups]]
        for column, rest in row:
            carry[column] += rest
        for column in lucky:
            carry[column] -= unit
        chosen.append(lucky)
    return chosen, needed


def _beyond(carry: int, unit: int) -> int:
    """By how much a column is more than a unit off, either way."""
    return carry - max(-unit, min(unit, carry))


class _Table:
    """Cells that may go up, those that did, and how many of each column may."""

    def __init__(
        self,
        rows: int,
        columns: int,
        parts: list[list[tuple[int, int]]],
        chosen: list[list[int]],
        unit: int,
    ) -> None:
        self.up: Flags = np.zeros((rows, columns), bool)
        self._rest: Rests = np.zeros((rows, columns))
        sums = [0] * columns
        for number, row in enumerate(parts):
            for column, rest in row:
                sums[column] += rest
                self._rest[number, column] = _comparable(rest, unit)
            self.up[number, chosen[number]] = True
        self._least: Counts = np.array([s // unit for s in sums], np.int64)
        self._most: Counts = np.array([-(-s // unit) for s in sums], np.int64)

    def balance(self, *, spare: int) -> None:
        """Move units between columns until each holds what it may; the last holds `spare`."""
        self._least[-1] = self._most[-1] = spare
        while True:
            held = self.up.sum(axis=0)
            over, under = held > self._most, held < self._least
            if over.any():
                self._move(_only(over), held < self._most)
            elif under.any():
                self._move(held > self._least, _only(under))
            else:
                return

    def _move(self, sources: Flags, sinks: Flags) -> None:
        """One unit from a source to a sink, along the shortest path of columns between them."""
        came: dict[int, tuple[int, int]] = {}
        seen = sources.copy()
        queue = [int(c) for c in np.flatnonzero(sources)]
        for column in queue:
            rows = np.flatnonzero(self.up[:, column])
            open_ = (self._rest[rows] > 0) & ~self.up[rows]
            for following in np.flatnonzero(open_.any(axis=0) & ~seen):
                came[int(following)] = (
                    column,
                    self._best(rows[open_[:, following]], column, following),
                )
                if sinks[following]:
                    self._shift(int(following), came)
                    return
                queue.append(int(following))
            seen |= open_.any(axis=0)
        raise ArithmeticError("a table could not be rounded")  # pragma: no cover - see Cox

    def _best(self, rows: npt.NDArray[np.intp], down: int, up: np.intp) -> int:
        """The row in which it costs least to go down in one column and up in another."""
        return int(rows[(self._rest[rows, down] - self._rest[rows, up]).argmin()])

    def _shift(self, column: int, came: dict[int, tuple[int, int]]) -> None:
        while column in came:
            previous, row = came[column]
            self.up[row, column], self.up[row, previous] = True, False
            column = previous


def _comparable(rest: int, unit: int) -> float:
    """A rest as a float that compares like it: exact, or to 53 bits for very fine quanta."""
    return float(rest if unit < _EXACT else max(1, rest * _EXACT // unit))


def _only(columns: Flags) -> Flags:
    """Just the first of them."""
    first = np.zeros_like(columns)
    first[columns.argmax()] = True
    return first
