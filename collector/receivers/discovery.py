"""Lists of scrape targets that change while we run: Prometheus' file and HTTP service discovery.

A list that cannot be read leaves the targets of the last good one in place, and says so.
"""

from __future__ import annotations

import asyncio
import glob
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from collector.config import DiscoverySettings, ScrapeTarget
from collector.metrics import CollectorMetrics
from collector.model import Rejected
from collector.receivers.pages import Pages

log = logging.getLogger(__name__)

MOST_TARGETS = 10_000
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_ADDRESS = re.compile(r"[^\s/?#@]+")

Found = Callable[[str, Sequence[ScrapeTarget]], None]


class Discovery:
    """One task a source; `found` is told the targets of a job whenever its list was read."""

    def __init__(
        self,
        sources: Sequence[DiscoverySettings],
        pages: Pages,
        metrics: CollectorMetrics,
        found: Found,
    ) -> None:
        self._sources = sources
        self._pages = pages
        self._metrics = metrics
        self._found = found
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin reading lists in the running loop."""
        self._tasks = [asyncio.create_task(self._watch(source)) for source in self._sources]

    async def stop(self) -> None:
        """End reading."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self, source: DiscoverySettings) -> bool:
        """Read a list once; whether it could be read."""
        try:
            targets = _unique(parse(text, source) for text in await self._texts(source))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, Rejected) as error:
            log.warning("discovery %s: %s", source.job, str(error) or type(error).__name__)
            self._metrics.discovery_failures.labels(source.job).inc()
            return False
        self._metrics.discovered.labels(source.job).set(len(targets))
        self._found(source.job, targets)
        return True

    async def _watch(self, source: DiscoverySettings) -> None:
        while True:
            await self.look(source)
            await asyncio.sleep(source.refresh_s)

    async def _texts(self, source: DiscoverySettings) -> list[bytes]:
        if source.url:
            async with asyncio.timeout(source.timeout_s):
                return [(await self._pages.fetch(source.url, source, "application/json")).body]
        return await asyncio.to_thread(_read, source.files)


def _read(patterns: Iterable[str]) -> list[bytes]:
    """The files the patterns name; a file named outright must be there."""
    paths: dict[str, None] = {}
    for pattern in patterns:
        paths |= dict.fromkeys(sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern])
    return [Path(path).read_bytes() for path in paths]


def _unique(lists: Iterable[list[ScrapeTarget]]) -> list[ScrapeTarget]:
    """Every target once. Raises ValueError when there are too many."""
    found = {target.name: target for targets in lists for target in targets}
    if len(found) > MOST_TARGETS:
        raise ValueError(f"more than {MOST_TARGETS} targets")
    return list(found.values())


def parse(text: bytes, source: DiscoverySettings) -> list[ScrapeTarget]:
    """The targets of a list. Raises ValueError naming the group that is wrong."""
    try:
        groups = json.loads(text)
    except RecursionError as error:
        raise ValueError("the list is nested too deeply") from error
    if isinstance(groups, list):
        return [
            target
            for number, group in enumerate(groups)
            for target in _group(f"group {number}", group, source)
        ]
    raise ValueError('expected a list of groups [{"targets": [...], "labels": {...}}]')


def _group(which: str, group: object, source: DiscoverySettings) -> Iterator[ScrapeTarget]:
    known: dict[str, Any] = group if isinstance(group, dict) else {"targets": None}
    addresses, labels = known.get("targets", []), known.get("labels") or {}
    if not _all_text(addresses, list) or not _all_text(labels, dict):
        raise ValueError(f"{which}: targets must be a list of text, labels an object of text")
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise ValueError(f"{which}: target {address[:80]!r} is no host:port")
        yield _target(address, {**source.labels, **labels}, source)


def _all_text(value: object, kind: type) -> bool:
    if not isinstance(value, kind):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return all(isinstance(part, str) for part in parts)  # type: ignore[attr-defined]


def _target(address: str, labels: Mapping[str, str], source: DiscoverySettings) -> ScrapeTarget:
    scheme = labels.get("__scheme__", "http")
    if scheme not in {"http", "https"}:
        raise ValueError(f"target {address}: __scheme__ {scheme[:20]!r}: use http or https")
    path = "/" + labels.get("__metrics_path__", "/metrics").lstrip("/")
    asked = urlencode({k.removeprefix("__param_"): v for k, v in labels.items() if "__param_" in k})
    interval_s = _seconds(labels, "__scrape_interval__", source.interval_s)
    timeout_s = _seconds(labels, "__scrape_timeout__", min(source.timeout_s, interval_s))
    job = labels.get("job", source.job)
    return ScrapeTarget(
        url=f"{scheme}://{address}{path}" + (f"?{asked}" if asked else ""),
        name=f"{source.job}/{address}{path if path != '/metrics' else ''}",
        job=job,
        interval_s=interval_s,
        timeout_s=min(timeout_s, interval_s),
        labels={k: v for k, v in labels.items() if not k.startswith("__")},
        bearer=source.bearer,
        username=source.username,
        password=source.password,
        ca_file=source.ca_file,
        insecure=source.insecure,
        sample_limit=source.sample_limit,
    )


def _seconds(labels: Mapping[str, str], name: str, usual: float) -> float:
    """A duration as Prometheus writes it (15s, 1m30s)."""
    given = labels.get(name, "")
    if not given:
        return usual
    parts = _DURATION.findall(given)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != given or not seconds >= 1:
        raise ValueError(f"{name} {given[:20]!r} is no duration of a second or more")
    return seconds
