"""geth, where it is on PATH, in the seat of `contracts.machine.Machine`, as far as a real chain can fill it.

`geth --dev` mines every transaction at once, by the machine's own clock: it cannot travel in time, set a balance or go
back to an earlier state. So it runs a life of a channel that needs none of these. The seat signs what it sends itself
and asks nothing that is geth's alone: anvil can stand in for it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager

from eth_account import Account
from eth_utils.crypto import keccak

from contracts.anvil import Rpc, RpcError
from contracts.machine import ETHER, Machine, Receipt, Reverted

KEYS = [Account.from_key(keccak(text=f"tests: key {number}")) for number in range(6)]
GWEI = 10**9


class Geth(Machine):
    """A chain whose accounts this seat signs for; the node's own first account pays for them."""

    def __init__(self, node: Rpc) -> None:
        self._node, self._rpc = node, node.rpc
        self._keys = {key.address: key for key in KEYS}
        self.accounts = list(self._keys)
        purse = self._rpc("eth_accounts")[0]
        for account in self.accounts:
            self._node.mined(
                self._rpc("eth_sendTransaction", {"from": purse, "to": account, "value": hex(100 * ETHER)})
            )

    def transact(self, sender: str, to: str | None, data: bytes, value: int = 0, gas: int = 8_000_000) -> Receipt:
        nonce = int(self._rpc("eth_getTransactionCount", sender, "latest"), 16)
        fields = {"nonce": nonce, "gas": gas, "value": value, "data": data, "chainId": self.chain_id, "type": 2}
        fees = {"maxFeePerGas": 10 * GWEI, "maxPriorityFeePerGas": GWEI}
        signed = self._keys[sender].sign_transaction(fields | fees | ({"to": to} if to else {}))
        return self._node.mined(self._rpc("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex()))

    def view(self, sender: str, to: str, data: bytes, value: int = 0) -> bytes:
        call = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value)}
        try:
            return _bytes(self._rpc("eth_call", call, "latest"))
        except RpcError as error:
            raise Reverted(error.data, str(error)) from None

    def balance(self, address: str) -> int:
        return int(self._rpc("eth_getBalance", address, "latest"), 16)

    def code(self, address: str) -> bytes:
        return _bytes(self._rpc("eth_getCode", address, "latest"))

    def now(self) -> int:
        return int(self._rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    @property
    def chain_id(self) -> int:
        return int(self._rpc("eth_chainId"), 16)

    def give(self, address: str, wei: int) -> None:
        raise NotImplementedError("a real chain gives nothing away")

    def etch(self, address: str, code: bytes) -> None:
        raise NotImplementedError("a real chain's code does not change")

    def travel(self, timestamp: int) -> None:
        raise NotImplementedError("a real chain keeps its own time")

    def anchored(self) -> AbstractContextManager[None]:
        raise NotImplementedError("a real chain does not go back")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


@contextmanager
def running(program: str) -> Iterator[Geth]:
    """A fresh development chain on a free port, ended on leaving. Raises RuntimeError when it does not start."""
    command = [program, "--dev", "--http", "--http.port", "0", "--authrpc.port", "0", "--port", "0"]
    command += ["--ipcdisable", "--nodiscover", "--verbosity", "3"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        with closing(Rpc(_port(process))) as node:
            yield Geth(node)
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"HTTP server started.*endpoint=\S*:(\d+)", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return int(found.group(1))
    raise RuntimeError("geth did not start: " + "".join(said)[-400:])


def program() -> str | None:
    """geth's path, if it can be had."""
    return shutil.which("geth")
