"""Does a chain verify P-256 signatures? One call tells, before anybody's deposit depends on it."""

from __future__ import annotations

from .rpc import Rpc, RpcError, to_hex

PRECOMPILE = (0x100).to_bytes(20, "big")
"""P256VERIFY of EIP-7951 (and RIP-7212)."""

GOOD = bytes.fromhex(
    # SHA-256 of "test", then r, s and the public key x, y: RFC 6979, A.2.5, the signature with SHA-256.
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
    "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
YES = (1).to_bytes(32, "big")


async def has_p256(rpc: Rpc) -> bool:
    """True where the precompile calls a signature good that is good: exactly 32 bytes that hold 1, as Channels asks.

    An account without code answers nothing, so a chain that lacks it says no. Raises LocalError RPC_UNREACHABLE; an
    error answer of the chain counts as no.
    """
    try:
        answer = await rpc.request("eth_call", [{"to": to_hex(PRECOMPILE), "data": to_hex(GOOD)}, "latest"])
    except RpcError:
        return False
    return bool(answer == to_hex(YES))
