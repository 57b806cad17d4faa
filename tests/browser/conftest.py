"""One fake analyzer, one dashboard and one Chromium for all browser tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from dashboard.app import build
from dashboard.config import DashboardSettings
from tests.dashboard.fake_api import FakeApi
from tests.dashboard.serving import serving

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTEFACTS = Path(__file__).parents[2] / "artefacts" / "dashboard"


@pytest.fixture(scope="package")
def fake() -> FakeApi:
    return FakeApi()


@pytest.fixture(autouse=True)
def told(fake: FakeApi) -> None:
    fake.tell("story")
    fake.posts.clear()


@pytest.fixture(scope="package")
def site(fake: FakeApi) -> Iterator[str]:
    with serving(fake.app()) as api:
        dashboard = build(DashboardSettings(api=api, refresh_s=1, timeout_s=15))
        with serving(dashboard.server) as url:
            yield url


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("no system Chromium")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def artefacts() -> Path:
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    return ARTEFACTS
