"""Debian's Prometheus as a sender: scrapes one target, remote-writes to one address."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from partywall import lifeline, ports

CONFIG = """
global: {{scrape_interval: {scrape_s}s, scrape_timeout: {scrape_s}s}}
scrape_configs:
  - job_name: platform
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
remote_write:
  - url: {url}
    queue_config: {{batch_send_deadline: 1s, max_samples_per_send: 2000}}
"""


def executable() -> str:
    """The prometheus on PATH; the test is skipped without one."""
    found = shutil.which("prometheus")
    if found is None:
        pytest.skip("no prometheus on PATH: apt-get install prometheus, or run .ci/run")
    return found


@contextmanager
def prometheus(directory: Path, *, target: int, url: str, scrape_s: int = 5) -> Iterator[str]:
    """A running Prometheus; yields its own address."""
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "prometheus.yml"
    config.write_text(CONFIG.format(scrape_s=scrape_s, target=target, url=url))
    listen = f"127.0.0.1:{ports.free_port()}"
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                executable(), f"--config.file={config}", f"--web.listen-address={listen}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
            ],
            stdout=log, stderr=log, preexec_fn=lifeline.die_with_parent,
        )  # fmt: skip
    try:
        yield f"http://{listen}"
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
