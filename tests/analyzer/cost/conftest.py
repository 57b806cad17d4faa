from __future__ import annotations

from collections.abc import Iterator

import pytest

from analyzer.store.database import Store


@pytest.fixture(scope="module")
def shelf() -> Iterator[Store]:
    """One store for all tests of a module, each of which clears it."""
    store = Store.open(None)
    yield store
    store.close()
