from __future__ import annotations

from analyzer.model import EventType
from analyzer.notify import EndpointSettings
from analyzer.notify.announce import announce
from tests.analyzer.journal.cast import at
from tests.analyzer.notify.house import LINKS, deliver, listening
from tests.analyzer.notify.receiver import receiver


def test_a_report_is_announced_to_who_wants_to_know(store):
    with receiver() as all_of_it, receiver() as incidents_only:
        picky = EndpointSettings("picky", incidents_only.url, events=("incident.*",))
        settings = listening(store, all_of_it, picky)
        with store.transaction() as tx:
            announce(
                tx,
                EventType.REPORT_READY,
                subject="2026-W47",
                summary="The report of week 2026-W47 is ready.",
                url=f"{LINKS.base}/cost",
                now=at(1),
                links=LINKS,
                facts={"total": "812.40 EUR"},
            )
        assert deliver(store, settings, at(1)).delivered == 1
        (got,) = all_of_it.got
        assert got.json["type"] == "report.ready"
        assert got.json["facts"] == {"total": "812.40 EUR"}
        # Nothing but an incident is ever resolved, so its alert ends at once.
        assert got.json["alerts"][0]["endsAt"] == "2026-11-20T12:01:00Z"
        assert incidents_only.got == []
