"""The default gateway of this machine, and this machine's own address towards it (IPv4)."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

ROUTES = Path("/proc/net/route")
_UP_AND_GATEWAY = 3
_PATIENCE = 5


def default_gateway() -> str | None:
    """Its IPv4 address; None where there is none."""
    with suppress(OSError):
        return from_proc(ROUTES.read_text())
    command = ["route", "print", "0.0.0.0"] if os.name == "nt" else ["netstat", "-rn", "-f", "inet"]
    with suppress(OSError, subprocess.SubprocessError):
        shown = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        return from_table(shown.stdout)
    return None


def from_proc(text: str) -> str | None:
    """Out of Linux' `/proc/net/route`: of several default routes the one with the lowest metric."""
    found: list[tuple[int, str]] = []
    for line in text.splitlines()[1:]:
        parts = line.split()
        with suppress(ValueError, IndexError):
            if int(parts[1], 16) == 0 and int(parts[3], 16) & _UP_AND_GATEWAY == _UP_AND_GATEWAY:
                address = ipaddress.IPv4Address(int(parts[2], 16).to_bytes(4, sys.byteorder))
                found.append((int(parts[6]), str(address)))
    return min(found)[1] if found else None


def from_table(text: str) -> str | None:
    """Out of what `netstat -rn` (macOS, BSD) or `route print` (Windows) shows."""
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 2 or parts[0] not in ("default", "0.0.0.0"):
            continue
        with suppress(ValueError, IndexError):
            return str(ipaddress.IPv4Address(parts[2] if parts[1] == "0.0.0.0" else parts[1]))
    return None


def own_address(gateway: str) -> str:
    """This machine's address in the gateway's network. Nothing is sent. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((gateway, 9))
        return str(probe.getsockname()[0])
