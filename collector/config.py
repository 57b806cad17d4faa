"""Settings of the collector: what it listens to, whom it believes, how much it takes."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from collector.model import Column, Family, MeterKind

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Where segments lie and when they are sealed. Sizes in bytes, times in seconds."""

    directory: Path = Path("data/spool")
    seal_s: float = 1.0
    seal_bytes: int = 8 * MIB
    undrained_bytes: int = 4096 * MIB
    pending_bytes: int = 64 * MIB
    retry_s: float = 1.0  # after a disk failure, refuse at once for this long


@dataclass(frozen=True, slots=True)
class TenancySettings:
    """Which labels name the tenant and the resource, the first present one wins."""

    labels: tuple[str, ...] = (
        "tenant", "tenant_id", "tenant.id", "org_id", "organization_id", "customer_id",
        "account_id", "exported_tenant",
    )  # fmt: skip
    resource_labels: tuple[str, ...] = (
        "resource", "shard", "database", "db_namespace", "db_name", "datname", "queue",
        "messaging_destination_name", "cache", "pool", "service_name", "server_address",
    )  # fmt: skip
    header: str = ""  # set by a trusted proxy only; "" means: believe no header
    name_length: int = 128


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """What one tenant may send; 0 means the general limit.

    `body_bytes` holds for requests with a token that is bound to the tenant.
    """

    tenant: str
    samples_per_s: float = 0
    burst: float = 0
    active_series: int = 0
    labels: int = 0
    label_name_bytes: int = 0
    label_value_bytes: int = 0
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Bounds on what is taken in, per tenant, per request and altogether (`*_total`).

    `overrides` names a file of limits of single tenants that is read again while we run (TOML or
    JSON, the shape of Mimir's overrides).
    """

    samples_per_s: float = 10_000
    burst: float = 200_000
    samples_per_s_total: float = 10_000_000
    burst_total: float = 20_000_000
    active_series: int = 150_000
    series_total: int = 1_000_000
    series_idle_s: float = 1_200
    labels: int = 30
    label_name_bytes: int = 1_024
    label_value_bytes: int = 2_048
    past_s: float = 14 * 86_400
    future_s: float = 600
    body_bytes: int = 16 * MIB
    decoded_bytes: int = 32 * MIB  # about twice as much is held while it is read
    series_per_request: int = 100_000
    rows_per_request: int = 100_000
    overrides: Path | None = None
    tenants: tuple[TenantLimits, ...] = ()


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """A Prometheus or OpenMetrics page to poll; `labels` are added to each of its series.

    `name` names it in /metrics and `doctor` (default: host and port), `job` is the label of that
    name (default: `name`). `bearer`, or `username` and `password`, are sent with each request.
    `ca_file` is trusted beside nothing else; `insecure` takes any certificate. A page of more than
    `sample_limit` samples (0: any number) is not taken at all.
    """

    url: str
    name: str = ""
    job: str = ""
    interval_s: float = 15.0
    timeout_s: float = 10.0
    labels: Mapping[str, str] = field(default_factory=dict)
    bearer: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    insecure: bool = False
    sample_limit: int = 0


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """Where targets are listed, read again every `refresh_s`: files, or an address.

    `files` are paths or patterns of JSON files, `url` answers the same: Prometheus' file and HTTP
    service discovery, `[{"targets": ["host:port"], "labels": {...}}]`. The labels `__scheme__`,
    `__metrics_path__`, `__param_*`, `__scrape_interval__` and `__scrape_timeout__` change how a
    target is scraped; all else is as for `[[scrape]]`, for every target and for `url` itself.
    """

    job: str
    files: tuple[str, ...] = ()
    url: str = ""
    refresh_s: float = 30.0
    interval_s: float = 15.0
    timeout_s: float = 10.0
    labels: Mapping[str, str] = field(default_factory=dict)
    bearer: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    insecure: bool = False
    sample_limit: int = 0


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """A PostgreSQL server to ask who works in it and who waits for whose locks.

    `dsn` is a `postgresql://` address of a role with `pg_monitor`; the password may stand in
    `PGPASSWORD` or a passfile. `resource` is what the server is called in usage (default:
    `db:<name>`). The tenant of a session is what `pattern` (its group, where it has one) finds in
    its `tenant_from`: application_name, user or database.
    """

    name: str
    dsn: str = field(repr=False)
    resource: str = ""
    tenant_from: str = "application_name"
    pattern: str = r"tenant=([^\s;,]+)"
    interval_s: float = 0.1
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class MeterRule:
    """Maps a metric of the platform to a usage column.

    `name` is a regular expression over the whole metric name; for `histogram` rules, over the name
    without `_bucket`, `_sum` and `_count`. `labels` are further expressions that must match.
    `resource` is a template such as `db:{shard}` or `pool:{service_name|job|web}`: the first label
    that is present, else the last word as it stands. `scale` turns the unit into seconds.
    """

    name: str
    column: Column = Column.COUNT
    family: Family = Family.REQUEST
    kind: MeterKind | None = None
    histogram: bool = False
    resource: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token; `tenant` binds it to one tenant, "" lets it speak for all.

    Give `sha256` (hex of the token) rather than `token` where the file is shared.
    """

    name: str
    token: str = field(default="", repr=False)
    sha256: str = field(default="", repr=False)
    scope: str = "ingest"
    tenant: str = ""

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the token."""
        return self.sha256.lower() or hashlib.sha256(self.token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """Everything the collector needs to know."""

    listen: str = "127.0.0.1:8601"
    data: Path = Path("data")
    spool: SpoolSettings = SpoolSettings()
    tenancy: TenancySettings = TenancySettings()
    limits: LimitSettings = LimitSettings()
    scrape: tuple[ScrapeTarget, ...] = ()
    discovery: tuple[DiscoverySettings, ...] = ()
    probes: tuple[ProbeSettings, ...] = ()
    meters: tuple[MeterRule, ...] = ()
    tokens: tuple[Token, ...] = ()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`. Raises ValueError when it is not `host:port`."""
        host, _, port = self.listen.rpartition(":")
        if not host or not 0 <= int(port) <= 65_535:
            raise ValueError(self.listen)
        return host.strip("[]"), int(port)

    @property
    def spooling(self) -> SpoolSettings:
        """The spool's settings; its directory is `<data>/spool` unless one is given."""
        if self.spool.directory != SpoolSettings().directory:
            return self.spool
        return replace(self.spool, directory=self.data / "spool")

    def problems(self) -> list[str]:
        """Everything wrong with these settings, as "key: what, remedy"."""
        found = [*self._listen_problems(), *_limit_problems(self.limits)]
        for index, target in enumerate(self.scrape):
            found += (f"scrape[{index}].{problem}" for problem in _scrape_problems(target))
        names = [one.name or one.url for one in self.scrape]
        for name in sorted({name for name in names if names.count(name) > 1}):
            found.append(f"scrape: {name!r} is there twice, give each target a name of its own")
        for index, source in enumerate(self.discovery):
            found += (f"discovery[{index}].{problem}" for problem in _discovery_problems(source))
        for index, probe in enumerate(self.probes):
            found += (f"probe[{index}].{problem}" for problem in _probe_problems(probe))
        for index, rule in enumerate(self.meters):
            found += (f"meter[{index}].{problem}" for problem in _meter_problems(rule))
        for index, token in enumerate(self.tokens):
            found += (f"token[{index}].{problem}" for problem in _token_problems(token))
        if not self.tenancy.labels:
            found.append("tenancy.labels: empty, name at least one label that carries the tenant")
        return found

    def _listen_problems(self) -> Iterator[str]:
        try:
            host, _ = self.address
        except ValueError:
            yield f"collector.listen: {self.listen!r} is no address, write it as host:port"
            return
        if not self.tokens and not is_loopback(host):
            yield (
                f"collector.listen: {host} is not loopback and no token is configured, "
                "add a [[token]] with scope ingest or listen on 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _limit_problems(limits: LimitSettings) -> Iterator[str]:
    for name in LimitSettings.__dataclass_fields__:
        value = getattr(limits, name)
        if isinstance(value, int | float) and not value > 0:
            yield f"limits.{name}: {value} lets nothing in, give a number above 0"
    for one in limits.tenants:
        if (
            min(
                getattr(one, name) for name in TenantLimits.__dataclass_fields__ if name != "tenant"
            )
            < 0
        ):
            yield f"limits.tenants: negative limit of {one.tenant!r}, use 0 for the general limit"


def _scrape_problems(target: ScrapeTarget) -> Iterator[str]:
    if not _is_address(target.url):
        yield f"url: {target.url!r} is no http(s) address, write it as http://host:port/metrics"
    yield from _fetch_problems(target)


def _discovery_problems(source: DiscoverySettings) -> Iterator[str]:
    if not source.job:
        yield "job: empty, it names the targets found"
    if bool(source.files) == bool(source.url):
        yield "files: give either files or url"
    if source.url and not _is_address(source.url):
        yield f"url: {source.url!r} is no http(s) address, write it as http://host:port/targets"
    if not source.refresh_s >= 1:
        yield f"refresh_s: {source.refresh_s} is too often, give 1 or more"
    yield from _fetch_problems(source)


def _probe_problems(probe: ProbeSettings) -> Iterator[str]:
    if not probe.name:
        yield "name: empty, it names the probe in /metrics and doctor"
    if not re.fullmatch(r"postgres(ql)?://\S+", probe.dsn):
        yield "dsn: no address of a server, write it as postgresql://user@host:5432/database"
    if probe.tenant_from not in {"application_name", "user", "database"}:
        yield f"tenant_from: {probe.tenant_from!r} is none of application_name, user, database"
    try:
        re.compile(probe.pattern)
    except re.error as error:
        yield f"pattern: {probe.pattern!r} is no regular expression ({error}), correct or escape it"
    if not 0.02 <= probe.interval_s <= 1:
        yield f"interval_s: {probe.interval_s} is not within 0.02 and 1 seconds"
    if not 0 < probe.timeout_s <= 60:
        yield f"timeout_s: {probe.timeout_s} is not above 0 and at most 60"


def _fetch_problems(one: ScrapeTarget | DiscoverySettings) -> Iterator[str]:
    if not 0 < one.timeout_s <= one.interval_s:
        yield "timeout_s: must be above 0 and not above interval_s"
    if one.bearer and one.username:
        yield "bearer: there is a username, too; use one way to log in"
    if one.sample_limit < 0:
        yield f"sample_limit: {one.sample_limit} is negative, use 0 for no limit"
    if one.ca_file is not None and not one.ca_file.is_file():
        yield f"ca_file: {one.ca_file} is no file, name one with certificates in PEM"
    if one.ca_file is not None and one.insecure:
        yield "insecure: there is a ca_file, too; leave one out"


def _is_address(url: str) -> bool:
    return re.fullmatch(r"https?://[^\s/]+.*", url) is not None


def _meter_problems(rule: MeterRule) -> Iterator[str]:
    expressions = {"name": rule.name, **rule.labels, **rule.errors}
    for key, expression in expressions.items():
        try:
            re.compile(expression)
        except re.error as error:
            yield f"{key}: {expression!r} is no regular expression ({error}), correct or escape it"
    if not rule.scale > 0:
        yield f"scale: {rule.scale} is not above 0, use 0.001 for milliseconds"


def _token_problems(token: Token) -> Iterator[str]:
    if not token.token and not token.sha256:
        yield "token: missing, give token or sha256"
    if token.sha256 and not re.fullmatch(r"[0-9a-fA-F]{64}", token.sha256):
        yield "sha256: not 64 hex digits, take the SHA-256 of the token"
    if token.token and len(token.token) < 16:
        yield "token: shorter than 16 characters, use a longer random one"
    if token.scope not in {"ingest", "read", "admin", "tenant"}:
        yield f"scope: {token.scope!r} is unknown, use ingest, read, admin or tenant"
