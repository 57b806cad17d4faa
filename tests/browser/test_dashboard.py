"""Every page in a real browser: filled, quiet, local, in both colours and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    FloatRect,
    Locator,
    Page,
    ViewportSize,
    expect,
)

from dashboard import theme
from tests.dashboard.fake_api import FakeApi

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/",
    "incidents": "/incidents",
    "incident": "/incidents/INC-42",
    "tenants": "/tenants",
    "tenant": "/tenants/acme",
    "shards": "/shards",
    "cost": "/cost",
    "reports": "/reports",
    "alerts": "/alerts",
    "health": "/health",
}
SLOW_MS = 30_000
expect.set_options(timeout=30_000)  # a shared machine may be busy
Scheme = Literal["light", "dark"]


class Watched:
    """A page that remembers what it complained about and whom it called."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.site = site
        self.page = context.new_page()
        self.page.set_default_timeout(SLOW_MS)
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._called)

    def _heard(self, message) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _called(self, request) -> None:
        if not request.url.startswith(
            (self.site, "data:", "blob:", self.site.replace("http", "ws"))
        ):
            self.strangers.append(request.url)

    def load(self, path: str) -> Page:
        """As a first visit does."""
        self.page.goto(f"{self.site}{path}")
        return settled(self.page)

    def open(self, path: str) -> Page:
        """As a link does: without loading the site again, which takes most of a test's time."""
        if not self.page.url.startswith(self.site):
            return self.load(path)
        self.page.evaluate("path => window.pw.go(path)", path)
        self.page.wait_for_url(f"**{path}")
        # The page before is there until the new one is; it has settled, but nobody asked for it.
        self.page.wait_for_selector(f"[data-page='{path.partition('?')[0]}']")
        return settled(self.page)


def settled(page: Page) -> Page:
    page.wait_for_selector(".pw-panel")
    page.wait_for_timeout(150)
    expect(page.locator(".pw-panel.is-loading")).to_have_count(0, timeout=SLOW_MS)
    return page


def picture(page: Page, path: Path) -> None:
    """What there is of the page in a window tall enough to hold it: a full-page screenshot leaves
    grids below the fold unpainted.
    """
    size = page.viewport_size or {"width": 0, "height": 0}
    height = min(size["height"], page.evaluate("document.querySelector('#page').clientHeight + 90"))
    box: FloatRect = {"x": 0, "y": 0, "width": size["width"], "height": height}
    page.screenshot(path=path, clip=box)


@pytest.fixture(scope="module")
def visit(browser: Browser, site: str) -> Iterator[Watched]:
    """One page for all tests: scripts are fetched and compiled once."""
    size: ViewportSize = {"width": 1440, "height": 900}
    context = browser.new_context(viewport=size, color_scheme="light")
    yield Watched(context, site)
    context.close()


@pytest.fixture
def desk(visit: Watched) -> Iterator[Watched]:
    yield visit
    visit.page.evaluate("localStorage.clear()")


def look(page: Page, name: str, scheme: Scheme, width: int, artefacts: Path) -> None:
    """One page at one width: filled, no wider than the window, its grids drawn."""
    page.set_viewport_size({"width": width, "height": 1700 if width > 900 else 3400})
    page.wait_for_timeout(200)
    states = page.locator(".pw-panel").evaluate_all("all => all.map(one => one.className)")
    assert states, name
    assert not [state for state in states if "is-error" in state], name
    assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} too wide"
    assert page.locator("html").get_attribute("data-mantine-color-scheme") == scheme
    for grid in page.locator(".pw-grid").all():
        expect(grid.locator(".ag-row").first).to_be_visible()
    assert page.locator("[data-title*='hare'], [data-title*='loud']").count() == 0
    picture(page, artefacts / f"{name}-{scheme}-{width}.png")


def labelled(page: Page, name: str) -> None:
    """What a screen reader needs: one heading of the page, and a name for all that is used."""
    assert page.locator("h1").count() == 1, name
    assert page.locator("main h2").count() >= 1, name
    nameless = page.locator("button, input, a[href], summary, [role=img]").evaluate_all(
        """all => all.filter(one => !one.closest('.ag-root, .modebar') && one.type !== 'hidden'
            && !(one.getAttribute('aria-label') || one.getAttribute('aria-labelledby')
                 || one.textContent.trim() || one.title || (one.labels && one.labels.length)))
            .map(one => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == [], name
    twice = page.evaluate(
        """(() => { const ids = [...document.querySelectorAll('main [id]')].map(one => one.id);
            return ids.filter((id, k) => id && ids.indexOf(id) !== k
                && !document.getElementById(id).closest('svg, .ag-root')); })()"""
    )
    assert twice == [], name


def recoloured(page: Page, scheme: Scheme) -> None:
    page.locator("#toggle").click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
    page.wait_for_timeout(150)
    settled(page)


def test_every_page_is_filled_quiet_local_and_labelled_in_both_colours(visit, artefacts):
    schemes: list[Scheme] = ["light", "dark"]
    page = visit.load("/")
    for name, path in PAGES.items():
        if path != "/":
            visit.open(path)
        labelled(page, name)
        for width in (1440, 390):
            look(page, name, schemes[0], width, artefacts)
        page.set_viewport_size({"width": 1440, "height": 900})
        schemes.reverse()
        recoloured(page, schemes[0])
        for width in (390, 1440):
            look(page, name, schemes[0], width, artefacts)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert schemes[0] == "light"  # as many pages as make pairs
    assert visit.complaints == []
    assert visit.strangers == []


def test_the_overview_says_who_hurts_whom_and_leads_to_the_evidence(desk):
    page = desk.open("/")
    expect(page.locator(".pw-banner-sentence")).to_contain_text("acme is slowing 18 tenants")
    page.get_by_role("link", name="Open incident").click()
    page.wait_for_url("**/incidents/INC-42")
    expect(page.locator(".pw-headline")).to_contain_text("acme")
    expect(page.locator("#evidence-graph .xy, #evidence-graph .x3y3").first).to_be_attached()
    words = page.locator(".pw-words")
    expect(words.locator("li").first).to_be_hidden()
    words.locator("summary").click()
    expect(words.locator("li").first).to_contain_text("acme began to use db:shard-3")


def remember_toasts(page: Page) -> None:
    """A toast goes away by itself; a test on a busy machine may look too late."""
    page.evaluate(
        """() => { window.said = []; new MutationObserver(all => all.forEach(one =>
            one.addedNodes.forEach(node => { if (node.nodeType === 1) {
                const found = [node, ...node.querySelectorAll('*')].find(
                    each => each.matches('.mantine-Notification-root'));
                if (found) window.said.push(found.textContent); } })))
            .observe(document.body, {childList: true, subtree: true}); }"""
    )


def said(page: Page, text: str, *, times: int = 1) -> None:
    """Wait until so many toasts held the text, whether they are still there or not."""
    page.wait_for_function(
        "([text, times]) => window.said.filter(one => one.includes(text)).length >= times",
        arg=[text, times],
    )


def test_decisions_and_labels_are_sent_only_after_a_yes_and_under_a_name(desk, fake):
    page = desk.open("/incidents/INC-42")
    remember_toasts(page)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("dialog")).to_contain_text("Throttle acme on db:shard-3 to 2.1")
    assert fake.posts == []
    page.get_by_label("Your name").fill("mara")
    page.get_by_role("button", name="Do it").click()
    said(page, "Done")
    assert fake.posts == [("decisions/DEC-7/approve", {"by": "mara"})]
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Mark false alarm").click()
    page.get_by_label("Your name").fill("")
    page.get_by_role("button", name="Do it").click()
    said(page, "Done", times=2)
    assert fake.posts[1:] == [
        ("incidents/INC-42/label", {"by": "dashboard", "label": "false_alarm"})
    ]


def test_a_new_endpoint_shows_its_secret_once(desk, fake: FakeApi):
    page = desk.open("/alerts")
    page.get_by_text("Add an endpoint").click()
    page.get_by_label("Name", exact=True).fill("pager")
    page.get_by_label("Address").fill("hooks.example.com")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#door-said")).to_contain_text("begins with https://")
    assert fake.posts == []
    page.get_by_label("Address").fill("https://hooks.example.com/in")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#door-said")).to_contain_text("whsec_")
    expected = {"name": "pager", "url": "https://hooks.example.com/in", "format": "alertmanager"}
    assert fake.posts == [("endpoints", expected)]
    desk.open("/")
    page = desk.open("/alerts")
    expect(page.locator("#door-said")).to_be_empty()


def test_an_outage_keeps_the_last_figures_and_ends_by_itself(desk, fake: FakeApi):
    page = desk.open("/")
    fake.tell("down")
    expect(page.locator("#strip")).to_contain_text("tries again by itself", timeout=SLOW_MS)
    expect(page.locator("#louder .pw-stale-chip")).to_be_visible()
    expect(page.locator("#louder-graph .heatmaplayer image").first).to_be_visible()
    fake.tell("story")
    expect(page.locator("#strip")).to_be_empty(timeout=SLOW_MS)
    expect(page.locator("#louder.is-ready")).to_be_visible()
    expect(page.locator("#louder .pw-stale-chip")).to_be_hidden()


def test_without_the_analyzer_a_first_visit_still_stands_and_says_so(desk, fake: FakeApi):
    fake.tell("down")
    page = desk.load("/tenants")
    expect(page.get_by_role("heading", name="Tenants", exact=True)).to_be_visible()
    expect(page.locator("#list")).to_contain_text("The store is busy.")
    fake.tell("story")
    expect(page.locator("#tenants-grid .ag-row").first).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#tenants-grid")).to_contain_text("acme")


def test_one_broken_panel_leaves_the_others_alone(desk, fake: FakeApi):
    fake.tell("partly")
    page = desk.open("/")
    expect(page.locator("#louder")).to_contain_text("Try again in a minute.")
    expect(page.locator("#full")).to_have_class("pw-panel is-partial has-data")


def test_a_fresh_start_says_what_to_do(desk, fake: FakeApi):
    fake.tell("empty")
    page = desk.open("/")
    expect(page.locator("#now")).to_contain_text("Send a first sample")
    expect(page.locator("#feed")).to_contain_text("No incident so far.")


def test_ten_thousand_tenants_sort_scroll_and_are_found(desk, fake: FakeApi):
    fake.tell("large")
    page = desk.open("/tenants")
    expect(page.locator("#list-count")).to_contain_text("10,000 tenants", timeout=SLOW_MS)
    grid = page.locator("#tenants-grid")
    expect(grid.locator(".ag-row[row-index='0']")).to_contain_text("acme")
    page.keyboard.press("/")
    expect(page.get_by_placeholder("Find a tenant")).to_be_focused()
    page.keyboard.type("acct-0999")
    expect(page.get_by_placeholder("Find a tenant")).to_have_value("acct-0999")
    for _ in range(4):  # a page that still loads may miss the key
        page.keyboard.press("Enter")
        page.wait_for_timeout(2_000)
        if "search=" in page.url:
            break
    expect(page).to_have_url(re.compile(r"/tenants\?search=acct-0999$"))
    expect(page.locator("#list-count")).to_have_text("5 tenants match.", timeout=SLOW_MS)
    expect(grid.locator(".ag-row[row-index='0']")).to_contain_text("acct-09990", timeout=SLOW_MS)
    expect(grid.locator(".ag-row")).to_have_count(5)


def test_enter_never_overtakes_the_letters_before_it(desk):
    page = desk.open("/tenants")
    find = page.get_by_placeholder("Find a tenant")
    find.fill("acct-000")
    find.evaluate(
        """field => {
            const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
            set.call(field, 'acct-0001');
            field.dispatchEvent(new Event('input', {bubbles: true}));
            field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
        }"""
    )
    expect(page).to_have_url(re.compile(r"/tenants\?search=acct-0001$"))


def test_filters_live_in_the_address(desk):
    page = desk.open("/incidents")
    page.get_by_role("link", name="Open", exact=True).click()
    page.wait_for_url("**var-state=firing")
    expect(page.locator("#cases-grid .ag-row")).to_have_count(2)
    page.go_back()
    expect(page.locator("#cases-grid .ag-row").nth(5)).to_be_visible()


def test_the_colours_change_in_charts_too(desk):
    page = desk.open("/")
    tick = page.locator("#full-graph .xtick text").first
    expect(tick).to_have_css("fill", rgb(theme.LIGHT.dim))
    page.locator("#toggle").click()
    expect(tick).to_have_css("fill", rgb(theme.DARK.dim))
    page.locator("#toggle").click()
    expect(tick).to_have_css("fill", rgb(theme.LIGHT.dim))


def rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))


def test_range_and_pages_are_kept_in_the_address_and_reached_by_keyboard(desk):
    page = desk.open("/")
    page.locator("#range").get_by_text("24h").click()
    page.wait_for_url("**from=now-24h")
    page.reload()
    settled(page)
    expect(page.locator("#range input[value='now-24h']")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.locator(".pw-skip")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/cost")


def test_alerts_are_silenced_tried_fired_and_read_on_the_wire(desk, fake: FakeApi):
    page = desk.open("/alerts")
    expect(page.locator("#hush-table")).to_contain_text("migration 42")
    expect(page.locator("#ways-table")).to_contain_text("no endpoint pagre")
    page.get_by_text("Silence something").click()
    page.locator("#hush-match").fill("resource = db:*")
    page.locator("#hush-author").fill("ada")
    page.locator("#hush-reason").fill("deploy")
    page.locator("#hush-go").click()
    expect(page.locator("#hush-said")).to_contain_text("Silenced. It mutes 1 open")
    assert fake.posts == [("silences", {"match": "resource = db:*", "author": "ada"})]
    page.get_by_text("Try a route against").click()
    page.locator("#try-match").fill("severity = page")
    page.locator("#try-go").click()
    expect(page.locator("#try-said")).to_contain_text("would have fired 4 times in 30 days")
    page = desk.open("/alerts?search=dl-6")
    expect(page.locator("#wire-shown")).to_contain_text("webhook-id: evt_1")
    expect(page.locator("#wire-shown")).to_contain_text("<b>acme</b>")


def press_until_asked(page: Page, button: Locator) -> None:
    """Press until the dialog asks: a button whose table is being drawn anew swallows the press."""
    dialog = page.get_by_role("dialog")
    for _ in range(5):
        button.click()
        with suppress(AssertionError):
            expect(dialog).to_be_visible(timeout=6_000)
            return
    expect(dialog).to_be_visible()


def test_routes_and_planned_work_are_made_and_removed_and_messages_replayed(desk, fake: FakeApi):
    page = desk.open("/alerts")
    page.get_by_text("Add a route").click()
    page.locator("#way-name").fill("nights")
    page.locator("#way-to").fill("chat, pager")
    page.locator("#way-step").fill("boss")
    page.locator("#way-go").click()
    expect(page.locator("#way-said")).to_contain_text("Say both when")
    page.locator("#way-step").fill("")
    page.locator("#way-go").click()
    expect(page.locator("#way-said")).to_contain_text("nights is added.")
    page.get_by_text("Plan work").click()
    page.locator("#work-name").fill("vacuum")
    page.locator("#work-match").fill("resource = db:*")
    page.locator("#work-days").fill("sat, sun")
    page.locator("#work-at").fill("02:00")
    page.locator("#work-go").click()
    expect(page.locator("#work-said")).to_contain_text("vacuum is planned.")
    remember_toasts(page)
    press_until_asked(page, page.locator("#ways-table").get_by_role("button", name="Remove"))
    expect(page.get_by_role("dialog")).to_contain_text("Remove the route pages.")
    page.get_by_role("button", name="Do it").click()
    said(page, "Done")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.locator("#again-go").click()
    expect(page.locator("#again-said")).to_contain_text("Tick the messages")
    rows = page.locator("#sent-grid .ag-center-cols-container .ag-row, #sent-grid .ag-row")
    rows.first.scroll_into_view_if_needed()
    page.locator("#sent-grid .ag-row .ag-checkbox-input").first.check()
    page.locator("#again-go").click()
    expect(page.locator("#again-said")).to_contain_text("1 message sent again")
    assert [path for path, _ in fake.posts] == [
        "routes", "maintenance", "remove routes/rt_1", "deliveries/replay",
    ]  # fmt: skip
    assert fake.posts[1][1] == {"name": "vacuum", "days": "sat,sun"}


def test_a_move_is_asked_about_before_it_is_made(desk, fake: FakeApi):
    page = desk.open("/shards")
    page.get_by_text("Ask what a move would change").click()
    page.locator("#move-go").click()
    expect(page.locator("#move-said")).to_contain_text("Name the tenant")
    for field, value in (("tenant", "acme"), ("from", "db:shard-3"), ("to", "db:shard-7")):
        page.locator(f"#move-{field}").fill(value)
    page.locator("#move-go").click()
    expect(page.locator("#move-said")).to_contain_text("198 other tenants would pay")
    expect(page.locator("#move-said tbody").first).to_contain_text("94 %")
    page.locator("#move-tenant").fill("nobody")
    page.locator("#move-go").click()
    expect(page.locator("#move-said")).to_contain_text("did nothing on")


def test_what_is_empty_can_still_be_filled_and_a_filter_be_taken_back(desk, fake: FakeApi):
    """An empty panel hides its body: never the form that would end the emptiness, nor the chips."""
    page = desk.open("/alerts?var-state=superseded")
    expect(page.locator("#sent-grid")).to_contain_text("No such message.")
    page.locator("#sent-chips").get_by_text("all", exact=True).click()
    expect(page.locator("#sent-grid .ag-row").first).to_be_visible()
    fake.tell("empty")
    page = desk.open("/alerts")
    expect(page.locator("#works-table")).to_contain_text("No work is planned.")
    for form in ("Add an endpoint", "Add a route", "Silence something", "Plan work"):
        expect(page.get_by_text(form)).to_be_visible()
