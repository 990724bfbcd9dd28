"""Sending transactions with a key of our own, until they are mined.

A transaction is priced by EIP-1559 where the chain has a base fee, else by its gas price; one that is not mined in
time is sent again under the same nonce at a higher price. Nonces are given out under one lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import Rpc, RpcError, to_bytes, to_hex, to_int

from ..crypto import NativeCrypto
from .transaction import Fees, Transaction

GWEI = 10**9
GAS_MARGIN = 1.2
PRICE_STEP = 1.25
log = structlog.get_logger(__name__)
OnSent = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Receipt:
    """A mined transaction: hash (32 bytes), block, gas, the price paid per gas (wei), the address of a created
    contract, raw logs.
    """

    transaction: bytes
    block: int
    gas_used: int
    gas_price: int
    contract: bytes | None
    logs: list[dict[str, Any]]


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
        """`poll`: seconds between looks for a receipt; `patience`: seconds until the price is raised, at most
        `tries` times.
        """
        self._crypto, self._rpc, self._key, self._chain_id = NativeCrypto(), rpc, key, chain_id
        self._poll, self._patience, self._tries = poll, patience, tries
        self._lock = asyncio.Lock()
        self._next_nonce = 0
        self._waiting = 0
        self.address = self._crypto.secp256k1_address(key)

    @property
    def rpc(self) -> Rpc:
        """The chain it sends to."""
        return self._rpc

    async def balance(self) -> int:
        return to_int(await self._rpc.request("eth_getBalance", [to_hex(self.address), "latest"]))

    async def transact(
        self, to: bytes | None, data: bytes = b"", value: int = 0, *, on_sent: OnSent | None = None
    ) -> Receipt:
        """Sends and waits until it is mined. `on_sent` hears the hash of each version as it leaves; `to` None
        creates a contract.

        Raises LocalError TRANSACTION_FAILED (reverts, replaced, never mined), NOT_ENOUGH_MONEY, RPC_UNREACHABLE.
        """
        async with self._lock:
            gas = await self._estimate(to, data, value)
            wanted = Transaction(self._chain_id, await self._nonce(), to, value, data, gas, Fees(0))
            hashes = [await self._broadcast(wanted, 1.0)]
            self._next_nonce = wanted.nonce + 1
            self._waiting += 1
        try:
            if on_sent:
                await on_sent(hashes[0])
            return await self._until_mined(wanted, hashes, on_sent)
        finally:
            self._waiting -= 1

    async def _nonce(self) -> int:
        count = to_int(await self._rpc.request("eth_getTransactionCount", [to_hex(self.address), "pending"]))
        return max(count, self._next_nonce) if self._waiting else count

    async def _estimate(self, to: bytes | None, data: bytes, value: int) -> int:
        call = {"from": to_hex(self.address), "data": to_hex(data), "value": hex(value)}
        if to is not None:
            call["to"] = to_hex(to)
        try:
            return int(to_int(await self._rpc.request("eth_estimateGas", [call])) * GAS_MARGIN)
        except RpcError as error:
            raise _fault(error) from None

    async def _fees(self, factor: float) -> Fees:
        block = await self._rpc.request("eth_getBlockByNumber", ["latest", False])
        if block.get("baseFeePerGas") is None:
            return Fees(int(to_int(await self._rpc.request("eth_gasPrice", [])) * factor))
        try:
            tip = to_int(await self._rpc.request("eth_maxPriorityFeePerGas", []))
        except RpcError:
            tip = GWEI
        tip = int(tip * factor)
        return Fees(2 * int(to_int(block["baseFeePerGas"]) * factor) + tip, tip)

    async def _broadcast(self, wanted: Transaction, factor: float) -> bytes:
        raw, transaction = replace(wanted, fees=await self._fees(factor)).sign(self._crypto, self._key)
        try:
            await self._rpc.request("eth_sendRawTransaction", [to_hex(raw)])
        except RpcError as error:
            if "already known" not in error.message and "already imported" not in error.message:
                raise _fault(error) from None
        return transaction

    async def _until_mined(self, wanted: Transaction, hashes: list[bytes], on_sent: OnSent | None) -> Receipt:
        raise_at = time.monotonic() + self._patience
        while True:
            if (receipt := await self._receipt(hashes)) is not None:
                return receipt
            if time.monotonic() >= raise_at:
                if await self._replaced(wanted) and await self._receipt(hashes) is None:
                    raise LocalError(Code.TRANSACTION_FAILED, reason="replaced")
                if len(hashes) > self._tries:
                    raise LocalError(Code.TRANSACTION_FAILED, reason="not mined", transaction=hashes[-1].hex())
                await self._raise_price(wanted, hashes, on_sent)
                raise_at = time.monotonic() + self._patience
            await asyncio.sleep(self._poll)

    async def _replaced(self, wanted: Transaction) -> bool:
        mined = to_int(await self._rpc.request("eth_getTransactionCount", [to_hex(self.address), "latest"]))
        return mined > wanted.nonce

    async def _raise_price(self, wanted: Transaction, hashes: list[bytes], on_sent: OnSent | None) -> None:
        try:
            renewed = await self._broadcast(wanted, PRICE_STEP ** len(hashes))
        except LocalError as error:
            log.warning("reprice_failed", error=str(error))
            return
        hashes.append(renewed)
        log.info("repriced", transaction=renewed.hex(), version=len(hashes))
        if on_sent:
            await on_sent(renewed)

    async def _receipt(self, hashes: list[bytes]) -> Receipt | None:
        """Of whichever version was mined."""
        for transaction in reversed(hashes):
            if (receipt := await self.receipt(transaction)) is not None:
                return receipt
        return None

    async def receipt(self, transaction: bytes) -> Receipt | None:
        """None while it is not mined. Raises LocalError TRANSACTION_FAILED where it was mined and reverted."""
        found = await self._rpc.request("eth_getTransactionReceipt", [to_hex(transaction)])
        if not found:
            return None
        if to_int(found["status"]) != 1:
            raise LocalError(Code.TRANSACTION_FAILED, reason="reverted", transaction=transaction.hex())
        created = found.get("contractAddress")
        return Receipt(
            transaction,
            to_int(found["blockNumber"]),
            to_int(found["gasUsed"]),
            to_int(found.get("effectiveGasPrice") or "0x0"),
            to_bytes(created) if created else None,
            found["logs"],
        )


def _fault(error: RpcError) -> LocalError:
    text = error.message.lower()
    if "insufficient" in text and ("fund" in text or "balance" in text):
        return LocalError(Code.NOT_ENOUGH_MONEY, reason=error.message[:200])
    return LocalError(Code.TRANSACTION_FAILED, reason=error.message[:200])
