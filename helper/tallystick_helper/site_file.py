"""What a page is told of its chain, as `tallystick.json`: a node answers it, a static page brings it along."""

from __future__ import annotations

from typing import Any

from tallystick_shared.chains import Deployment

from .settings import ChainSettings

NAMES = {
    1: "Ethereum",
    10: "OP Mainnet",
    100: "Gnosis",
    8453: "Base",
    42161: "Arbitrum One",
    560048: "Hoodi",
    11155111: "Sepolia",
}
"""What people call well-known chains, by id (ethereum-lists/chains)."""


def chain_name(chain: ChainSettings, chain_id: int) -> str:
    """The name that the settings give, else a known chain's, else one made of the id, as the page makes it."""
    return chain.name or NAMES.get(chain_id) or f"Chain {chain_id}"


def site_values(chain: ChainSettings, where: Deployment) -> dict[str, Any]:
    """One chain's. Addresses are hex; `rpc` is what a wallet is given that does not know the chain yet."""
    found: dict[str, Any] = {
        "chain_id": where.chain_id,
        "chain_name": chain_name(chain, where.chain_id),
        "currency": {"name": chain.symbol, "symbol": chain.symbol, "decimals": 18},
        "rpc": chain.rpc,
        "registry": "0x" + where.registry.hex(),
        "channels": "0x" + where.channels.hex(),
        "block": where.block,
    }
    if chain.explorer:
        found["explorer"] = chain.explorer
    return found
