"""Where we may connect: the guard against server-side request forgery.

1. The host is resolved once, with the port, and *every* answer is checked.
2. Link-local (the cloud's metadata), multicast and unspecified addresses are never allowed.
3. Anything not global needs a network of the operator's `[notify] allow`; anything global needs a
   port of `[notify] ports`.
4. We connect to the very address that was checked, so a second answer of the resolver (DNS
   rebinding) is never asked for. The name stays in `Host` and in the TLS handshake.

Addresses that hide an IPv4 address (mapped, translated, 6to4, Teredo, NAT64, ISATAP) are judged by
what they hide as well. `ipaddress` calls more global than anybody routes (Python 3.11: site-local,
segment routing, 192.0.0.0/24): of IPv6 only 2000::/3 is the internet.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_TRANSLATED = ipaddress.ip_network("::ffff:0:0:0/96")  # RFC 2765
_INTERNET = ipaddress.ip_network("2000::/3")
_RESERVED = [
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "2001:db8::/32")
]
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214: these 32 bits, then an IPv4 address
_METADATA = {ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")}


class BlockedError(Exception):
    """The address is one we must not connect to."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Says where we may connect."""

    allow: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    ports: frozenset[int]
    resolve: Resolver

    def address(self, host: str, port: int) -> str:
        """The checked address of the host. Raises BlockedError, or OSError when it has none."""
        answers = list(self.resolve(host, port))
        if not answers:
            raise OSError(f"{host} has no address")
        for answer in answers:
            if reason := self._objection(ipaddress.ip_address(answer.split("%")[0]), port):
                raise BlockedError(f"{host} is {answer}: {reason}")
        return answers[0]

    def is_listed(self, address: str) -> bool:
        """Whether the operator's list names this very address."""
        seen = ipaddress.ip_address(address.split("%")[0])
        return all(self._listed(each) for each in (seen, *_hidden(seen)))

    def _objection(self, address: Address, port: int) -> str:
        seen = (address, *_hidden(address))
        if any(_never(a) for a in seen):
            return "link-local, metadata and multicast addresses are never allowed"
        if all(self._listed(a) for a in seen):
            return ""
        if not all(_public(a) for a in seen):
            return "private; list its network in [notify] allow to send there"
        return "" if port in self.ports else f"port {port} is not in [notify] ports"

    def _listed(self, address: Address) -> bool:
        return any(address in network for network in self.allow)


def guard(allow: Sequence[str], ports: Sequence[int], resolve: Resolver | None = None) -> Guard:
    """A guard from settings. Raises ValueError on something that is no network."""
    networks = tuple(ipaddress.ip_network(text) for text in allow)
    return Guard(networks, frozenset(ports), resolve or system_resolver)


def system_resolver(host: str, port: int) -> list[str]:
    """Every address the system knows; also reads `127.1`, `0x7f000001` and their like."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _never(address: Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in _METADATA
    )


def _public(address: Address) -> bool:
    """Whether it is somewhere in the internet, by itself."""
    if any(address in network for network in _RESERVED):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        stands_for_another = address.ipv4_mapped is not None or address in _NAT64
        return stands_for_another or (address in _INTERNET and address.is_global)
    return address.is_global


def _hidden(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour]
    found += address.teredo or ()
    if address in _NAT64 or address in _TRANSLATED or (int(address) >> 32) % 2**32 in _ISATAP:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if int(address) >> 32 == 0 and int(address) > 1:  # IPv4-compatible, RFC 4291 §2.5.5.1
        found.append(ipaddress.IPv4Address(int(address)))
    return [each for each in found if each is not None]
