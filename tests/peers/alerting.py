"""A process that writes a story of incidents and sends it, to be killed at any moment.

Its clock runs fast, so that hours of retries pass in seconds. Whoever starts it again starts the
same story: what was written before the kill is not written twice.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from analyzer.journal import transitions
from analyzer.model import IncidentState, Transition, TransitionType
from analyzer.notify import (
    EndpointSettings,
    HttpTransport,
    Links,
    NotifySettings,
    Sender,
    sync_endpoints,
)
from analyzer.notify.attend import attend
from analyzer.notify.rules import ConfiguredRules, sync_rules
from analyzer.routing.rules import RoutingSettings
from analyzer.store.database import Store
from tests.analyzer.journal.cast import incident

KINDS = (TransitionType.OPENED, TransitionType.UPDATED, TransitionType.RESOLVED)
KEY = "R" * 32


@dataclass(frozen=True)
class Fast:
    """A clock that shows `started` plus `speed` times what has passed since `real`."""

    started: datetime
    real: float
    speed: float

    def __call__(self) -> datetime:
        return self.started + timedelta(seconds=(time.time() - self.real) * self.speed)  # noqa: TID251


@dataclass(frozen=True)
class Story:
    """`incidents` open one after the other every `every_s` seconds of the fast clock; each is
    updated and resolved `every_s * 3` later."""

    directory: Path
    clock: Fast
    hook: str
    pager: str
    incidents: int = 20
    every_s: float = 20.0

    @property
    def settings(self) -> NotifySettings:
        return NotifySettings(
            endpoints=(
                EndpointSettings("hook", self.hook),
                EndpointSettings("pager", self.pager, "pagerduty", routing_key=KEY),
            ),
            allow=("127.0.0.1/32",),
            total_timeout_s=0.5,
            connect_timeout_s=0.3,
        )

    @property
    def rules(self) -> ConfiguredRules:
        return ConfiguredRules(RoutingSettings(storm_openings=0, repeat_s=0))

    def changes(self) -> list[Transition]:
        """All of it in order of time."""
        found = []
        for n in range(self.incidents):
            for step, kind in enumerate(KINDS):
                at = self.clock.started + timedelta(seconds=self.every_s * (n + 3 * step))
                over = kind is TransitionType.RESOLVED
                state = IncidentState.RESOLVED if over else IncidentState.FIRING
                after = incident(
                    f"INC-{n}", state=state, started_at=at, updated_at=at, seq=step + 1,
                    ended_at=at if over else None,
                )  # fmt: skip
                found.append(Transition(kind, at, after, "as told"))
        return sorted(found, key=lambda change: (change.at, change.incident.id))


def live(story: Story) -> None:
    """Write and send until everything is sent; says so with an empty file."""
    store = Store.open(story.directory / "p.duckdb", threads=1)
    settings = story.settings
    sync_endpoints(store, settings, story.clock.started)
    sync_rules(store, story.rules, story.clock.started)
    sender = Sender(store, settings, HttpTransport(settings))
    links = Links("https://partywall.example")
    writer = threading.Thread(target=write, args=(store, story, links))
    writer.start()
    (story.directory / "alive").touch()
    while writer.is_alive() or store.rows("notify_depth")[0][0]:
        sender.tick(story.clock())
        attend(store, now=story.clock(), links=links)
        time.sleep(0.02)
    sender.close()
    store.close()
    (story.directory / "done").touch()


def live_whole(story: Story) -> None:
    """The same in a whole analyzer with its timetable."""
    from analyzer.app import Analyzer
    from analyzer.config import AnalyzerSettings
    from analyzer.jobs import Timetable

    settings = AnalyzerSettings(
        data=story.directory, notify=story.settings, routing=story.rules.routing
    )
    analyzer = Analyzer.open(settings, clock=story.clock)
    timetable = Timetable(analyzer.jobs(), clock=story.clock)
    timetable.start()
    writer = threading.Thread(target=write, args=(analyzer.store, story, analyzer.links))
    writer.start()
    (story.directory / "alive").touch()
    while writer.is_alive() or analyzer.store.rows("notify_depth")[0][0]:
        time.sleep(0.1)
    timetable.stop()
    analyzer.close()
    (story.directory / "done").touch()


def write(store: Store, story: Story, links: Links) -> None:
    for change in story.changes():
        while story.clock() < change.at:
            time.sleep(0.005)
        with store.transaction() as tx:
            transitions.record(tx, [change], [], now=max(story.clock(), change.at), links=links)


if __name__ == "__main__":
    directory, started, real, speed, hook, pager, incidents = sys.argv[1:]
    live_whole(
        Story(
            Path(directory),
            Fast(datetime.fromisoformat(started).replace(tzinfo=UTC), float(real), float(speed)),
            hook,
            pager,
            int(incidents),
        )
    )
