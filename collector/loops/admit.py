"""Admits a body of which nothing is to be refused: states, values and times in one pass.

Whatever would be refused, and whatever feeds two series, is left to the NumPy form in
`collector.intake`; so there is one place that says why.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from collector.loops import loop

LIVE, IGNORED = 0, 1
NO_SERIES = -1
STALE = np.uint64(0x7FF0000000000002)
NOT_PLAIN = -1


@loop(
    "UniTuple(int64, 3)(int64[::1], int64[::1], float64[::1], int64[::1], int64[::1], int32[::1],"
    " uint8[::1], float64[::1], float64[::1], float64, int64, int64, int64[::1],"
    " uint32[::1], int64[::1], float64[::1], int64[::1], int64[::1], int64[::1])"
)
def admit(
    slots: Any,
    ts_ms: Any,
    values: Any,
    sid: Any,
    second: Any,
    tenant: Any,
    state: Any,
    scale: Any,
    seen_s: Any,
    now_s: float,
    oldest_ms: int,
    newest_ms: int,
    starts: Any,
    sids: Any,
    times: Any,
    numbers: Any,
    begins: Any,
    senders: Any,
    sent: Any,
) -> Any:
    """Fill sids, times, numbers (values in their unit) and, where there are `starts`, begins with
    what is live.

    `senders` gets each tenant once, and `sent` (zeros, an entry a tenant) how many samples it has.
    Returns how many samples are live, how many ignored, how many senders; NOT_PLAIN first when
    the body is not for this loop.
    """
    live = ignored = who = 0
    for at in range(len(slots)):
        slot = slots[at]
        seen_s[slot] = now_s
        if state[slot] != LIVE:
            if state[slot] != IGNORED:
                return NOT_PLAIN, 0, 0
            ignored += 1
            continue
        value, ts = values[at], ts_ms[at]
        if not (value >= 0.0 and value < np.inf) and np.float64(value).view(np.uint64) != STALE:
            return NOT_PLAIN, 0, 0
        if ts < oldest_ms or ts > newest_ms or second[slot] != NO_SERIES:
            return NOT_PLAIN, 0, 0
        one = tenant[slot]
        if sent[one] == 0:
            senders[who] = one
            who += 1
        sent[one] += 1
        stale = np.float64(value).view(np.uint64) == STALE
        sids[live] = sid[slot]
        times[live] = ts
        if len(starts):
            begins[live] = starts[at]
        numbers[live] = value if stale or scale[slot] == 1.0 else value * scale[slot]
        live += 1
    return live, ignored, who
