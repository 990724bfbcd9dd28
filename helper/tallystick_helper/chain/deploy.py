"""Putting the two contracts on a chain, from the artefacts that `contracts/` generates."""

from __future__ import annotations

from tallystick_shared.chains import Deployment
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.abi import artefact
from tallystick_shared.evm.rpc import Rpc, to_bytes, to_int

from .sender import Receipt, Sender


async def chain_id(rpc: Rpc) -> int:
    return to_int(await rpc.request("eth_chainId", []))


async def create(sender: Sender, name: str) -> Receipt:
    """Deploys one contract. Raises LocalError TRANSACTION_FAILED or NOT_ENOUGH_MONEY."""
    receipt = await sender.transact(None, to_bytes(artefact(name)["bytecode"]))
    if receipt.contract is None:
        raise LocalError(Code.TRANSACTION_FAILED, reason="no contract was created")
    return receipt


async def deploy(sender: Sender, chain: int) -> Deployment:
    """Deploys Registry and Channels; two transactions."""
    registry = await create(sender, "Registry")
    channels = await create(sender, "Channels")
    assert registry.contract and channels.contract
    return Deployment(chain, registry.contract, channels.contract, registry.block)
