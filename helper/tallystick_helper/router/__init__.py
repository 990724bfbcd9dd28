"""Asks this network's router to pass a port on to this machine, where a person wished so.

Three protocols, tried in this order: PCP (RFC 6887), NAT-PMP (RFC 6886), and UPnP's Internet Gateway Device. Only the
default gateway is believed: what another machine answers is not read. A mapping is leased, renewed while the node runs,
and taken back at the end.
"""

from __future__ import annotations

from .keeper import PortKeeper
from .mapping import Mapping, Ports, Router
from .search import open_port, routers

__all__ = ["Mapping", "PortKeeper", "Ports", "Router", "open_port", "routers"]
