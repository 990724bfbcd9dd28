"""ethereumjs, by node, in the seat of `contracts.machine.Machine`: an EVM that shares no code with the other two."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts.machine import ETHER, GENESIS, Log, Machine, Receipt, Reverted

SCRIPT = Path(__file__).with_name("ethereumjs.mjs")
CHAIN_ID = 31_337
ACCOUNTS = tuple(to_checksum_address(keccak(text=f"tests: account {number}")[12:]) for number in range(20))


class EthereumJs(Machine):
    """An EVM in a node process, asked line by line. Its receipts tell a transaction's gas, as a chain's do."""

    def __init__(self, process: subprocess.Popen[str], accounts: Sequence[str]) -> None:
        self._process = process
        self.accounts = list(accounts)
        for account in self.accounts:
            self.give(account, 10_000 * ETHER)

    def _ask(self, method: str, **values: Any) -> Any:
        """One request; returns its result. Raises RuntimeError with what the script says, or when it has ended."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"method": method, **values}) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError("the ethereumjs process ended")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def transact(self, sender: str, to: str | None, data: bytes, value: int = 0, gas: int = 8_000_000) -> Receipt:
        call = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(gas)}
        found = self._ask("transact", **call)
        return Receipt(
            ok=found["ok"],
            gas=int(found["gas"], 16),
            block=int(found["block"], 16),
            logs=tuple(
                Log(address, tuple(map(_bytes, topics)), _bytes(body)) for address, topics, body in found["logs"]
            ),
            created=found["created"],
        )

    def view(self, sender: str, to: str, data: bytes, value: int = 0) -> bytes:
        found = self._ask("view", **{"from": sender}, to=to, data="0x" + data.hex(), value=hex(value))
        if "failed" in found:
            raise Reverted(_bytes(found["revert"]), found["failed"])
        return _bytes(found["data"])

    def balance(self, address: str) -> int:
        return int(self._ask("balance", address=address), 16)

    def give(self, address: str, wei: int) -> None:
        self._ask("give", address=address, wei=hex(wei))

    def code(self, address: str) -> bytes:
        return _bytes(self._ask("code", address=address))

    def etch(self, address: str, code: bytes) -> None:
        self._ask("etch", address=address, code="0x" + code.hex())

    def now(self) -> int:
        return int(self._ask("now"), 16)

    def travel(self, timestamp: int) -> None:
        self._ask("travel", timestamp=hex(timestamp))

    @property
    def chain_id(self) -> int:
        return int(self._ask("chainId"), 16)

    @contextmanager
    def anchored(self) -> Iterator[None]:
        self._ask("snapshot")
        try:
            yield
        finally:
            self._ask("revert")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


@contextmanager
def running(hardfork: str = "osaka", accounts: Sequence[str] = ACCOUNTS) -> Iterator[EthereumJs]:
    """A fresh chain, ended on leaving. The hardfork is one of ethereumjs' names. Raises FileNotFoundError."""
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("node is missing: ./run installs it")
    options = json.dumps({"hardfork": hardfork, "chainId": hex(CHAIN_ID), "timestamp": hex(GENESIS)})
    with subprocess.Popen(
        [node, str(SCRIPT), options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield EthereumJs(process, accounts)
        finally:
            process.terminate()
