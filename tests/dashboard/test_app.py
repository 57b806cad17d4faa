"""The server beside its pages: what is no page is not answered with one."""

import httpx
import pytest
from plotly.io.json import to_json_plotly

from analyzer.reports import FORMATS
from dashboard.address import REPORT_FORMATS
from dashboard.app import build
from dashboard.config import DashboardSettings
from dashboard.pages.reports import reports_table
from tests.dashboard import story_incident
from tests.dashboard.fake_api import FakeApi
from tests.dashboard.serving import serving


@pytest.fixture(scope="module")
def fake():
    return FakeApi()


@pytest.fixture(scope="module")
def site(fake):
    transport = httpx.ASGITransport(fake.app())
    dashboard = build(DashboardSettings(), transport=transport)
    with serving(dashboard.server) as url, httpx.Client(base_url=url, trust_env=False) as browser:
        yield browser


@pytest.mark.parametrize("path", ["/", "/incidents/INC-42", "/tenants/a%20b", "/nope"])
def test_pages_are_answered_with_the_page(site, path):
    answer = site.get(path)
    assert answer.status_code == 200
    assert 'lang="en"' in answer.text
    assert "/assets/pw.js" in answer.text


@pytest.mark.parametrize("path", ["/api", "/api/v1/tenants", "/v1/metrics", "/download/x"])
def test_what_is_the_analyzers_is_not_found_here(site, path):
    answer = site.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_probes_and_metrics(site):
    assert site.get("/healthz").text == "ok\n"
    assert site.get("/readyz").json()["ready"] is True
    assert "partywall_dashboard_api_answers_total" in site.get("/metrics").text


def test_not_ready_while_the_analyzer_is_away(site, fake):
    fake.tell("down")
    try:
        answer = site.get("/readyz")
        assert answer.status_code == 503
        assert "store is busy" in answer.json()["reasons"][0]
        assert site.get("/healthz").status_code == 200
    finally:
        fake.tell("story")


def test_scripts_come_only_from_here(site):
    policy = site.get("/").headers["content-security-policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "'self'" in scripts
    assert "unsafe" not in scripts
    assert "http" not in policy


def test_the_page_names_no_other_host(site):
    text = site.get("/").text
    assert "https://" not in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_scripts_are_packed_once_and_may_be_kept(site):
    path = "/assets/vendor/plotly-cartesian-4.1.1.min.js"
    answer = site.get(path, headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "max-age" in answer.headers["cache-control"]
    assert int(answer.headers["content-length"]) < 600_000
    assert len(answer.content) > 1_400_000


def test_reports_pass_through_without_the_right_to_run(site):
    page = site.get("/download/reports/2026-W46", params={"format": "html"})
    assert "2026-W46" in page.text
    assert page.headers["content-security-policy"].startswith("sandbox")
    sheet = site.get("/download/reports/2026-W46", params={"format": "csv"})
    assert "attachment" in sheet.headers["content-disposition"]
    export = site.get("/download/reports/2026-W46", params={"format": "focus"})
    assert 'filename="partywall-2026-W46.focus.csv"' in export.headers["content-disposition"]


def test_every_format_of_a_report_is_offered_and_known_to_the_analyzer(fake):
    weeks = story_incident.reports(fake.story())
    links = to_json_plotly(reports_table(weeks))
    for form in FORMATS:
        assert f"{weeks[0].week}?format={form}" in links
    assert set(REPORT_FORMATS) == set(FORMATS)


@pytest.mark.parametrize(
    ("week", "form"), [("2026-W46", "exe"), ("..%2F..%2Fstatus", "html"), ("x%0d%0ay", "csv")]
)
def test_only_reports_can_be_downloaded(site, week, form):
    assert site.get(f"/download/reports/{week}?format={form}").status_code == 404
