"""What a node's claiming meets in a year: an RPC that fails in several ways, and the tabs that people keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tallystick_shared.channel import Config
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_int
from tallystick_shared.voucher import Signed

from .world import World


class Weather:
    """The node's RPC. `kind`: empty, or how it fails: `refuse`, `cut` (some requests go through, the last one
    unanswered), `low` (it stands still), `high` (it tells of blocks that are not).
    """

    def __init__(self, world: World) -> None:
        self._rpc, self.kind, self.left = world.rpc, "", 0
        self._stands: Any = None

    def turn(self, kind: str, left: int = 0) -> None:
        self.kind, self.left, self._stands = kind, left, None

    async def request(self, method: str, params: list[Any]) -> Any:
        if self.kind == "refuse" or (self.kind == "cut" and self.left <= 0):
            raise LocalError(Code.RPC_UNREACHABLE, method=method)
        self.left -= 1
        answer = await self._rpc.request(method, params)
        if self.kind == "cut" and self.left == 0:
            raise LocalError(Code.RPC_UNREACHABLE, method=method)
        if self.kind in ("low", "high") and method == "eth_getBlockByNumber" and params[0] == "latest":
            self._stands = self._stands or answer
            ahead = {**answer, "number": hex(to_int(answer["number"]) + 500), "hash": "0x" + "ab" * 32}
            return self._stands if self.kind == "low" else ahead
        return [] if self.kind == "high" and method == "eth_getLogs" else answer


@dataclass
class Tab:
    """A channel: its key, what was put in and signed for, when it may end at the latest."""

    config: Config
    key: bytes
    channel_id: bytes
    expiry: int
    deposit: int = 0
    voucher: Signed = field(default_factory=lambda: Signed(0, b""))
    asked: bool = False
    over: bool = False
    proofs: int = 0
