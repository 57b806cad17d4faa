"""SQLAlchemy hook: counts and times the statements of the current tenant.

The time is what the client felt: a signal of victims. Who wore the database out is told by the
server's own figures, so `busy_s` is left unknown here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from collector.sdk.report import Reporter, tenant_or_unknown
from collector.sdk.windows import Observation

_STARTED = "partywall_started"


def watch_engine(
    listen: Callable[..., object], engine: object, reporter: Reporter, *, resource: str
) -> None:
    """Attach to an engine; pass `sqlalchemy.event.listen` (nothing is imported here).

    `resource` is the database's id, for example `db:shard-3`.
    """

    def begin(_conn: Any, _cursor: Any, _sql: Any, _params: Any, context: Any, _many: Any) -> None:
        setattr(context, _STARTED, time.perf_counter())

    def end(_conn: Any, cursor: Any, _sql: Any, _params: Any, context: Any, _many: Any) -> None:
        rows = getattr(cursor, "rowcount", -1)
        report(context, errors=0, volume=rows if rows >= 0 else None)

    def failed(error: Any) -> None:
        if error.execution_context is not None:
            report(error.execution_context, errors=1, volume=None)

    def report(context: Any, *, errors: int, volume: int | None) -> None:
        started = context.__dict__.pop(_STARTED, None)
        if started is not None:
            seconds = time.perf_counter() - started
            tenant = tenant_or_unknown()
            reporter.observe(
                Observation(
                    resource,
                    tenant,
                    "query",
                    arrived=1,
                    finished=1,
                    errors=errors,
                    latency_s=seconds,
                    volume=volume,
                )
            )

    listen(engine, "before_cursor_execute", begin)
    listen(engine, "after_cursor_execute", end)
    listen(engine, "handle_error", failed)
