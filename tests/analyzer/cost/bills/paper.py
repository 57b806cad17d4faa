"""Bills for tests: the shared real ones, and small ones written by hand."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[5] / "shared/data/bills"
HEAD = (
    "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ResourceId,ServiceName,ProviderName,"
    "BillingAccountId,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,"
    "ChargeClass,Tags\n"
)

here = pytest.mark.skipif(not SHARED.exists(), reason=f"the shared bills are not here: {SHARED}")


def row(
    billed: str = "1",
    *,
    effective: str = "1",
    currency: str = "USD",
    category: str = "Usage",
    resource: str = "db-1",
    service: str = "RDS",
    provider: str = "AWS",
    account: str = "42",
    period: tuple[str, str] = ("2026-11-01", "2026-12-01"),
    charge: tuple[str, str] = ("2026-11-16T00:00:00Z", "2026-11-16T01:00:00Z"),
    klass: str = "",
    tags: str = "",
) -> str:
    quoted = '"' + tags.replace('"', '""') + '"' if tags else ""
    cells = (
        billed, effective, currency, category, resource, service, provider, account,
        *period, *charge, klass, quoted,
    )  # fmt: skip
    return ",".join(cells)


def focus(*rows: str) -> bytes:
    return (HEAD + "\n".join(rows) + "\n").encode("utf-8-sig")


def cur() -> bytes:
    return tarred(sorted((SHARED / "aws-cur").glob("*.parquet")))


def tarred(files: Sequence[Path]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for file in files:
            archive.add(file, arcname=file.name)
    return out.getvalue()


def shared_bills() -> list[Path]:
    """Every shared bill that is one file."""
    return [p for p in sorted(SHARED.rglob("*.csv")) if p.is_file()]
