"""What the collector says of its own work over HTTP: mapping, quarantine, targets.

It speaks of all tenants: a token needs scope read or admin and must not be bound to one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from urllib.parse import parse_qs

from collector.config import Token
from collector.intake import Intake
from collector.model import Rejected, Rejection
from collector.receivers.postgres import PostgresProbe
from collector.receivers.scrape import Scraper
from collector.tenancy import READERS, authenticate
from collector.wire import Reply, as_json

MOST = 2_000
_USUAL = 200

Answer = dict[str, object]


class Views:
    """GET routes beside the receivers."""

    def __init__(
        self,
        intake: Intake,
        scraper: Scraper,
        probes: Sequence[PostgresProbe],
        tokens: Sequence[Token],
    ) -> None:
        self._intake = intake
        self._scraper = scraper
        self._probes = probes
        self._tokens = tokens
        self._routes: Mapping[str, Callable[[int], Awaitable[Answer]]] = {
            "/api/v1/mapping": self._mapping,
            "/api/v1/quarantine": self._quarantine,
            "/api/v1/targets": self._targets,
        }

    @property
    def paths(self) -> frozenset[str]:
        """The routes."""
        return frozenset(self._routes)

    async def answer(self, path: str, query: bytes, headers: Mapping[str, str]) -> Reply:
        """Raises Rejected: UNAUTHENTICATED, FORBIDDEN, INVALID_FIELD."""
        claim = authenticate(headers.get("authorization", ""), self._tokens, scopes=READERS)
        if claim.tenant:
            detail = "this speaks of all tenants: use a token that is bound to none"
            raise Rejected(Rejection.FORBIDDEN, detail)
        return as_json(200, await self._routes[path](_limit(query)))

    async def _mapping(self, limit: int) -> Answer:
        lines = await self._intake.mapping()
        shown = [{**asdict(one), "note": one.note} for one in lines[:limit]]
        odd = [asdict(one) for one in self._intake.oddities.all()[:limit]]
        return {"metrics": shown, "left_off": max(len(lines) - limit, 0), "oddities": odd}

    async def _quarantine(self, limit: int) -> Answer:
        held = self._intake.quarantine
        examples = [asdict(one) for one in [*held.examples.values()][:limit]]
        return {**asdict(held), "examples": examples}

    async def _targets(self, limit: int) -> Answer:
        asked = [*self._scraper.health.values(), *(probe.health for probe in self._probes)]
        healths = sorted(asked, key=lambda one: (one.up, one.target))
        left_off = max(len(healths) - limit, 0)
        return {"targets": [asdict(one) for one in healths[:limit]], "left_off": left_off}


def _limit(query: bytes) -> int:
    given = parse_qs(query.decode("latin-1")).get("limit", [str(_USUAL)])[-1]
    if not given.isascii() or not given.isdecimal() or not 1 <= int(given[:9]) <= MOST:
        detail = f"limit must be a whole number from 1 to {MOST}"
        raise Rejected(Rejection.INVALID_FIELD, detail, field="limit")
    return int(given)
