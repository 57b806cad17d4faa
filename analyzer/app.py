"""The analyzer, put together: one store, its rooms, a timetable and the API over them."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version

import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from analyzer import registry
from analyzer.api import (
    alerts,
    bills,
    bodies,
    decisions,
    density,
    incidents,
    money,
    placement,
    precision,
    problems,
    report_deliveries,
    reports,
    resources,
    routing,
    status,
    tenants,
    upkeep,
)
from analyzer.api.auth import BearerAuth
from analyzer.config import AnalyzerSettings
from analyzer.cost.book import book
from analyzer.cost.revenue import note_plans
from analyzer.cycle import Rooms
from analyzer.density.fullness import held_densities
from analyzer.ingest import Ingest
from analyzer.ingest.tally import COUNT
from analyzer.jobs import Job, Timetable, cycle_job, wall_clock
from analyzer.journal.advice import attach, propose_demotions
from analyzer.journal.budgets import watch_budgets
from analyzer.journal.judgement import Bench, Judge
from analyzer.journal.slow import Terms, judge_days
from analyzer.journal.sources import watch
from analyzer.model import EventType
from analyzer.notify.announce import announce
from analyzer.notify.attend import attend
from analyzer.notify.endpoints import sync_endpoints
from analyzer.notify.event import EventId, Links
from analyzer.notify.outbox import prune
from analyzer.notify.rules import forget_rules, sync_rules
from analyzer.notify.sender import Sender
from analyzer.notify.wire.transport import HttpTransport
from analyzer.pulse import OutboxMetrics, Pulse
from analyzer.reports.delivery.channels import channels
from analyzer.reports.delivery.plan import Line
from analyzer.reports.delivery.round import Round, deliver_reports
from analyzer.reports.ledger import Report, close_weeks
from analyzer.store.database import Store, StoreBusyError
from analyzer.store.reader import Transaction
from analyzer.upkeep import backup, compaction, slack
from analyzer.upkeep.fold import fold_long_log
from analyzer.upkeep.shorter import retain_shorter
from analyzer.usage import rollup
from analyzer.usage.windows import Windows
from collector import loops
from collector.model import ResourceId, TenantId

log = logging.getLogger("partywall.analyzer")

Clock = Callable[[], datetime]

DELIVER_EVERY_S = 0.25
"""From a change to the first attempt is at most this and the way."""


@dataclass(frozen=True, slots=True)
class Analyzer:
    """The parts a running service holds."""

    settings: AnalyzerSettings
    store: Store
    rooms: Rooms
    pulse: Pulse
    sender: Sender
    links: Links

    @classmethod
    def open(cls, settings: AnalyzerSettings, *, clock: Clock = wall_clock) -> Analyzer:
        """Open the store, register what the configuration names, restore what a crash left."""
        store = Store.open(
            settings.database,
            memory_limit=settings.memory_limit,
            keys=settings.secrets_key.split(),
        )
        links = Links(settings.notify.external_url.rstrip("/"))
        describe(store, settings, clock())
        sync_endpoints(store, settings.sending(), clock())
        sync_rules(store, settings.rules(), clock())
        windows = Windows(store, settings.windows, settings.detect)
        bench = Bench(settings.detect, settings.flags, settings.decisions, links, settings.tuning)
        rooms = Rooms(
            store=store,
            ingest=Ingest(store, keep=settings.drained_directory),
            judge=Judge(store, windows, bench),
            spool=settings.spool_directory,
            retention=settings.retention,
        )
        sending, pulse = settings.sending(), Pulse(CollectorRegistry())
        sender = Sender(store, sending, HttpTransport(sending), seen=pulse.attempted)
        return cls(settings, store, rooms, pulse, sender, links)

    def jobs(self) -> list[Job]:
        """What runs when."""
        settings, store = self.settings, self.store

        def close(now: datetime) -> object:
            note_plans(store, now)
            return close_weeks(
                store,
                now=now,
                settings=settings.money(),
                directory=settings.report_directory,
                tell=lambda tx, report: tell_report(tx, report, now, self.links),
            )

        def renew(now: datetime) -> None:
            book(store, settings.money()).refresh(now)
            held_densities(store).refresh(now)

        def watch_spending(now: datetime) -> object:
            if not settings.budgets or not settings.money().prices:
                return None
            money = settings.money()
            return watch_budgets(
                store, book(store, money), settings.budgets, now=now, zone=money.zone,
                links=self.links,
            )  # fmt: skip

        began: list[datetime] = []

        def listen(now: datetime) -> object:
            if not began:
                began.append(now)
            return watch(store, now=now, up_since=began[0], links=self.links)

        def retain(now: datetime) -> None:
            rollup.retain(store, now=now, settings=settings.retention)
            retain_shorter(store, now=now, keeps=settings.keeps)
            prune(store, settings.sending(), now=now)
            with store.transaction() as tx:
                forget_rules(tx, before=now - timedelta(days=settings.notify.keep_days))

        def compact(now: datetime) -> None:
            compaction.compact(store, now=now, settings=settings.compaction)
            compaction.sweep(store, now=now)

        def save(now: datetime) -> None:
            backup.write_state(store, settings.data, now=now)

        saving = settings.compaction.state_h * 3600.0
        return [
            cycle_job(self.rooms, self.pulse, settings.cycle_s),
            Job("deliver", DELIVER_EVERY_S, self.sender.tick),
            Job("attend", 5.0, lambda now: attend(store, now=now, links=self.links)),
            Job("sources", 15.0, listen),
            Job("reports", 60.0, close),
            Job("report-deliveries", 60.0, self.bring),
            Job("costs", 30.0, renew),
            Job("advise", 300.0, self.advise),
            Job("demotions", 3600.0, self.demote),
            Job("growth", 600.0, self.judge_days),
            Job("budgets", 300.0, watch_spending),
            Job("retain", 3600.0, retain),
            Job("compact", 600.0, compact),
            *([Job("state", saving, save)] if saving else []),
            Job("checkpoint", 600.0, lambda _: store.checkpoint()),
            Job("checkpoint-early", 10.0, lambda _: fold_long_log(store)),
            Job("shrink", 86_400.0, lambda _: slack.give_back(store, settings.data)),
        ]

    def advise(self, now: datetime) -> object:
        """Put the money under proposals to promote or demote."""
        return attach(
            self.store, now=now, settings=self.settings.money(), terms=self.settings.breakeven
        )

    def demote(self, now: datetime) -> object:
        """Propose that tiers that do not pay are given up."""
        settings = self.settings
        return propose_demotions(
            self.store, now=now, settings=settings.money(), terms=settings.breakeven,
            mode=settings.decisions.mode, links=self.links,
        )  # fmt: skip

    def judge_days(self, now: datetime) -> object:
        """Look for growth that only days show."""
        terms = Terms(self.settings.slow, self.settings.decisions, self.links)
        return judge_days(self.store, terms, now=now)

    def bring(self, now: datetime) -> Round:
        """Deliver the reports that are due."""
        return deliver_reports(
            self.store,
            self.settings.deliveries,
            channels(HttpTransport(self.settings.sending()), self.links.base, wall_clock),
            now=now,
            holder=f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}",
            rooms=lambda: held_densities(self.store).get(now),
            alarm=lambda tx, line, why: tell_undelivered(tx, line, why, now, self.links),
        )

    def close(self) -> None:
        """Stop sending and release the file."""
        self.sender.close()
        self.store.close()


def tell_report(tx: Transaction, report: Report, now: datetime, links: Links) -> EventId:
    """A report is ready: what it says in a line, and where it is."""
    change = f", {report.delta} since version {report.version - 1}" if report.delta else ""
    return announce(
        tx,
        EventType.REPORT_READY,
        subject=report.week,
        summary=f"Cost report {report.week} is {report.status}: "
        f"{report.total} {report.currency}{change}",
        url=f"{links.base}/reports",
        now=now,
        links=links,
        facts={
            "week": report.week,
            "version": str(report.version),
            "status": report.status,
            "currency": report.currency,
            "bill": report.total,
            **dict(report.figures),
            "sha256": report.sha256,
        },
    )


def tell_undelivered(tx: Transaction, line: Line, why: str, now: datetime, links: Links) -> EventId:
    """A report cannot be delivered, and nobody would notice."""
    return announce(
        tx,
        EventType.ENDPOINT_FAILING,
        subject=f"delivery:{line.delivery}",
        summary=f"Report {line.week} version {line.version} was not delivered by {line.delivery}:"
        f" {why}",
        url=f"{links.base}/reports",
        now=now,
        links=links,
        facts={"delivery": line.delivery, "week": line.week, "version": str(line.version)},
    )


def describe(store: Store, settings: AnalyzerSettings, now: datetime) -> None:
    """Write the `[[resource]]` and `[[tenant]]` tables of the configuration into the registry."""
    for one in settings.resources:
        registry.upsert_resource(
            store,
            registry.Resource(
                ResourceId(one.id), one.kind, now, one.capacity or None, one.parent or None
            ),
        )
        registry.set_limits(store, ResourceId(one.id), one.limits)
    for tenant in settings.tenants:
        ident = TenantId(tenant.id)
        known = registry.tenant(store, ident) or registry.Tenant(ident, now)
        registry.upsert_tenant(
            store,
            replace(
                known,
                name=tenant.name or known.name,
                plan=tenant.plan or known.plan,
                isolation=tenant.isolation,
                pins=tenant.pins,
                slo_ms=tenant.slo_ms or None,
            ),
        )
        for resource in tenant.resources:
            registry.place(store, ident, ResourceId(resource), at=now, isolation=tenant.isolation)


def api(analyzer: Analyzer, clock: Clock) -> FastAPI:
    """The HTTP surface over an opened analyzer."""
    app = FastAPI(
        title="Partywall analyzer",
        version=version("partywall"),
        docs_url="/api/docs",
        openapi_url="/api/openapi.json",
        redoc_url=None,
    )
    problems.install(app)
    bodies.install(app)
    settings, store, pulse = analyzer.settings, analyzer.store, analyzer.pulse
    v1 = APIRouter(prefix="/api/v1")
    v1.include_router(status.router(store, clock, pulse))
    v1.include_router(tenants.router(store, clock, settings, pulse))
    v1.include_router(resources.router(store, clock, pulse))
    v1.include_router(
        incidents.router(store, clock, analyzer.links, pulse.touched, settings.money())
    )
    v1.include_router(precision.router(store, clock, settings.flags, settings.tuning))
    v1.include_router(decisions.router(store, clock, analyzer.links, pulse.touched))
    v1.include_router(alerts.router(store, clock, settings.sending()))
    v1.include_router(bills.router(store, clock, settings.money()))
    v1.include_router(money.router(store, clock, settings.money()))
    v1.include_router(density.router(store, clock))
    v1.include_router(reports.router(store, clock, settings.money(), settings.report_directory))
    v1.include_router(routing.router(store, clock, pulse.touched))
    v1.include_router(placement.router(store, clock, settings.money(), settings.breakeven))
    v1.include_router(report_deliveries.router(store, clock, analyzer.bring))
    v1.include_router(upkeep.router(store, clock, pulse, settings))
    app.include_router(v1)
    app.include_router(status.machine_router(clock, pulse, cycle_s=settings.cycle_s))
    app.add_middleware(BearerAuth, tokens=settings.tokens)
    return app


def build(
    settings: AnalyzerSettings, *, clock: Clock = wall_clock, scheduled: bool = True
) -> FastAPI:
    """The ASGI application; the timetable runs while it does (unless `scheduled` is off).

    Raises StoreBusyError when another process owns the file.
    """
    analyzer = Analyzer.open(settings, clock=clock)
    analyzer.pulse.registry.register(OutboxMetrics(analyzer.store, clock))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        timetable = Timetable(analyzer.jobs() if scheduled else [], clock=clock)
        timetable.start()
        yield
        timetable.stop()
        analyzer.close()

    app = api(analyzer, clock)
    app.router.lifespan_context = lifespan
    return app


def run(settings: AnalyzerSettings) -> None:
    """Serve until SIGINT or SIGTERM; then finish the cycle and release the file."""
    if found := settings.problems():
        raise SystemExit("\n".join(found))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # That a job still runs when it is due again is no news.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    host, port = settings.address
    try:
        app = build(settings)
        loops.load_aside(COUNT, cache=settings.data / "compiled")
    except StoreBusyError as owned:
        raise SystemExit(
            f"analyzer: cannot open {settings.database}\n"
            f"why: {owned}\n"
            "fix: stop the analyzer that runs on it, or give this one a data directory of its own"
        ) from owned
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=10)
