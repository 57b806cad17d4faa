"""From row numbers to cursors: a grid asks for rows 300 to 399, the API knows only "next"."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from analyzer.api.views.tenants import TenantPage, TenantSummary
from dashboard import client
from dashboard.client import Client
from dashboard.components.grid import BLOCK

KEPT = 64


@dataclass(frozen=True, slots=True)
class Wish:
    """What is listed and in which order."""

    search: str = ""
    state: str = ""
    sort: str = "noise"
    order: str = "desc"


class Pages:
    """Remembers the cursors it walked past, so scrolling on costs one request a block."""

    def __init__(self, api: Client) -> None:
        self._api = api
        self._cursors: OrderedDict[Wish, list[str]] = OrderedDict()

    async def first(self, wish: Wish) -> TenantPage:
        return await self._page(wish, "")

    async def slice(self, wish: Wish, start: int) -> tuple[list[TenantSummary], int]:
        """The block holding row `start`, and how many rows there are in all."""
        cursors = self._cursors.setdefault(wish, [""])
        self._cursors.move_to_end(wish)
        while len(self._cursors) > KEPT:
            self._cursors.popitem(last=False)
        block = max(0, start) // BLOCK
        while len(cursors) <= block:
            page = await self._page(wish, cursors[-1])
            if page.next is None:
                return [], page.total
            cursors.append(page.next)
        page = await self._page(wish, cursors[block])
        return page.items, page.total

    async def _page(self, wish: Wish, cursor: str) -> TenantPage:
        return await self._api.get(
            client.TENANTS,
            "/tenants",
            search=wish.search,
            state=wish.state,
            sort=wish.sort,
            order=wish.order,
            limit=BLOCK,
            cursor=cursor,
        )
