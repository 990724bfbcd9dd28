"""Putting the two contracts on a chain, from the artefacts that `contracts/` generates.

Where the chain has the usual CREATE2 deployer they go to deterministic addresses, the same on every such chain, and
nothing is sent where they stand already; elsewhere a plain transaction creates them. The `cancun` artefact is the
usual one; a chain whose EVM does not know its instructions gets `paris`, at addresses of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog

from tallystick_shared.chains import (
    CONTRACTS,
    DEPLOYER,
    SALT,
    Creation,
    Deployment,
    Evm,
    Record,
    creation,
    has_code,
)
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import Rpc, RpcError, to_bytes, to_hex, to_int

from ..crypto import NativeCrypto
from .cost import Cost, Market
from .sender import Receipt, Sender

DEPLOYER_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe036016000816020823780358282"
    "34f58015156039578182fd5b8082525050506014600cf3"
)
"""What stands at the deployer's address; where it is other code, that is not the deployer."""
ONE = "0x" + (1).to_bytes(32, "big").hex()
# TSTORE(0, 1); MSTORE(0, TLOAD(0)); MCOPY(32, 0, 32); RETURN(32, 32), with PUSH0 throughout: all that cancun added.
NEEDS_CANCUN = "0x60015f5d5f5c5f5260205f60205e60206020f3"
# MSTORE(0, 1); RETURN(0, 32): any EVM runs it.
NEEDS_NOTHING = "0x600160005260206000f3"
Wanted = Literal["auto", "cancun", "paris"]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Piece:
    """One contract of a plan. `address` (20 bytes) is None where only the transaction will tell; `gas` is estimated,
    0 where it stands already and nothing will be sent.
    """

    creation: Creation
    address: bytes | None
    standing: bool
    gas: int

    @property
    def name(self) -> str:
        return self.creation.name


@dataclass(frozen=True)
class Plan:
    """What a deployment would do."""

    chain_id: int
    evm: Evm
    how: Literal["create2", "create"]
    salt: bytes
    pieces: tuple[Piece, ...]

    @property
    def transactions(self) -> int:
        return sum(not piece.standing for piece in self.pieces)

    @property
    def gas(self) -> int:
        """Estimated, of all transactions."""
        return sum(piece.gas for piece in self.pieces)

    def costs(self, prices: Market) -> tuple[Cost, ...]:
        """Of each transaction, at these prices."""
        return tuple(_cost(piece, prices) for piece in self.pieces if not piece.standing)

    def call(self, piece: Piece) -> tuple[bytes | None, bytes]:
        """(to, data) of the transaction that makes a piece."""
        return _call(piece.creation, self.how, self.salt)


def _cost(piece: Piece, prices: Market) -> Cost:
    return Cost(piece.gas, piece.gas * 6 // 5, prices)


def _call(creation: Creation, how: str, salt: bytes) -> tuple[bytes | None, bytes]:
    return (DEPLOYER, salt + creation.code) if how == "create2" else (None, creation.code)


async def chain_id(rpc: Rpc) -> int:
    return to_int(await rpc.request("eth_chainId", []))


async def has_deployer(rpc: Rpc) -> bool:
    """Does the chain have the CREATE2 deployer, byte for byte?"""
    return to_bytes(await rpc.request("eth_getCode", [to_hex(DEPLOYER), "latest"])) == DEPLOYER_CODE


async def evm_of(rpc: Rpc) -> Evm:
    """Which artefact the chain can run: one call of code that uses what cancun added.

    Where that fails, a second call shows that the chain runs code in calls at all; else LocalError BAD_SETTINGS asks
    for the word of a person, because a wrong guess puts the contracts at other addresses.
    """
    if await _runs(rpc, NEEDS_CANCUN):
        return "cancun"
    if await _runs(rpc, NEEDS_NOTHING):
        return "paris"
    raise LocalError(Code.BAD_SETTINGS, setting="evm", reason="the chain does not tell: give cancun or paris")


async def _runs(rpc: Rpc, code: str) -> bool:
    try:
        return bool(await rpc.request("eth_call", [{"data": code}, "latest"]) == ONE)
    except RpcError:
        return False


async def plan(rpc: Rpc, *, evm: Wanted = "auto", salt: bytes = SALT, sender: bytes = bytes(20)) -> Plan:
    """What would be sent; sends nothing. `sender` (20 bytes) is who the gas is estimated for. Raises LocalError."""
    if len(salt) != 32:
        raise LocalError(Code.BAD_SETTINGS, setting="salt", reason="it must be 32 bytes")
    chosen = await evm_of(rpc) if evm == "auto" else evm
    how: Literal["create2", "create"] = "create2" if await has_deployer(rpc) else "create"
    pieces = [await _piece(rpc, creation(name, chosen), how, salt, sender) for name in CONTRACTS]
    return Plan(await chain_id(rpc), chosen, how, salt, tuple(pieces))


async def _piece(rpc: Rpc, made: Creation, how: str, salt: bytes, sender: bytes) -> Piece:
    address = made.address(NativeCrypto(), salt) if how == "create2" else None
    if address is not None and await has_code(rpc, address):
        return Piece(made, address, True, 0)
    to, data = _call(made, how, salt)
    call = {"from": to_hex(sender), "data": to_hex(data), **({"to": to_hex(to)} if to else {})}
    try:
        return Piece(made, address, False, to_int(await rpc.request("eth_estimateGas", [call])))
    except RpcError as error:
        raise LocalError(Code.TRANSACTION_FAILED, contract=made.name, reason=error.message[:200]) from None


async def carry_out(sender: Sender, plan: Plan, prices: Market | None = None) -> Record:
    """Sends what is not there yet, one transaction a contract, at `prices` where they were shown to somebody. Raises
    LocalError as `Sender.transact` does.
    """
    addresses, blocks = {}, []
    for piece in plan.pieces:
        address, block = await _stand(sender, plan, piece, prices)
        if not await has_code(sender.rpc, address):
            raise LocalError(Code.TRANSACTION_FAILED, contract=piece.name, reason="no code where it should stand")
        addresses[piece.name] = address
        blocks.append(block)
    where = Deployment(plan.chain_id, addresses["Registry"], addresses["Channels"], min(blocks))
    return Record(where, plan.evm, plan.how, {piece.name: piece.creation.sha256 for piece in plan.pieces})


async def _stand(sender: Sender, plan: Plan, piece: Piece, prices: Market | None) -> tuple[bytes, int]:
    """The address of a piece and the block it stands in, sent for where needed."""
    receipt: Receipt | None = None
    if not piece.standing:
        try:
            receipt = await sender.transact(*plan.call(piece), cost=_cost(piece, prices) if prices else None)
        except LocalError as error:
            # Anybody may put the same code at the same address; who came second loses its fee and nothing else.
            beaten = error.code is Code.TRANSACTION_FAILED and piece.address is not None
            if not beaten or not await has_code(sender.rpc, piece.address or b""):
                raise
    address = piece.address or (receipt.contract if receipt else None)
    if address is None:
        raise LocalError(Code.TRANSACTION_FAILED, contract=piece.name, reason="no contract was created")
    return address, receipt.block if receipt else await first_block(sender.rpc, address)


async def first_block(rpc: Rpc, address: bytes) -> int:
    """The block in which a contract appeared, by halving; 0 where the chain's node has no state that old."""
    low, high = 0, to_int(await rpc.request("eth_blockNumber", []))
    try:
        while low < high:
            middle = (low + high) // 2
            code = await rpc.request("eth_getCode", [to_hex(address), hex(middle)])
            low, high = (low, middle) if len(code or "0x") > 2 else (middle + 1, high)
    except RpcError as error:
        log.warning("block_unknown", contract=to_hex(address), reason=error.message[:200], mend="set chain.block")
        return 0
    return low


async def deploy(sender: Sender, chain: int, *, evm: Wanted = "auto", salt: bytes = SALT) -> Deployment:
    """Deploys Registry and Channels; at most two transactions. Raises LocalError WRONG_CHAIN where the sender's chain
    is another.
    """
    wanted = await plan(sender.rpc, evm=evm, salt=salt, sender=sender.address)
    if wanted.chain_id != chain:
        raise LocalError(Code.WRONG_CHAIN, wanted=chain, found=wanted.chain_id)
    return (await carry_out(sender, wanted)).where
