"""Limits of single tenants from a file that is read again while we run.

The shape is that of Mimir's runtime overrides, as TOML or JSON (a JSON file serves both):

    [overrides.acme]
    samples_per_s = 50000
    active_series = 300000

Mimir's names of the same limits are understood. A file that cannot be read leaves the last good
one in force, and says so: a typing mistake must not open or close the door for everyone.
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from collector.config import TenantLimits

log = logging.getLogger(__name__)

LOOK_S = 5.0
"""Seconds between two looks at the file."""

_MIMIR = {
    "ingestion_rate": "samples_per_s",
    "ingestion_burst_size": "burst",
    "max_global_series_per_user": "active_series",
    "max_label_names_per_series": "labels",
    "max_label_name_length": "label_name_bytes",
    "max_label_value_length": "label_value_bytes",
}
_KNOWN = {field.name: field.type for field in fields(TenantLimits) if field.name != "tenant"}

Limits = Mapping[str, TenantLimits]


def parse(text: str, *, as_json: bool) -> dict[str, TenantLimits]:
    """Limits by tenant. Raises ValueError naming the tenant and the key that is wrong."""
    document = json.loads(text) if as_json else tomllib.loads(text)
    given = document.get("overrides", {}) if isinstance(document, dict) else None
    if not isinstance(given, dict) or set(document) - {"overrides"}:
        raise ValueError("expected one table `overrides` with a table for each tenant")
    return {tenant: _limits(tenant, own) for tenant, own in given.items()}


def _limits(tenant: str, own: object) -> TenantLimits:
    if isinstance(own, dict):
        checked: dict[str, Any] = dict(_checked(tenant, own))
        return TenantLimits(tenant, **checked)
    raise ValueError(f"overrides.{tenant}: expected a table of limits")


def _checked(tenant: str, own: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    for key, value in own.items():
        name = _MIMIR.get(key, key)
        if name not in _KNOWN:
            raise ValueError(f"overrides.{tenant}.{key}: unknown, use one of {', '.join(_KNOWN)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
            raise ValueError(f"overrides.{tenant}.{key}: {value!r} is no number above 0")
        yield name, value if _KNOWN[name] == "float" else int(value)


class Overrides:
    """The limits of tenants that have their own: of the configuration, and over it of the file."""

    def __init__(self, configured: tuple[TenantLimits, ...], file: Path | None) -> None:
        self._configured = {one.tenant: one for one in configured}
        self._file = file
        self._looked_s = 0.0
        self._stamp: tuple[int, int] | None = None
        self.limits: Limits = self._configured
        self.healthy = True
        self.version = 0

    def of(self, tenant: str) -> TenantLimits:
        """A tenant's own limits; 0 where the general one holds."""
        return self.limits.get(tenant) or TenantLimits(tenant)

    def refresh(self, *, now_s: float) -> bool:
        """Read the file where it has changed; whether other limits hold now."""
        if self._file is None or now_s - self._looked_s < LOOK_S:
            return False
        self._looked_s = now_s
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return False
            self._stamp = stamp
            text = self._file.read_text("utf-8")
            found = parse(text, as_json=self._file.suffix == ".json")
        except (OSError, ValueError) as error:
            if self.healthy:
                log.warning("%s: %s; the limits before it stay in force", self._file, error)
            self.healthy = False
            return False
        self.limits = {**self._configured, **found}
        self.healthy = True
        self.version += 1
        log.info("%s: own limits of %d tenants", self._file, len(found))
        return True
