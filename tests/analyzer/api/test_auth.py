"""Which token reaches which route."""

from __future__ import annotations

import pytest

from analyzer.api.auth import may
from collector.config import Token

ADMIN = Token("a", scope="admin")
READ = Token("r", scope="read")
INGEST = Token("i", scope="ingest")
ACME = Token("t", scope="tenant", tenant="acme")
LOST = Token("l", scope="tenant")

V1 = "/api/v1"


@pytest.mark.parametrize(
    ("token", "method", "path", "query", "reaches"),
    [
        (ADMIN, "POST", f"{V1}/decisions/dec_1/approve", "", True),
        (READ, "GET", f"{V1}/tenants", "", True),
        (READ, "POST", f"{V1}/decisions/dec_1/approve", "", False),
        (READ, "DELETE", f"{V1}/endpoints/e1", "", False),
        (INGEST, "GET", f"{V1}/tenants", "", False),
        (INGEST, "POST", f"{V1}/tenants", "", False),
        (ACME, "GET", f"{V1}/tenants/acme", "", True),
        (ACME, "GET", f"{V1}/tenants/globex", "", False),
        (ACME, "GET", f"{V1}/tenants", "", False),
        (ACME, "GET", f"{V1}/tenants/acme/../globex", "", False),
        (ACME, "GET", f"{V1}/incidents", "", False),
        (ACME, "GET", f"{V1}/usage", "tenant=acme", False),
        (ACME, "GET", f"{V1}/reports/2026-W47", "tenant=acme", True),
        (ACME, "GET", f"{V1}/reports/2026-W47", "tenant=acme&tenant=globex", False),
        (ACME, "GET", f"{V1}/reports/2026-W47", "", False),
        (ACME, "GET", f"{V1}/reports/2026-W47", "tenant=acme&tenant=", False),
        (ACME, "GET", f"{V1}/reports/2026-W47", "tenant=acme&tenant", False),
        (ACME, "GET", f"{V1}/tenants/%61cme", "", False),
        (ACME, "GET", "/other/door/tenants/acme", "", False),
        (ACME, "POST", f"{V1}/tenants/acme", "", False),
        (LOST, "GET", f"{V1}/tenants/", "", False),
    ],
)
def test_a_token_reaches_only_what_its_scope_allows(token, method, path, query, reaches):
    assert may(token, method, path, query) is reaches
