"""Sending transactions with a key of our own, each until it has an end.

    mined       the receipt, of whichever version was mined
    replaced    another transaction bears its nonce: told as soon as that one is mined, with its hash where it is found;
                one that does the same counts as this one
    dropped     nobody knows it and its nonce is free: sent again as it was
    stuck       not mined in time: sent again at a higher price under the same nonce, until the limit is reached
    unmined     a reorganisation took it back: sent again as it was, before anything new

An intent has one nonce for as long as it may still be mined, so money cannot move twice. Nonces are given out under
one lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import Enum, auto

import structlog

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.replaced import does_the_same, mined_under
from tallystick_shared.evm.rpc import Rpc, RpcError, to_bytes, to_hex, to_int

from ..crypto import NativeCrypto
from .cost import Cost, Market, estimate, fault, market
from .intent import NO_JOURNAL, Intent, Journal, Receipt, Version
from .transaction import Transaction, read_transaction

LAUNCHES = 8
LOOKS = 3  # a nonce that is used without a receipt of ours: so often before we believe it
PATIENT_LOOKS = 30  # the same where nobody can tell what was mined instead: the chain's node may only be behind
DEPTH = 12  # blocks after which a transaction is not looked at again
log = structlog.get_logger(__name__)
OnSent = Callable[[bytes], Awaitable[None]]

__all__ = ["NO_JOURNAL", "Cost", "Journal", "OnSent", "Receipt", "Sender"]


class Answer(Enum):
    """What a chain's node said to a version."""

    TAKEN = auto()
    UNHEARD = auto()  # no answer came: it may have arrived
    NONCE_USED = auto()
    OCCUPIED = auto()  # something else waits under this nonce, or the price is not raised enough
    CHEAP = auto()


SAID = {
    "already known": Answer.TAKEN,
    "already imported": Answer.TAKEN,
    "known transaction:": Answer.TAKEN,
    "nonce too low": Answer.NONCE_USED,
    "nonce is too low": Answer.NONCE_USED,
    "oldnonce": Answer.NONCE_USED,
    "replacement": Answer.OCCUPIED,
    "could not replace": Answer.OCCUPIED,
    "to replace": Answer.OCCUPIED,
    "underpriced": Answer.CHEAP,
    "less than block base fee": Answer.CHEAP,
    "feetoolow": Answer.CHEAP,
}
REFUSED = (
    "insufficient",
    "intrinsic",
    "gas limit",
    "gas too low",
    "exceeds the configured cap",
    "oversized",
    "too large",
    "size limit",
    "invalid",
    "not supported",
    "nonce too high",
    "revert",
    "chain id",
    "chainid",
    "sender",
    "blacklist",
    "priority fee",
)
"""What nodes say of a version that they did not take, and why. JSON-RPC's own errors (-32600 to -32602) say so too."""
MALFORMED = range(-32602, -32599)


def _is_refused(error: RpcError) -> bool:
    """Did this answer refuse a version for certain? Whatever else is said, it may be on its way all the same."""
    return error.code in MALFORMED or any(said in error.message.lower() for said in REFUSED)


class Sender:
    """One key on one chain."""

    def __init__(
        self,
        rpc: Rpc,
        key: bytes,
        chain_id: int,
        *,
        poll: float = 0.25,
        patience: float = 60.0,
        tries: int = 20,
    ) -> None:
        """`poll`: seconds between looks at the chain; `patience`: seconds until the price is raised, at most `tries`
        times.
        """
        self._crypto, self._rpc, self._key, self._chain_id = NativeCrypto(), rpc, key, chain_id
        self._poll, self._patience, self._tries = poll, patience, tries
        self._lock = asyncio.Lock()
        self._next_nonce = 0
        self._waiting: list[Intent] = []
        self._settled: dict[int, tuple[Intent, Receipt]] = {}
        self.address = self._crypto.secp256k1_address(key)

    @property
    def rpc(self) -> Rpc:
        """The chain it sends to."""
        return self._rpc

    async def balance(self) -> int:
        return to_int(await self._rpc.request("eth_getBalance", [to_hex(self.address), "latest"]))

    async def cost(self, to: bytes | None, data: bytes = b"", value: int = 0) -> Cost:
        """What this transaction would cost now. Raises as `estimate` does."""
        return await estimate(self._rpc, self.address, to, data, value)

    async def market(self) -> Market:
        """Today's prices per gas. Raises RpcError, LocalError RPC_UNREACHABLE."""
        return await market(self._rpc)

    async def transact(
        self,
        to: bytes | None,
        data: bytes = b"",
        value: int = 0,
        *,
        cost: Cost | None = None,
        journal: Journal = NO_JOURNAL,
        on_sent: OnSent | None = None,
        worth: int = 0,
    ) -> Receipt:
        """Sends and waits until it is mined. `cost` is what was shown for it; `journal` keeps each version before it
        leaves, `on_sent` hears its hash afterwards; `to` None creates a contract. `worth`: the wei that it brings,
        where its gas may come to cost so much.

        Raises LocalError TRANSACTION_FAILED (refused or reverted), TRANSACTION_REPLACED, TRANSACTION_PENDING (it may
        yet be mined: `resume` goes on), NOT_ENOUGH_MONEY, RPC_UNREACHABLE.
        """
        async with self._lock:
            await self.restore()
            cost = cost or await self.cost(to, data, value)
            wanted = Transaction(self._chain_id, 0, to, value, data, cost.gas, cost.market.fees)
            intent = await self._launch(wanted, journal)
            self._next_nonce = intent.nonce + 1
            intent.value(worth)
            self._waiting.append(intent)
        try:
            if on_sent:
                await on_sent(intent.newest.transaction)
            return await self._follow(intent, journal, on_sent)
        finally:
            self._waiting.remove(intent)

    async def resume(self, raws: list[bytes], *, journal: Journal = NO_JOURNAL, worth: int = 0) -> Receipt:
        """Goes on with a transaction that an earlier process, or an earlier try, left under way; `raws` are all its
        versions. Raises as `transact` does, and ValueError where they are not this key's.
        """
        intent = Intent.read(self._crypto, raws, self.address)
        intent.value(worth)
        self._next_nonce = max(self._next_nonce, intent.nonce + 1)
        self._waiting.append(intent)
        try:
            return await self._follow(intent, journal, None)
        finally:
            self._waiting.remove(intent)

    def gas_of(self, raw: bytes) -> int:
        """What a transaction is estimated to take. Raises ValueError for nonsense."""
        return read_transaction(self._crypto, raw)[0].gas * 5 // 6

    def _limit(self, intent: Intent) -> int:
        """Wei per gas. Whatever waits behind it may be worth the gas of both: with each that follows, what all up to
        there bring is shared by the gas of all up to there, and the best of these is what it may cost.
        """
        limit, budget, gas = intent.limit, 0, 0
        for one in sorted(self._waiting, key=lambda one: one.nonce):
            if one.nonce >= intent.nonce:
                budget, gas = budget + one.budget, gas + one.wanted.gas
                limit = max(limit, budget // gas)
        return limit

    def nonce_of(self, raw: bytes) -> int | None:
        """Of a transaction that this key signed for this chain; None for another's."""
        try:
            return Intent.read(self._crypto, [raw], self.address).nonce
        except ValueError:
            return None

    async def restore(self) -> list[bytes]:
        """Looks once more at what was mined in the last blocks. What a reorganisation took back is sent again as it
        was; returns the hashes of that.
        """
        if not self._settled:
            return []
        head = to_int(await self._rpc.request("eth_blockNumber", []))
        gone = []
        for nonce, (intent, receipt) in list(self._settled.items()):
            if receipt.block + DEPTH <= head:
                del self._settled[nonce]
            elif await self._is_gone(intent):
                log.warning("unmined", transaction=receipt.transaction.hex(), block=receipt.block)
                gone.append(receipt.transaction)
        return gone

    async def _is_gone(self, intent: Intent) -> bool:
        try:
            if await self._find(intent) is not None or await self._used() > intent.nonce:
                return False
            await self._broadcast(intent.newest)
        except LocalError as error:
            log.warning("not_sent_again", transaction=intent.newest.transaction.hex(), error=str(error))
            return error.code is not Code.RPC_UNREACHABLE
        return True

    async def receipt(self, transaction: bytes) -> Receipt | None:
        """None while it is not mined. Raises LocalError TRANSACTION_FAILED where it was mined and reverted."""
        found = await self._rpc.request("eth_getTransactionReceipt", [to_hex(transaction)])
        return Receipt.read(transaction, found) if found else None

    # -- the first version

    async def _launch(self, wanted: Transaction, journal: Journal) -> Intent:
        for attempt in range(LAUNCHES):
            intent = Intent.new(replace(wanted, nonce=await self._nonce()))
            answer = await self._send(intent, intent.wanted, journal)
            if answer in (Answer.TAKEN, Answer.UNHEARD):
                return intent
            if answer is Answer.CHEAP:
                wanted = replace(wanted, fees=wanted.fees.raised((await market(self._rpc)).fees))
            elif attempt + 1 < LAUNCHES:  # another process of this key was faster: look again where it stands
                await asyncio.sleep(self._poll)
        raise LocalError(Code.TRANSACTION_FAILED, reason=f"not taken: {answer.name.lower()}")

    async def _nonce(self) -> int:
        count = to_int(await self._rpc.request("eth_getTransactionCount", [to_hex(self.address), "pending"]))
        return max(count, self._next_nonce) if self._waiting else count

    async def _used(self) -> int:
        """How many nonces are used up, in the newest block."""
        return to_int(await self._rpc.request("eth_getTransactionCount", [to_hex(self.address), "latest"]))

    async def _send(self, intent: Intent, wanted: Transaction, journal: Journal) -> Answer:
        """Signs one more version and sends it. It belongs to the intent unless it was refused for certain."""
        raw, transaction = wanted.sign(self._crypto, self._key)
        version = Version(raw, transaction)
        await journal.keep(transaction, raw)
        try:
            answer = await self._broadcast(version)
        except LocalError:
            await journal.refused(transaction)
            raise
        if answer is Answer.NONCE_USED and await self._is_mined(transaction):
            answer = Answer.TAKEN  # by a node that did not answer, and mined since
        if answer in (Answer.TAKEN, Answer.UNHEARD):
            intent.wanted = wanted
            if transaction not in [one.transaction for one in intent.versions]:
                intent.versions.append(version)
        else:
            await journal.refused(transaction)
        return answer

    async def _is_mined(self, transaction: bytes) -> bool:
        """True also where that cannot be read: then whoever follows it finds out."""
        try:
            return bool(await self._rpc.request("eth_getTransactionReceipt", [to_hex(transaction)]))
        except (LocalError, RpcError):
            return True

    async def _broadcast(self, version: Version) -> Answer:
        """Raises LocalError TRANSACTION_FAILED or NOT_ENOUGH_MONEY where the chain refuses it for another reason. What
        is not understood is no refusal: it may have been sent.
        """
        try:
            await self._rpc.request("eth_sendRawTransaction", [to_hex(version.raw)])
        except RpcError as error:
            text = error.message.lower()
            for said, answer in SAID.items():
                if said in text:
                    return answer
            if _is_refused(error):
                raise fault(error) from None
            log.warning("unknown_answer", transaction=version.transaction.hex(), error=str(error)[:200])
            return Answer.UNHEARD
        except LocalError as error:
            log.warning("no_answer", transaction=version.transaction.hex(), error=str(error))
            return Answer.UNHEARD
        return Answer.TAKEN

    # -- until it ended

    async def _follow(self, intent: Intent, journal: Journal, on_sent: OnSent | None) -> Receipt:
        tried, unseen = 0, 0
        raise_at = time.monotonic() + self._patience
        while True:
            try:
                if await self._used() > intent.nonce:
                    receipt = await self._find(intent)
                    unseen += receipt is None
                    if receipt is None and unseen >= LOOKS:
                        receipt = await self._elsewhere(intent, patient=unseen < PATIENT_LOOKS)
                    if receipt is not None:
                        self._settled[intent.nonce] = (intent, receipt)
                        return receipt
                else:
                    unseen = 0
                    if await self._bring_back(intent) or time.monotonic() >= raise_at:
                        if tried >= self._tries or not await self._raise_price(intent, journal, on_sent):
                            raise _pending(intent)
                        tried, raise_at = tried + 1, time.monotonic() + self._patience
            except (LocalError, RpcError) as error:
                if isinstance(error, LocalError) and error.code is not Code.RPC_UNREACHABLE:
                    raise
                log.warning("chain_unreadable", transaction=intent.newest.transaction.hex(), error=str(error))
                if time.monotonic() >= raise_at + self._patience * self._tries:
                    raise _pending(intent) from None
            await asyncio.sleep(self._poll)

    async def _find(self, intent: Intent) -> Receipt | None:
        """Of whichever version was mined."""
        for version in reversed(intent.versions):
            if (receipt := await self.receipt(version.transaction)) is not None:
                return receipt
        return None

    async def _bring_back(self, intent: Intent) -> bool:
        """Sends the newest version again where nobody knows it. True where it is too cheap for today's blocks."""
        newest = intent.newest
        if await self._rpc.request("eth_getTransactionByHash", [to_hex(newest.transaction)]) is not None:
            intent.displaced = False
            return False
        try:
            answer = await self._broadcast(newest)
        except LocalError as error:  # for want of money, say: it stays where it is
            log.warning("dropped", transaction=newest.transaction.hex(), error=str(error))
            return False
        if answer is Answer.TAKEN:
            log.info("sent_again", transaction=newest.transaction.hex())
        intent.displaced = answer is Answer.OCCUPIED
        return answer is Answer.CHEAP

    async def _raise_price(self, intent: Intent, journal: Journal, on_sent: OnSent | None) -> bool:
        """One version more. False where that would be above the limit."""
        if intent.displaced:  # whoever holds the key put something else there: it is not outbid
            return True
        limit = self._limit(intent)
        dearer = intent.dearer((await market(self._rpc)).fees, limit)
        answer = Answer.OCCUPIED
        while answer in (Answer.OCCUPIED, Answer.CHEAP):  # some nodes want more than an eighth
            if dearer is None or dearer.fees.price > limit:
                log.warning("price_limit", transaction=intent.newest.transaction.hex(), limit=limit)
                return False
            try:
                answer = await self._send(intent, dearer, journal)
            except LocalError as error:
                log.warning("reprice_failed", error=str(error))
                return True
            dearer = replace(dearer, fees=dearer.fees.raised(dearer.fees))
        if answer is Answer.TAKEN:
            log.info("repriced", transaction=intent.newest.transaction.hex(), version=len(intent.versions))
            if on_sent:
                await on_sent(intent.newest.transaction)
        return True

    async def _elsewhere(self, intent: Intent, *, patient: bool) -> Receipt | None:
        """Of the transaction that was mined under our nonce and is not ours. One that does the same, sent by another
        process of this key say, is as good; LocalError TRANSACTION_REPLACED tells of one that does not, and of one that
        is not found unless `patient`.
        """
        one, wanted = await mined_under(self._rpc, self.address, intent.nonce), intent.wanted
        found = str(one["hash"]) if one else ""
        if found in ["0x" + version.transaction.hex() for version in intent.versions] or (patient and not one):
            return None  # ours, and its receipt is late
        if one and does_the_same(one, wanted.to, wanted.value, wanted.data):
            log.info("done_by_another", transaction=found)
            return await self.receipt(to_bytes(found))
        raise LocalError(Code.TRANSACTION_REPLACED, reason="replaced", by=found)


def _pending(intent: Intent) -> LocalError:
    return LocalError(Code.TRANSACTION_PENDING, transaction=intent.newest.transaction.hex())
