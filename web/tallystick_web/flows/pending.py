"""Following a transaction that a wallet sent, until it has an end. The chain decides, not the hash: a person may speed
it up or cancel it in the wallet, and then another transaction bears its nonce.

    mined      its receipt is there
    replaced   its nonce was used by another. Where the chain shows that the work is done, that one did it
    dropped    no node knows it, its nonce is free: it may come back, or be sent again
    seen       a node knows it
    slow       it is in no block yet, and that takes long

Seen, dropped and slow are no ends: they are told, and followed on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.replaced import mined_under
from tallystick_shared.evm.rpc import Rpc, RpcError, to_bytes, to_hex, to_int

from ..ports import World
from ..state import Transit

LOOKS = 3  # a used nonce without a receipt of ours and without the work: so often before we believe it
SLOW = 60.0
DROPPED = 30.0
FIRST_POLL, LONGEST_POLL, GROWTH = 0.25, 5.0, 1.5


@dataclass
class Sent:
    """A transaction of `sender` to `to` (20 bytes each). Until a node tells the real `nonce`, it is the next free one
    of before it was sent; None where neither is known.
    """

    hash: str
    sender: bytes
    to: bytes
    nonce: int | None = None


@dataclass(frozen=True)
class Ended:
    """It worked: with this receipt, or, where `receipt` is None, under a hash that is not known."""

    receipt: dict[str, Any] | None = None

    @property
    def hash(self) -> str:
        """Of what was mined; empty where it is not known."""
        return str(self.receipt["transactionHash"]) if self.receipt else ""

    @property
    def logs(self) -> list[dict[str, Any]]:
        return list(self.receipt["logs"]) if self.receipt else []


class Follower:
    """Follows one piece of work. `worked` asks the chain whether it is done; `told` hears where it stands, whenever
    that changes; `knew` hears which nonce it has.
    """

    def __init__(
        self,
        rpc: Rpc,
        world: World,
        sent: Sent,
        worked: Callable[[], Awaitable[bool]],
        told: Callable[[Transit], None],
        knew: Callable[[Sent], Awaitable[None]] | None = None,
    ) -> None:
        self._rpc, self._world, self.sent = rpc, world, sent
        self._worked, self._told, self._knew = worked, told, knew
        self._started = self._seen = world.monotonic()
        self._transit = Transit.SENT
        self._taken = 0
        self._known = False
        self._left = False

    def leave(self) -> None:
        """Follows it no longer; `run` returns None at its next look."""
        self._left = True

    def again(self, sent: Sent) -> None:
        """The same work was sent once more: follows that transaction from here on."""
        self.sent = sent
        self._taken, self._known = 0, False
        self._started = self._seen = self._world.monotonic()

    async def run(self) -> Ended | None:
        """Until the work is done; None where it was left. Raises LocalError TRANSACTION_FAILED, TRANSACTION_REPLACED:
        then the chain did not show it done.
        """
        pause = FIRST_POLL
        while True:
            try:
                ended = await self._look()
            except RpcError:
                ended = None  # the way to the chain comes back, or the person is told that it takes long
            except LocalError:
                if self._left:
                    return None
                raise
            if ended is not None or self._left:
                return None if self._left else ended
            self._tell()
            await self._world.sleep(pause)
            pause = min(pause * GROWTH, LONGEST_POLL)

    async def _look(self) -> Ended | None:
        sent = self.sent
        receipt = await self._rpc.request("eth_getTransactionReceipt", [sent.hash])
        if receipt is not None:
            if to_int(receipt["status"]) == 1:
                return Ended(dict(receipt))
            if await self._worked():
                return await self._in_its_place()
            raise LocalError(Code.TRANSACTION_FAILED, transaction=sent.hash)
        if await self._is_known(sent):
            return None
        if await self._worked():
            return await self._in_its_place()
        await self._look_at_nonce(sent)
        return None

    async def _in_its_place(self) -> Ended:
        """The work is done: with the receipt of what bears the nonce, where the chain's node tells."""
        sent = self.sent
        one = await mined_under(self._rpc, sent.sender, sent.nonce) if sent.nonce is not None else None
        if one is None or one["hash"] == sent.hash or to_bytes(one["to"] or "") != sent.to:
            return Ended()
        receipt = await self._rpc.request("eth_getTransactionReceipt", [one["hash"]])
        return Ended(dict(receipt)) if receipt and to_int(receipt["status"]) == 1 else Ended()

    async def _is_known(self, sent: Sent) -> bool:
        """True while a node knows it. Notes its nonce."""
        found = await self._rpc.request("eth_getTransactionByHash", [sent.hash])
        if not found:
            return False
        self._seen, self._known = self._world.monotonic(), True
        nonce = to_int(found["nonce"])
        if sent.nonce != nonce:
            sent.nonce = nonce
            if self._knew is not None:
                await self._knew(sent)
        return True

    async def _look_at_nonce(self, sent: Sent) -> None:
        """Raises LocalError TRANSACTION_REPLACED once it is certain that another transaction has the nonce."""
        if sent.nonce is None:
            return
        self._taken = self._taken + 1 if await self._count("latest") > sent.nonce else 0
        if self._taken >= LOOKS:
            raise LocalError(Code.TRANSACTION_REPLACED, transaction=sent.hash)
        if not self._taken and await self._count("pending") > sent.nonce:
            self._seen = self._world.monotonic()  # not lost: another one waits in its place

    async def _count(self, block: str) -> int:
        return to_int(await self._rpc.request("eth_getTransactionCount", [to_hex(self.sent.sender), block]))

    def _tell(self) -> None:
        now, transit = self._world.monotonic(), Transit.SEEN if self._known else Transit.SENT
        if now - self._seen >= DROPPED:
            transit = Transit.DROPPED
        elif now - self._started >= SLOW:
            transit = Transit.SLOW
        if transit is not self._transit:
            self._transit = transit
            self._told(transit)
