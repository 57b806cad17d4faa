"""The analyzer's drain by itself, at the pace of its cycle, and a checkpoint on demand. The log is
folded as in service.

Everything the analyzer does to make what was acknowledged part of the store; not the roll-ups and
the judgement, which no peer does (`whole` measures those too).
"""

from __future__ import annotations

import select
import sys
from datetime import UTC, datetime
from pathlib import Path

from analyzer.ingest import Ingest
from analyzer.ingest.tally import COUNT
from analyzer.store.database import Store
from analyzer.upkeep.fold import fold_long_log
from collector import loops
from partywall import config


def main() -> None:
    settings = config.read(Path(sys.argv[1])).analyzer
    store = Store.open(settings.database, memory_limit=settings.memory_limit)
    ingest = Ingest(store)
    loops.load(COUNT, cache=settings.data / "compiled")
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], settings.cycle_s)
        if ready:
            if not sys.stdin.readline():
                break
            store.checkpoint()
            print("done", flush=True)
        ingest.drain(settings.spool_directory, now=datetime.now(UTC))
        fold_long_log(store)
    store.close()


if __name__ == "__main__":
    main()
