from __future__ import annotations

from collections.abc import Iterator

import pytest

from analyzer.store.database import Store


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.open(None)
    yield store
    store.close()
