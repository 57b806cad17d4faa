"""From the spool into the store, exactly once: counters become increments, increments usage rows.

spool segments -> order (sort, drop late and twice) -> increments -> pivot -> usage_10s
                  `counters`                                        `pivot`   one transaction
native rows    -> `native` (idempotency, bounds) -------------------------^
"""

from __future__ import annotations

from analyzer.ingest.drain import Drained, Ingest, IngestSettings, SpoolDoor

__all__ = ["Drained", "Ingest", "IngestSettings", "SpoolDoor"]
