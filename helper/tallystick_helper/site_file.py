"""What a page is told of its chain, as `tallystick.json`: a node answers it, a static page brings it along."""

from __future__ import annotations

from typing import Any

from tallystick_shared.chains import Deployment

from .settings import ChainSettings


def site_values(chain: ChainSettings, where: Deployment) -> dict[str, Any]:
    """One chain's. Addresses are hex; `rpc` is what a wallet is given that does not know the chain yet."""
    found: dict[str, Any] = {
        "chain_id": where.chain_id,
        "chain_name": chain.name,
        "currency": {"name": chain.symbol, "symbol": chain.symbol, "decimals": 18},
        "rpc": chain.rpc,
        "registry": "0x" + where.registry.hex(),
        "channels": "0x" + where.channels.hex(),
        "block": where.block,
    }
    if chain.explorer:
        found["explorer"] = chain.explorer
    return found
