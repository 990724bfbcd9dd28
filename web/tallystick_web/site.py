"""What the page's server says about its chain (`tallystick.json`)."""

from __future__ import annotations

import json
import re
from typing import Any

from tallystick_shared.evm.rpc import to_bytes

from .figures import Coin
from .state import Site

_HERE = re.compile(r"http://(127\.0\.0\.1|\[::1\]):[0-9]{1,5}/")


def read_site(text: str) -> Site | None:
    """The site, or None where the server named none, or one that cannot be read."""
    sites = read_sites(text)
    return sites[0] if sites else None


def read_sites(text: str) -> tuple[Site, ...]:
    """The site and the further chains beside it; those that cannot be read, or are named twice, are left out."""
    try:
        data: dict[str, Any] = json.loads(text)
        further = list(data.get("further") or ())
    except (ValueError, TypeError, AttributeError):
        return ()
    first = _site(data)
    found = {site.chain_id: site for site in reversed([_site(entry) for entry in further]) if site is not None}
    if first is None:
        return ()
    found.pop(first.chain_id, None)
    return (first, *reversed(found.values()))


def _site(data: Any) -> Site | None:
    try:
        coin = data.get("currency") or {}
        return Site(
            int(data["chain_id"]),
            str(data.get("chain_name") or f"Chain {data['chain_id']}"),
            _urls(data.get("rpc")),
            _address(data["registry"]),
            _address(data["channels"]),
            int(data.get("block") or 0),
            Coin(str(coin.get("symbol") or "ETH"), int(coin.get("decimals", 18))),
            bool(data.get("demo")),
            str(data.get("explorer") or "").rstrip("/"),
            _known(data.get("known")),
            _console(data.get("console")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _console(value: Any) -> str:
    """Only an address on this machine, without anything behind it."""
    return value if isinstance(value, str) and _HERE.fullmatch(value) else ""


def _urls(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(url) for url in value or ())


def _known(value: Any) -> tuple[tuple[bytes, bytes], ...]:
    """A help that the page does without where it cannot be read."""
    try:
        return tuple((_address(provider), to_bytes(blob)) for provider, blob in (value or {}).items())
    except (ValueError, TypeError, AttributeError):
        return ()


def _address(value: str) -> bytes:
    address = to_bytes(value)
    if len(address) != 20:
        raise ValueError("an address has 20 bytes")
    return address
