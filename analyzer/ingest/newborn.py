"""Does the first reading ever of a series count from 0, or is it only where counting starts?

Counting an old counter in full shows a spike that never was (and blames a tenant for it); not
counting a young one loses the first events of a new tenant. So a first reading counts in full when
the counter can only have begun while we watched:

1. Its start is declared: it counts when it started after we began to watch its resource, or at
   most two minutes before this reading (a start that close is no spike).
2. Not declared: it counts when other series of its resource have been read for at least a minute.
   Had it existed, it would have come with them (the minute covers scrapes that are staggered).
   This is the new tenant on a watched platform, or a new process with a new instance label.
3. But not in the first minute of a spool generation when another series, read before, feeds the
   same number: after a restart of the collector or a change of its configuration an old counter
   returns under new labels, and its twin has been counted already.

Costs of the rule, known: the first scrape interval of a brand-new resource without declared starts
is lost; an old counter whose scraping began later than that of its resource counts once in full.
"""

from __future__ import annotations

import numpy as np

from analyzer.ingest.book import SeriesBook
from analyzer.ingest.counters import NEVER, Mask, Readings

WARM_UP_MS = 60_000
FRESH_START_MS = 120_000


def newborn(first: Readings, book: SeriesBook, *, generation_ms: int) -> Mask:
    """Per first reading: does it count in full? `generation_ms` is when its generation began."""
    since = book.since_ms.array[book.resource_of.array[first.series]]
    watched = first.ts_ms - since >= WARM_UP_MS
    settling = first.ts_ms - generation_ms < WARM_UP_MS
    if settling.any():
        watched &= ~(settling & book.has_twin(first.series))
    young = (first.start_ms >= since) | (first.ts_ms - first.start_ms <= FRESH_START_MS)
    counts: Mask = np.where(first.start_ms > 0, young, watched)
    return counts


def watch(readings: Readings, book: SeriesBook) -> dict[str, int]:
    """Note when the resources not watched so far were first read. Returns the new ones."""
    since = book.since_ms.array
    unwatched = since == NEVER
    if not unwatched.any():
        return {}
    resource = book.resource_of.array[readings.series]
    found = np.full(len(since), np.iinfo(np.int64).max)
    np.minimum.at(found, resource, readings.ts_ms)
    begun = np.flatnonzero(unwatched & (found < np.iinfo(np.int64).max))
    since[begun] = found[begun]
    return {book.resources[number]: int(found[number]) for number in begun}
