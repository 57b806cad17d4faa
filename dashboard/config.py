"""What the dashboard role may be told."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """`public_url` and `api_public_url` are the addresses a reader's browser can reach (links and
    downloads); empty means this site, which passes report downloads through.
    """

    listen: str = "127.0.0.1:8600"
    api: str = "http://127.0.0.1:8602"
    token: str = ""
    refresh_s: float = 5.0
    timeout_s: float = 5.0
    public_url: str = ""
    runbook_url: str = ""

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    def problems(self) -> list[str]:
        found = [*_listen_problems(self.listen), *_url_problems("dashboard.api", self.api)]
        for key, url in (("public_url", self.public_url), ("runbook_url", self.runbook_url)):
            found += _url_problems(f"dashboard.{key}", url) if url else []
        if not 1 <= self.refresh_s <= 3600:
            found.append("dashboard.refresh_s: must be 1 to 3600 seconds, for example 5")
        if not 0.1 <= self.timeout_s <= 60:
            found.append("dashboard.timeout_s: must be 0.1 to 60 seconds, for example 5")
        return found


def _listen_problems(listen: str) -> list[str]:
    host, _, port = listen.rpartition(":")
    if host and port.isdigit() and int(port) < 65536:
        return []
    return [f"dashboard.listen: {listen!r} is not host:port, write for example 127.0.0.1:8600"]


def _url_problems(key: str, url: str) -> list[str]:
    parts = urlsplit(url)
    if parts.scheme in {"http", "https"} and parts.netloc:
        return []
    return [f"{key}: {url!r} is not an http(s) address, write for example http://127.0.0.1:8602"]
