"""A local chain: anvil, spoken to by JSON-RPC."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any

from eth_utils.address import to_checksum_address

from contracts.machine import GENESIS, ROOT, Log, Machine, Receipt, Reverted


class RpcError(Exception):
    """The node answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("message", "error"))
        data = error.get("data")
        self.data: bytes = bytes.fromhex(data[2:]) if isinstance(data, str) else b""


class Rpc:
    """A node's JSON-RPC: one connection, kept open."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._ids = itertools.count(1)

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def rpc(self, method: str, *params: Any) -> Any:
        """One request; returns its result or raises RpcError."""
        body = json.dumps({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def mined(self, transaction: str) -> Receipt:
        """The receipt of a transaction that the node mines at once."""
        while (found := self.rpc("eth_getTransactionReceipt", transaction)) is None:
            pass  # asked for again only while the block is being written
        return Receipt(
            ok=found["status"] == "0x1",
            gas=int(found["gasUsed"], 16),
            block=int(found["blockNumber"], 16),
            logs=tuple(
                Log(log["address"], tuple(map(_bytes, log["topics"])), _bytes(log["data"])) for log in found["logs"]
            ),
            created=found.get("contractAddress"),
        )


class Anvil(Rpc, Machine):
    """A chain whose accounts the node itself signs for."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.accounts = [to_checksum_address(account) for account in self.rpc("eth_accounts")]
        self.rpc("anvil_setBlockTimestampInterval", 1)

    def transact(self, sender: str, to: str | None, data: bytes, value: int = 0, gas: int = 8_000_000) -> Receipt:
        # Gas is given, not estimated, so that a failing transaction is mined too.
        transaction = {"from": sender, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(gas)}
        # No gas price: the balances in the tests' sums then move by the contracts' payments alone.
        transaction["gasPrice"] = "0x0"
        if to is not None:
            transaction["to"] = to
        return self.mined(self.rpc("eth_sendTransaction", transaction))

    def view(self, sender: str, to: str, data: bytes, value: int = 0) -> bytes:
        call = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value)}
        try:
            return _bytes(self.rpc("eth_call", call, "pending"))
        except RpcError as error:
            raise Reverted(error.data, str(error)) from None

    def balance(self, address: str) -> int:
        return int(self.rpc("eth_getBalance", address, "latest"), 16)

    def give(self, address: str, wei: int) -> None:
        self.rpc("anvil_setBalance", address, hex(wei))

    def code(self, address: str) -> bytes:
        return _bytes(self.rpc("eth_getCode", address, "latest"))

    def etch(self, address: str, code: bytes) -> None:
        self.rpc("anvil_setCode", address, "0x" + code.hex())

    def adopt(self, address: str) -> None:
        self.rpc("anvil_impersonateAccount", address)

    def now(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def travel(self, timestamp: int) -> None:
        self.rpc("evm_setNextBlockTimestamp", hex(timestamp))

    @property
    def chain_id(self) -> int:
        return int(self.rpc("eth_chainId"), 16)

    @contextmanager
    def anchored(self) -> Iterator[None]:
        snapshot = self.rpc("evm_snapshot")
        try:
            yield
        finally:
            # A receipt comes a moment before its transaction leaves the pool. After a revert in between, that one is
            # mined once more, or takes the next one of the same sender and nonce out of the pool with it.
            while self.rpc("txpool_status")["pending"] != "0x0":
                pass
            self.rpc("evm_revert", snapshot)

    @contextmanager
    def impersonating(self) -> Iterator[None]:
        """Any address can send while this lasts."""
        self.rpc("anvil_autoImpersonateAccount", True)
        try:
            yield
        finally:
            self.rpc("anvil_autoImpersonateAccount", False)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def binary() -> str:
    """Path of anvil: the program from npm's package of this platform, else the one on PATH. Raises FileNotFoundError.

    Not ``.bin/anvil``: that is a script of node's that starts the program, and a signal would end the script alone.
    """
    own = sorted(ROOT.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"))
    found = str(own[0]) if own else shutil.which("anvil")
    if not found:
        raise FileNotFoundError("anvil is missing: run `npm ci`")
    return found


@contextmanager
def running(hardfork: str = "osaka") -> Iterator[Anvil]:
    """A fresh chain on a free port, ended on leaving. The hardfork is one of anvil's names."""
    command = [binary(), "--port", "0", "--hardfork", hardfork, "--timestamp", str(GENESIS), "--accounts", "20"]
    command += ["--gas-price", "0", "--block-base-fee-per-gas", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with closing(Anvil(_port(process))) as chain:
            yield chain
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Listening on"):
            # Drained to the end, or anvil would stop when the pipe is full.
            threading.Thread(target=_drain, args=(process.stdout,), daemon=True).start()
            return int(line.rsplit(":", 1)[1])
    raise RuntimeError("anvil did not start: " + "".join(said)[-400:])


def _drain(lines: Any) -> None:
    for _ in lines:
        pass
