"""Once a recipient and version, whatever restarts, however long it was off, however many run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analyzer.reports.delivery.channels import UndeliverableError
from analyzer.reports.delivery.letter import message_id
from analyzer.reports.delivery.parcel import Parcel
from analyzer.reports.delivery.round import LEASE, Round, deliver_reports
from analyzer.reports.delivery.settings import DeliverySettings
from analyzer.reports.html_file import render_html
from analyzer.store.database import Store
from tests.analyzer.cost.house import WEEK, Hour, add
from tests.analyzer.reports.delivery.house import close, closed, states, use, weeks

MAIL = DeliverySettings(
    "board", "mail", "smtp://127.0.0.1", "exec", formats=("csv",),
    recipients=("ann@example.com",), sender="partywall@example.com",
)  # fmt: skip
NOW = WEEK.end + timedelta(hours=2)


@dataclass
class Box:
    """A channel that keeps what it is given, and may fail first."""

    fails: int = 0
    got: list[tuple[str, int, str, str]] = field(default_factory=list)
    parcels: list[Parcel] = field(default_factory=list)
    after: BaseException | None = None
    """Raised after sending, as a crash before it is written down."""

    def __call__(self, parcel: Parcel, delivery: DeliverySettings, recipient: str) -> None:
        if self.fails:
            self.fails -= 1
            raise UndeliverableError("421 come again")
        s = parcel.document
        self.got.append((s.statement.week, s.version, delivery.name, recipient))
        self.parcels.append(parcel)
        if self.after:
            crash, self.after = self.after, None
            raise crash


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closed(1, tmp_path) as made:
        yield made


def rounds(
    store: Store, box: Box, now: datetime = NOW, *deliveries: DeliverySettings, holder: str = "a"
) -> Round:
    channels = {"mail": box, "folder": box, "s3": box}
    return deliver_reports(
        store, deliveries or (MAIL,), channels, now=now, holder=holder, chance=lambda: 0.5
    )


def test_a_closed_week_is_sent_once_however_often_asked(store):
    box = Box()
    for minute in range(5):
        rounds(store, box, NOW + timedelta(minutes=minute))
    assert box.got == [("2026-W47", 1, "board", "ann@example.com")]
    assert states(store) == [("2026-W47", 1, "board", "ann@example.com", "sent")]


def test_four_missed_weeks_are_caught_up_oldest_first(store, tmp_path):
    box = Box()
    rounds(store, box)
    for week in weeks(5)[1:]:
        use(store, week)
    later = weeks(5)[-1].end + timedelta(hours=1)
    close(store, later, tmp_path)
    rounds(store, box, later)
    assert [week for week, *_ in box.got] == [
        "2026-W47", "2026-W48", "2026-W49", "2026-W50", "2026-W51",
    ]  # fmt: skip


def test_after_a_long_outage_eight_weeks_and_one_digest_of_the_others(store, tmp_path):
    box = Box()
    rounds(store, box)
    for week in weeks(13)[1:]:
        use(store, week)
    later = weeks(13)[-1].end + timedelta(hours=1)
    close(store, later, tmp_path)
    rounds(store, box, later)
    sent = [week for week, *_ in box.got]
    assert sent == ["2026-W47", *(week.id for week in weeks(13)[4:])]  # W51 is the digest
    digest = render_html(box.parcels[1].document).decode()
    for one in ("2026-W48", "2026-W49", "2026-W50"):
        assert f"{one} was closed in the meantime: 168.00 USD" in digest
    assert "in the meantime" not in render_html(box.parcels[2].document).decode()


def test_two_instances_at_once_send_one(store):
    box, ready = Box(), threading.Barrier(2)

    def run(holder: str) -> None:
        ready.wait()
        rounds(store, box, holder=holder)

    both = [threading.Thread(target=run, args=(name,)) for name in ("a", "b")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(box.got) == 1


def test_a_clock_change_that_fires_twice_sends_one(store):
    """Sunday 2026-10-25 02:30 comes twice in Berlin: the ledger minds versions, not fire times."""
    box = Box()
    for fire in (
        datetime(2026, 11, 23, 0, 30, tzinfo=UTC),
        datetime(2026, 11, 23, 0, 30, tzinfo=UTC),
        datetime(2026, 11, 23, 1, 30, tzinfo=UTC),
    ):
        rounds(store, box, fire)
    assert len(box.got) == 1


def test_a_crash_between_send_and_mark_sends_the_same_mail_again_after_the_lease(store):
    box = Box(after=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        rounds(store, box)
    assert states(store)[0][-1] == "queued"
    rounds(store, box, NOW + timedelta(minutes=1), holder="b")  # the lease still holds
    assert len(box.got) == 1
    rounds(store, box, NOW + LEASE + timedelta(minutes=1), holder="b")
    assert len(box.got) == 2
    ids = {message_id(p.document, "ann@example.com", MAIL.sender) for p in box.parcels}
    assert len(ids) == 1
    assert box.parcels[0].pieces == box.parcels[1].pieces
    rounds(store, box, NOW + 2 * LEASE)
    assert len(box.got) == 2


def test_a_failure_is_tried_again_later_and_holds_up_only_its_own_recipient(store, tmp_path):
    two = replace(MAIL, recipients=("ann@example.com", "bob@example.com"))
    box = Box(fails=1)
    first = rounds(store, box, NOW, two)
    assert [(line.recipient, why) for line, why in first.failed] == [
        ("ann@example.com", "421 come again")
    ]
    assert [who for *_, who in box.got] == ["bob@example.com"]
    rounds(store, box, NOW + timedelta(seconds=30), two)
    assert len(box.got) == 1
    rounds(store, box, NOW + timedelta(minutes=2), two)
    assert [who for *_, who in box.got] == ["bob@example.com", "ann@example.com"]


def test_what_fails_for_good_is_dead_and_rings(store):
    class Refusing(Box):
        def __call__(self, parcel: Parcel, delivery: DeliverySettings, recipient: str) -> None:
            raise UndeliverableError("550 no such mailbox", final=True)

    rung: list[str] = []
    deliver_reports(
        store, [MAIL], {"mail": Refusing()}, now=NOW, holder="a",
        alarm=lambda tx, line, why: rung.append(why),
    )  # fmt: skip
    assert rung == ["550 no such mailbox"]
    assert states(store)[0][-1] == "dead"


def restate(store: Store, tmp_path: Path, now: datetime, name: str = "late") -> None:
    add(store, [Hour(20, name, "db:shard-1", 3_000_000_000, 4)])
    close(store, now, tmp_path)


def test_a_restatement_goes_to_folders_always_by_mail_only_when_the_bill_changed(store, tmp_path):
    box, file = Box(), DeliverySettings("shelf", "folder", "x")
    rounds(store, box, NOW, MAIL, file)
    later = NOW + timedelta(days=1)
    restate(store, tmp_path, later)  # another tenant, the same bill
    rounds(store, box, later, MAIL, file)
    assert [(v, name) for _, v, name, _ in box.got] == [(1, "board"), (1, "shelf"), (2, "shelf")]
    assert ("2026-W47", 2, "board", "ann@example.com", "skipped") in states(store)
    use(store, WEEK.next())
    after = WEEK.next().end + timedelta(hours=1)
    close(store, after, tmp_path)
    rounds(store, box, after, MAIL, file)
    told = next(p for p in reversed(box.parcels) if p.document.view == "exec")
    assert "2026-W47 was restated as version 2, 0.00 USD" in render_html(told.document).decode()


def test_a_version_overtaken_while_it_waited_is_not_sent(store, tmp_path):
    box = Box(fails=1)
    rounds(store, box)
    later = NOW + timedelta(days=1)
    restate(store, tmp_path, later)
    rounds(store, box, later)
    assert [version for _, version, *_ in box.got] == [2]
    assert [state for *_, state in states(store)] == ["superseded", "sent"]


def test_a_recipient_who_is_removed_gets_nothing_more(store):
    box = Box(fails=1)
    rounds(store, box)
    rounds(store, box, NOW + timedelta(hours=1), replace(MAIL, recipients=("bob@example.com",)))
    assert [who for *_, who in box.got] == ["bob@example.com"]
    assert [s for *_, who, s in states(store) if who == "ann@example.com"] == ["withdrawn"]


def test_every_tenant_gets_its_own_account_and_nobody_elses(store):
    box = Box()
    rounds(store, box, NOW, DeliverySettings("own", "folder", "x", "account", tenant="*"))
    assert [p.document.tenant for p in box.parcels] == ["acme", "globex"]
    assert len({p.folder for p in box.parcels}) == 2


def test_a_delivery_that_waits_for_final_waits(store, tmp_path):
    box, final = Box(), replace(MAIL, only_final=True)
    rounds(store, box, NOW, final)
    assert box.got == []
    later = WEEK.end + timedelta(days=8)
    close(store, later, tmp_path)
    rounds(store, box, later, final)
    assert [(week, version) for week, version, *_ in box.got] == [("2026-W47", 2)]
