"""Finished operations are counted by one meter of a platform, however many say it.

`partywall_finished_total` and the `_count` of `partywall_latency_seconds` count the same. So for
each (tenant, resource, family):

1. From the first reading of a plain count on, the histogram's own count adds nothing, for good:
   a counter that pauses and returns contains what happened meanwhile.
2. A plain count that appears where the histogram's was counting starts where it stands: what it
   held before has been counted.

At the change less may be counted (the interval in which it happens), never anything twice.
"""

from __future__ import annotations

import numpy as np

from analyzer.ingest.book import SeriesBook
from analyzer.ingest.counters import NEVER, Ints, Mask, Readings


def plain_keys(readings: Readings, book: SeriesBook) -> Ints:
    """The keys whose plain count is among these readings."""
    series = readings.series
    return np.unique(book.key_of.array[series[book.plain.array[series]]])


def counted_before(readings: Readings, book: SeriesBook) -> Mask:
    """Which readings say what is counted already; `book` remembers all earlier batches."""
    series = readings.series
    keys = book.key_of.array[series]
    counted = book.counted.array.copy()
    counted[plain_keys(readings, book)] = True
    late = book.spared.array & ~book.counted.array
    first = book.last_ms.array[series] == NEVER
    head = np.ones(len(series), dtype=bool)
    head[1:] = series[1:] != series[:-1]
    again: Mask = (book.spare.array[series] & counted[keys]) | (
        book.plain.array[series] & late[keys] & first & head
    )
    return again
