"""The policy in the words of each enforcer.

Every scalar is written as JSON: a tenant called `no`, `on` or `1e3` stays a string in YAML too
(unquoted, Envoy refused to start on a tenant `n`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime

from analyzer.policy.model import Entry, Policy
from collector.model import Rejected, Rejection

_TIERS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Requests a second nginx can be told of: its zones have a fixed rate, so limits round down."""


_INSERT = "INSERT INTO partywall_policy (tenant, resource, rps, mode, expires_at)"


def as_json(policy: Policy) -> str:
    """The canonical form; the others are renderings of it."""
    body = {
        "version": policy.version,
        "ttl_s": 60,
        "entries": [asdict(entry) for entry in policy.entries],
    }
    return json.dumps(body, default=_plain, indent=2) + "\n"


def as_envoy(policy: Policy) -> str:
    """Descriptors of Envoy's local rate limit filter, by the request's `tenant` descriptor."""
    descriptors = [
        {
            "entries": [{"key": "tenant", "value": entry.tenant}],
            "token_bucket": {
                "max_tokens": max(1, int(entry.burst)),
                "tokens_per_fill": max(1, int(entry.rps)),
                "fill_interval": "1s" if entry.rps >= 1 else f"{1 / max(entry.rps, 1e-3):.0f}s",
            },
        }
        for entry in _tightest(policy, mode="enforce")
    ]
    return json.dumps({"descriptors": descriptors}, indent=2) + "\n"


def as_nginx(policy: Policy) -> str:
    """A `map` include: tenant -> key of its rate tier. An empty key is never limited.

    Shadow entries come as comments: use `limit_req_dry_run on` to try a tier.
    """
    lines = ["# version " + policy.version]
    for tier in _TIERS:
        lines.append(f'map $partywall_tenant $partywall_{_tier_name(tier)} {{ default "";')
        lines += [
            f"  {_nginx_string(entry.tenant)} $partywall_tenant;"
            for entry in _tightest(policy, mode="enforce")
            if _tier(entry.rps) == tier
        ]
        lines.append("}")
    return "\n".join(lines) + "\n"


def as_haproxy(policy: Policy) -> str:
    """A map file `tenant limit`, limit in whole requests per 10 s."""
    return "".join(
        f"{entry.tenant.replace(' ', '%20')} {max(1, int(entry.rps * 10))}\n"
        for entry in _tightest(policy, mode="enforce")
    )


def as_mimir(policy: Policy) -> str:
    """An `overrides` file, reloaded live by Mimir and its relatives (JSON is YAML)."""
    overrides = {
        entry.tenant: {"ingestion_rate": entry.rps, "ingestion_burst_size": int(entry.burst)}
        for entry in _tightest(policy, mode="enforce")
    }
    return json.dumps({"overrides": overrides}, indent=2) + "\n"


def as_sql(policy: Policy) -> str:
    """PostgreSQL rows for the application's tenant switch: send the limit with `SET LOCAL`.

    `ALTER ROLE ... SET` does not reach a pooled session that uses `SET LOCAL ROLE`, so the limits
    are handed over as a table the application reads.
    """
    lines = ["BEGIN;", "DELETE FROM partywall_policy;"]
    for entry in policy.entries:
        values = ", ".join(
            [
                _sql_string(entry.tenant),
                _sql_string(entry.resource),
                f"{entry.rps}",
                _sql_string(entry.mode),
                _sql_string(entry.expires_at.isoformat()),
            ]
        )
        lines.append(f"{_INSERT} VALUES ({values});")
    return "\n".join([*lines, "COMMIT;"]) + "\n"


FORMATS: Mapping[str, tuple[str, Callable[[Policy], str]]] = {
    "json": ("application/json", as_json),
    "envoy": ("application/json", as_envoy),
    "nginx": ("text/plain; charset=utf-8", as_nginx),
    "haproxy": ("text/plain; charset=utf-8", as_haproxy),
    "mimir": ("application/json", as_mimir),
    "sql": ("application/sql; charset=utf-8", as_sql),
}


def render(policy: Policy, form: str) -> tuple[str, str]:
    """Media type and text of `policy` in `form`. Raises Rejected on an unknown form."""
    if form not in FORMATS:
        known = ", ".join(FORMATS)
        raise Rejected(Rejection.INVALID_FIELD, f"format must be one of {known}", field="format")
    media_type, write = FORMATS[form]
    return media_type, write(policy)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _tightest(policy: Policy, *, mode: str) -> list[Entry]:
    # An enforcer in front of everything knows only the tenant: of a tenant's limits on several
    # resources the tightest protects all of them.
    tightest: dict[str, Entry] = {}
    for entry in policy.entries:
        held = tightest.get(entry.tenant)
        if entry.mode == mode and (held is None or entry.rps < held.rps):
            tightest[entry.tenant] = entry
    return list(tightest.values())


def _tier(rps: float) -> float:
    return max((tier for tier in _TIERS if tier <= rps), default=_TIERS[0])


def _tier_name(tier: float) -> str:
    return f"r{tier:g}".replace(".", "_")


def _nginx_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "${dollar}")
    return f'"{escaped}"'


def _sql_string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
