"""Calling contracts on some EVM: the seat ``Machine``, and ``Contract`` on top of it.

``contracts.anvil`` fills the seat with a local chain behind JSON-RPC (revm), ``tests.contracts.pyevm`` with py-evm in
this process, ``tests.contracts.ethereumjs`` with ethereumjs in a node process; one suite of tests runs on all. The node
and the page have their own readers in ``tallystick_shared.evm``, so a mistake in one does not hide in the other.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

ROOT = Path(__file__).resolve().parent.parent
GENESIS = 1_900_000_000
"""Timestamp at which every machine starts, Unix seconds: fixed, so that gas is the same in every run."""

ETHER = 10**18

P256 = "0x" + "00" * 18 + "0100"
"""Address of the P-256 precompile (EIP-7951, RIP-7212)."""

P256_SAMPLE = bytes.fromhex(
    "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
"""sha256("sample"), r, s, x, y: a good signature, RFC 6979 A.2.5."""


class Reverted(Exception):
    """A call failed. ``reason`` is the contract's text, empty where it gave none (bad encoding, a refused payment)."""

    def __init__(self, data: bytes, message: str = "") -> None:
        known = data[:4] == keccak(text="Error(string)")[:4]
        self.reason: str = decode(["string"], data[4:])[0] if known else ""
        super().__init__(self.reason or message or "reverted")


@dataclass(frozen=True)
class Log:
    """An event as the chain keeps it."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Receipt:
    """What a transaction did. ``gas`` is the receipt's `gasUsed`; ``created`` the address of a new contract."""

    ok: bool
    gas: int
    block: int
    logs: tuple[Log, ...]
    created: str | None = None


class Machine(ABC):
    """An EVM with funded accounts that it signs for. Each transaction is a block, a second after the one before."""

    accounts: list[str]
    artefact = "cancun"
    """Which build of a contract it runs: that for "cancun", or for "paris" on a chain of that age."""

    @abstractmethod
    def transact(self, sender: str, to: str | None, data: bytes, value: int = 0, gas: int = 8_000_000) -> Receipt:
        """Run a transaction, also one that fails."""

    @abstractmethod
    def view(self, sender: str, to: str, data: bytes, value: int = 0) -> bytes:
        """Run a call and forget its effects. Raises Reverted."""

    @abstractmethod
    def balance(self, address: str) -> int:
        """Wei."""

    @abstractmethod
    def give(self, address: str, wei: int) -> None:
        """Set a balance."""

    @abstractmethod
    def code(self, address: str) -> bytes:
        """The deployed code."""

    @abstractmethod
    def etch(self, address: str, code: bytes) -> None:
        """Put code at an address, whatever stood there; its storage and balance stay."""

    def adopt(self, address: str) -> None:  # noqa: B027 -- nothing to do is the usual case
        """Let an address send whose key the machine does not hold. Most machines let anybody send."""

    @abstractmethod
    def now(self) -> int:
        """Timestamp of the latest block, Unix seconds."""

    @abstractmethod
    def travel(self, timestamp: int) -> None:
        """Let the next transaction's block have that timestamp."""

    @property
    @abstractmethod
    def chain_id(self) -> int:
        """The EIP-155 number."""

    @property
    def has_p256(self) -> bool:
        """Whether this chain verifies P-256 signatures: one call, as any client would ask."""
        return self.view(self.accounts[0], P256, P256_SAMPLE) == (1).to_bytes(32, "big")

    @abstractmethod
    def anchored(self) -> AbstractContextManager[None]:
        """State and time come back to what they were, on leaving."""

    def deploy(self, name: str) -> Contract:
        """Deploy one of the project's contracts from its generated artefact, as any client would."""
        path = ROOT / "shared" / "tallystick_shared" / "abi" / f"{name}.json"
        return self.make(json.loads(path.read_text(encoding="utf-8")))

    def make(self, made: dict[str, Any]) -> Contract:
        """Deploy what ``contracts.build.artefact`` gave, in the build for this machine."""
        build = made if self.artefact == made["evmVersion"] else made[self.artefact]
        return self.install(bytes.fromhex(build["bytecode"][2:]), made["abi"])

    def install(self, creation_code: bytes, abi: list[dict[str, Any]]) -> Contract:
        """Deploy some code."""
        receipt = self.transact(self.accounts[0], None, creation_code)
        assert receipt.ok and receipt.created, "deployment failed"
        return Contract(self, receipt.created, abi, receipt)


def canonical(parameter: dict[str, Any]) -> str:
    """An ABI parameter's type as it stands in a signature."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(canonical, parameter['components']))}){kind[5:]}"


def canonicals(parameters: list[dict[str, Any]]) -> list[str]:
    """The types of several."""
    return [canonical(parameter) for parameter in parameters]


def signature_hash(entry: dict[str, Any]) -> bytes:
    """keccak of a function's or an event's signature."""
    return bytes(keccak(text=f"{entry['name']}({','.join(canonicals(entry['inputs']))})"))


class Contract:
    """A deployed contract: transactions, calls and logs by name."""

    def __init__(self, machine: Machine, address: str, abi: list[dict[str, Any]], receipt: Receipt) -> None:
        self.machine, self.address, self.receipt = machine, to_checksum_address(address), receipt
        self._functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        self._events = {signature_hash(entry): entry for entry in abi if entry["type"] == "event"}

    def encode(self, name: str, *values: Any) -> bytes:
        """Call data."""
        entry = self._functions[name]
        return signature_hash(entry)[:4] + encode(canonicals(entry["inputs"]), values)

    def entry(self, selector: bytes) -> dict[str, Any]:
        """The function that call data beginning with those four bytes calls. Raises KeyError."""
        return {signature_hash(entry)[:4]: entry for entry in self._functions.values()}[selector]

    def send(self, name: str, *values: Any, sender: str, value: int = 0) -> Receipt:
        """Run a transaction that must succeed."""
        receipt = self.machine.transact(sender, self.address, self.encode(name, *values), value)
        assert receipt.ok, f"{name} failed"
        return receipt

    def call(self, name: str, *values: Any, sender: str | None = None, value: int = 0) -> Any:
        """Call and forget; returns the output, a tuple where there are several. Raises Reverted."""
        data = self.machine.view(sender or self.machine.accounts[0], self.address, self.encode(name, *values), value)
        outputs = decode(canonicals(self._functions[name]["outputs"]), data)
        return outputs[0] if len(outputs) == 1 else outputs

    def refusal(self, name: str, *values: Any, sender: str, value: int = 0) -> str:
        """Run a transaction that must fail; returns its reason."""
        data = self.encode(name, *values)
        try:
            self.machine.view(sender, self.address, data, value)
        except Reverted as error:
            assert not self.machine.transact(sender, self.address, data, value).ok
            return error.reason
        raise AssertionError(f"{name} was not refused")

    def events(self, receipt: Receipt) -> list[tuple[str, dict[str, Any]]]:
        """This contract's events in a receipt: (name, values by name). Addresses are lower-case hex."""
        return [self._event(log) for log in receipt.logs if to_checksum_address(log.address) == self.address]

    def _event(self, log: Log) -> tuple[str, dict[str, Any]]:
        entry = self._events[log.topics[0]]
        indexed = [part for part in entry["inputs"] if part["indexed"]]
        plain = [part for part in entry["inputs"] if not part["indexed"]]
        found = [decode([canonical(part)], topic)[0] for part, topic in zip(indexed, log.topics[1:], strict=True)]
        found += decode(canonicals(plain), log.data)
        return entry["name"], {part["name"]: value for part, value in zip(indexed + plain, found, strict=True)}
