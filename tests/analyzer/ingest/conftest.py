from __future__ import annotations

from collections.abc import Iterator

import pytest

from analyzer.store.database import Store


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store.open(None, threads=1)
    yield opened
    opened.close()
