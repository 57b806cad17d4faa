"""`python -m bench.query.replay`: how fast a full spool becomes rows after a restart.

The collector takes the bodies while no analyzer runs; then a new store drains all of it. Wall and
CPU seconds include reading and checking segments, counting, and the commits.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from analyzer.ingest import Ingest
from analyzer.store.database import Store
from bench.ingest.servers import CONFIG, Server
from bench.query.stock import Plan, load_into
from partywall import ports


class Collector(Server):
    """The collector alone."""

    name = "partywall"
    paths = {"RW1": "/api/v1/write"}  # noqa: RUF012

    def start(self) -> None:
        config = self.directory / "partywall.toml"
        data = self.directory / "data"
        config.write_text(CONFIG.format(data=data, port=self.port, api=ports.free_port()))
        self._run(sys.executable, "-m", "partywall", "collect", "--config", str(config))
        self._wait(f"http://127.0.0.1:{self.port}/readyz")

    def settle(self) -> None:
        """Nobody drains."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args()
    plan = Plan(args.tenants, 1, 3600 // args.steps)
    directory = Path(tempfile.mkdtemp(prefix="bench-replay-"))
    server = Collector(directory / "partywall")
    try:
        server.start()
        load_into(plan, plan.end, [server])
        server.stop()
        store = Store.open(directory / "partywall.duckdb")
        used, began = _cpu_s(), time.perf_counter()
        drained = Ingest(store).drain(directory / "partywall" / "data" / "spool", now=_now())
        wall, cpu = time.perf_counter() - began, _cpu_s() - used
        store.close()
        millions = drained.samples / 1e6
        print(
            f"{millions:.1f} M samples of {plan.tenants * 12:,} series "
            f"in {drained.segments} segments: {wall:.1f} s, {millions / wall:.2f} M/s; "
            f"CPU {cpu:.1f} s, {millions / cpu:.2f} M/s"
        )
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _now() -> datetime:
    return datetime.fromtimestamp(time.time_ns() / 1e9, UTC)


if __name__ == "__main__":
    main()
