"""The configuration the demo writes for itself: a good first partywall.toml to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collector.receivers.simulated import Platform
from partywall.commands.tokens import toml_text
from partywall.config import address

PLANS = {"team": "49", "business": "290", "enterprise": "1900"}
PER_HOUR = {"database": "0.84", "compute": "2.40", "queue": "0.31", "cache": "0.11"}


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything listens."""

    dashboard: str
    collector: str
    analyzer: str
    sink_port: int

    @property
    def urls(self) -> dict[str, str]:
        """Role -> base URL."""
        return {
            "dashboard": address(self.dashboard),
            "collector": address(self.collector),
            "analyzer": address(self.analyzer),
        }


def text(platform: Platform, places: Places, data: Path) -> str:
    """The whole file."""
    return "\n".join([*_service(places, data), *_resources(platform), *_money(platform)]) + "\n"


def _service(places: Places, data: Path) -> Iterator[str]:
    yield "# Written by `partywall demo`.\n[service]"
    yield f"data = {toml_text(str(data))}"
    for role in ("collector", "analyzer", "dashboard"):
        yield f"\n[{role}]\nlisten = {toml_text(getattr(places, role))}"
    yield "\n# History of three weeks comes in at once: more than live.\n[limits]"
    yield "past_s = 2_600_000\nsamples_per_s = 1_000_000\nburst = 100_000_000"
    yield "rows_per_request = 200_000\ndecoded_bytes = 268_435_456\nbody_bytes = 67_108_864"
    yield f"\n[notify]\nallow = ['127.0.0.0/8']\nports = [{places.sink_port}]"
    yield f"external_url = {toml_text(places.urls['dashboard'])}"
    yield "\n[[endpoint]]\nname = 'demo sink'\nformat = 'alertmanager'"
    yield f"url = 'http://127.0.0.1:{places.sink_port}/hook'"


def _resources(platform: Platform) -> Iterator[str]:
    for one in platform.shared:
        yield f"\n[[resource]]\nid = {toml_text(one.id)}\nkind = '{one.kind}'"
        yield f"capacity = {one.cores:g}"


def _money(platform: Platform) -> Iterator[str]:
    for name, price in PLANS.items():
        yield f"\n[[plan]]\nname = '{name}'\nprice = '{price}'"
    for i, tenant in enumerate(platform.tenants):
        plan = plan_of(i, len(platform.tenants))
        yield f"\n[[tenant]]\nid = {toml_text(tenant)}\nplan = '{plan}'"
    yield "\n[cost]\ncurrency = 'EUR'"
    for one in platform.shared:
        yield f"\n[[cost.price]]\nresource = {toml_text(one.id)}"
        yield f"per_hour = '{PER_HOUR[one.kind]}'"


def plan_of(i: int, tenants: int) -> str:
    """The plan of the i-th largest tenant."""
    if i < tenants * 0.05:
        return "enterprise"
    return "business" if i < tenants * 0.3 else "team"
