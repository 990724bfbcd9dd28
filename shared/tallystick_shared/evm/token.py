"""ERC-20 tokens: what a deposit in one needs to know, and the two signatures that spare an approval (EIP-2612,
EIP-3009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import PeerError

from .abi import Contract, encode
from .eip712 import Domain
from .rpc import Rpc, RpcError, eth_call

PERMIT = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
RECEIVE = (
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,"
    "bytes32 nonce)"
)


def _function(name: str, inputs: tuple[str, ...], output: str) -> dict[str, Any]:
    parameters = [{"name": f"_{place}", "type": kind} for place, kind in enumerate(inputs)]
    return {"type": "function", "name": name, "inputs": parameters, "outputs": [{"name": "", "type": output}]}


ABI = [
    _function("balanceOf", ("address",), "uint256"),
    _function("allowance", ("address", "address"), "uint256"),
    _function("approve", ("address", "uint256"), "bool"),
    _function("transfer", ("address", "uint256"), "bool"),
    _function("decimals", (), "uint8"),
    _function("symbol", (), "string"),
    _function("name", (), "string"),
    _function("version", (), "string"),
    _function("nonces", ("address",), "uint256"),
    _function("DOMAIN_SEPARATOR", (), "bytes32"),
]


@dataclass(frozen=True)
class Permission:
    """A payer's signature in place of an approval. `until` is a permit's deadline or the end of an authorisation's
    time, Unix seconds; the signature is r ‖ s ‖ v, 65 bytes.
    """

    until: int
    signature: bytes
    after: int = 0

    @property
    def vrs(self) -> tuple[int, bytes, bytes]:
        """(v, r, s) as the contracts take them. Raises ValueError unless there are 65 bytes."""
        if len(self.signature) != 65:
            raise ValueError(f"{len(self.signature)} bytes are no signature")
        return self.signature[64], self.signature[:32], self.signature[32:64]


def permit_values(owner: bytes, spender: bytes, amount: int, nonce: int, deadline: int) -> dict[str, Any]:
    """What a permit says (EIP-2612)."""
    return {"owner": owner, "spender": spender, "value": amount, "nonce": nonce, "deadline": deadline}


def receive_values(owner: bytes, to: bytes, amount: int, nonce: bytes, after: int, before: int) -> dict[str, Any]:
    """What an authorisation says (EIP-3009)."""
    return {
        "from": owner,
        "to": to,
        "value": amount,
        "validAfter": after,
        "validBefore": before,
        "nonce": nonce,
    }


def opening_nonce(crypto: Crypto, channel_id: bytes, expiry: int) -> bytes:
    """The nonce of the authorisation that opens exactly this channel with this expiry (`Channels.openAuthorized`)."""
    return crypto.keccak256(encode(["bytes32", "uint256"], [channel_id, expiry]))


class Token:
    """An ERC-20 contract at one address (20 bytes), read through an Rpc seat. Amounts are in its smallest unit."""

    def __init__(self, crypto: Crypto, address: bytes) -> None:
        self.address = address
        self._crypto = crypto
        self._contract = Contract(crypto, ABI)

    async def _read(self, rpc: Rpc, name: str, *values: Any) -> Any:
        answer = await eth_call(rpc, self.address, self._contract.call(name, *values))
        return self._contract.result(name, answer)[0]

    async def _try(self, rpc: Rpc, name: str) -> Any:
        """None where the token has no such function."""
        try:
            return await self._read(rpc, name)
        except (RpcError, PeerError):
            return None

    async def balance(self, rpc: Rpc, owner: bytes) -> int:
        """Raises PeerError BAD_MESSAGE where there is no token."""
        return int(await self._read(rpc, "balanceOf", owner))

    async def allowance(self, rpc: Rpc, owner: bytes, spender: bytes) -> int:
        return int(await self._read(rpc, "allowance", owner, spender))

    async def decimals(self, rpc: Rpc) -> int:
        """18 where it does not say."""
        told = await self._try(rpc, "decimals")
        return 18 if told is None else int(told)

    async def symbol(self, rpc: Rpc) -> str:
        """What it calls itself, at most 12 printable characters. Nobody vouches for it: show the address too."""
        told = await self._try(rpc, "symbol")
        return "".join(letter for letter in str(told or "") if letter.isprintable())[:12] or "tokens"

    def approve(self, spender: bytes, amount: int) -> bytes:
        """Call data."""
        return self._contract.call("approve", spender, amount)

    def transfer(self, to: bytes, amount: int) -> bytes:
        """Call data."""
        return self._contract.call("transfer", to, amount)

    async def nonce(self, rpc: Rpc, owner: bytes) -> int:
        """The owner's next permit nonce. Raises RpcError or PeerError where the token knows no permits."""
        return int(await self._read(rpc, "nonces", owner))

    async def domain(self, rpc: Rpc, chain_id: int) -> Domain | None:
        """The EIP-712 domain in which it takes signatures; None where it has none or one that cannot be told from its
        name and version: then an approval is needed.
        """
        separator, name = await self._try(rpc, "DOMAIN_SEPARATOR"), await self._try(rpc, "name")
        if separator is None or name is None:
            return None
        told = await self._try(rpc, "version")
        for version in dict.fromkeys((told, "1", "2")):
            if version is None:
                continue
            domain = Domain(str(name), chain_id, self.address, str(version))
            if domain.separator(self._crypto) == separator:
                return domain
        return None
