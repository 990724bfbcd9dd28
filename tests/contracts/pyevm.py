"""py-evm, by titanoboa, in the seat of `contracts.machine.Machine`: an EVM that shares no code with anvil's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boa.environment import Env
from eth.exceptions import Revert
from eth_utils.address import to_checksum_address

from contracts.machine import ETHER, GENESIS, Log, Machine, Receipt, Reverted


class PyEvm(Machine):
    """An EVM in this process. The `gas` of its receipts is not that of a transaction: slots stay warm in between."""

    def __init__(self) -> None:
        self._env = Env()
        self.accounts = [to_checksum_address(f"0x{0xACC0 + number:040x}") for number in range(20)]
        for account in self.accounts:
            self._env.set_balance(account, 10_000 * ETHER)
        self._env.timestamp = GENESIS
        self._next: int | None = None

    @property
    def _patch(self) -> Any:
        return self._env.evm.patch

    def _advance(self) -> None:
        self._env.timestamp = self._next if self._next is not None else self._env.timestamp + 1
        self._next = None
        self._patch.block_number += 1

    def transact(self, sender: str, to: str | None, data: bytes, value: int = 0, gas: int = 8_000_000) -> Receipt:
        self._advance()
        created = None
        if to is None:
            created, done = self._env.deploy(sender=sender, gas=gas, value=value, bytecode=data)
        else:
            done = self._env.execute_code(to_address=to, sender=sender, gas=gas, value=value, data=data)
        logs = tuple(
            Log(to_checksum_address(address), tuple(topic.to_bytes(32, "big") for topic in topics), body)
            for address, topics, body in ([] if done.is_error else done.get_log_entries())
        )
        block = int(self._patch.block_number)
        return Receipt(not done.is_error, done.get_gas_used(), block, logs, str(created) if created else None)

    def view(self, sender: str, to: str, data: bytes, value: int = 0) -> bytes:
        with self.anchored():
            self._advance()
            done = self._env.execute_code(to_address=to, sender=sender, gas=30_000_000, value=value, data=data)
        if done.is_error:
            raise Reverted(done.output if isinstance(done.error, Revert) else b"", repr(done.error))
        return bytes(done.output)

    def balance(self, address: str) -> int:
        return int(self._env.get_balance(address))

    def give(self, address: str, wei: int) -> None:
        self._env.set_balance(address, wei)

    def code(self, address: str) -> bytes:
        return self._env.get_code(address)

    def etch(self, address: str, code: bytes) -> None:
        self._env.set_code(address, code)

    def now(self) -> int:
        return self._env.timestamp

    def travel(self, timestamp: int) -> None:
        self._next = timestamp

    @property
    def chain_id(self) -> int:
        return int(self._patch.chain_id)

    def set_block(self, number: int) -> None:
        """The next transaction's block comes after that one."""
        self._patch.block_number = number

    def set_chain_id(self, number: int) -> None:
        """As after a fork of the chain."""
        self._patch.chain_id = number

    @contextmanager
    def anchored(self) -> Iterator[None]:
        following = self._next
        with self._env.anchor():
            yield
        self._next = following
