"""Whole pages for tests of flows."""

from __future__ import annotations

import json
from typing import Any

from tallystick_web.main import Page, build
from tallystick_web.ports import WalletInfo
from tests.web.seats import SITE, seats

SITE_TEXT = json.dumps(
    {
        "chain_id": SITE.chain_id,
        "chain_name": SITE.chain_name,
        "rpc": list(SITE.rpc),
        "registry": "0x" + SITE.registry.hex(),
        "channels": "0x" + SITE.channels.hex(),
    }
)


def page_with(*found: WalletInfo, world: Any = None) -> Page:
    """A page that was built and not started."""
    return build(seats(*found, world=world))
