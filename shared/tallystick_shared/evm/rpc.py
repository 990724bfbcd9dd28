"""The seat for a chain: one method, in the shape of EIP-1193.

The page fills it with the person's wallet, the node with a JSON-RPC client; both give the same results and the
same errors.
"""

from __future__ import annotations

from typing import Any, Protocol

from tallystick_shared.errors import Code, PeerError


class RpcError(Exception):
    """An error answer of a node or wallet: JSON-RPC or EIP-1193 code (4001 refused, 4200 unsupported, 4902 chain
    unknown, -32xxx) and message.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class Rpc(Protocol):
    """Something that answers Ethereum JSON-RPC."""

    async def request(self, method: str, params: list[Any]) -> Any:
        """The `result`. Raises RpcError; LocalError RPC_UNREACHABLE where nothing answers."""


def to_int(value: str) -> int:
    """A JSON-RPC quantity."""
    return int(value, 16)


def to_bytes(value: str) -> bytes:
    """JSON-RPC data."""
    return bytes.fromhex(value[2:] if value.startswith("0x") else value)


def to_hex(data: bytes) -> str:
    return "0x" + data.hex()


def checksum(crypto_keccak: Any, address: bytes) -> str:
    """EIP-55 spelling of an address (20 bytes)."""
    text = address.hex()
    mask = crypto_keccak(text.encode()).hex()
    return "0x" + "".join(c.upper() if int(m, 16) >= 8 else c for c, m in zip(text, mask, strict=False))


async def eth_call(rpc: Rpc, to: bytes, data: bytes, *, sender: bytes | None = None, block: int | None = None) -> bytes:
    """A read of a contract at the newest block, or at a given one. Raises PeerError BAD_MESSAGE where the answer is
    no data.
    """
    call = {"to": to_hex(to), "data": to_hex(data)}
    if sender is not None:
        call["from"] = to_hex(sender)
    answer = await rpc.request("eth_call", [call, "latest" if block is None else hex(block)])
    try:
        return to_bytes(answer)
    except (AttributeError, TypeError, ValueError):
        raise PeerError(Code.BAD_MESSAGE, call="eth_call") from None
