"""Tells people: `sync_endpoints` at start, `post` with each change, `Sender.tick` every second."""

from __future__ import annotations

from analyzer.notify.endpoints import sync_endpoints
from analyzer.notify.event import Links
from analyzer.notify.sender import Delivered, Sender, deliver_due
from analyzer.notify.settings import EndpointSettings, NotifySettings
from analyzer.notify.wire.transport import HttpTransport

__all__ = [
    "Delivered",
    "EndpointSettings",
    "HttpTransport",
    "Links",
    "NotifySettings",
    "Sender",
    "deliver_due",
    "sync_endpoints",
]
