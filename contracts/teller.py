"""Runs transactions and tells each as Markdown: call data decoded, events, gas, the channel's word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address

from contracts.machine import Contract, Receipt, canonicals
from contracts.reference import table
from contracts.scene import ZERO, Config, Scene
from tallystick_shared.channel import ChannelState

TIMES = ("expiry", "newExpiry", "deadline")
SPECIAL = {0: "0 (never opened)", 1: "1 (over)"}
"""Expiries that are no time."""


class Teller:
    """Tells what happens in a scene. `names` gives addresses and 32-byte values a name; balances count what moved."""

    def __init__(self, scene: Scene, names: dict[str | bytes, str]) -> None:
        self.scene = scene
        self.names = {ZERO: "native coin"}
        for value, name in names.items():
            self.names[value.hex() if isinstance(value, bytes) else value.lower()] = name
        self._told: set[tuple[Any, ...]] = set()

    def step(
        self, name: str, *values: Any, sender: str, value: int = 0, of: Config, contract: Contract | None = None
    ) -> str:
        """Send a call about the channel of a configuration; returns the block that tells it."""
        contract = contract or self.scene.channels
        data = contract.encode(name, *values)
        before = self.word(of)
        self.names.setdefault(self.scene.id(of).hex(), f"channel {1 + len(self._told)}")
        receipt = contract.send(name, *values, sender=sender, value=value)
        sent = f"`{name}` from the {self.names.get(sender.lower(), sender)}"
        if value:
            sent += f", with {value:,} wei"
        facts = f"{sent} · block {receipt.block}, {utc(self.scene.chain.now())} · {len(data):,} bytes of call data"
        parts = [f"> {facts} · **{receipt.gas:,} gas**", self.arguments(contract, data), self.events(receipt)]
        parts.append(self.words(before, self.word(of)))
        return "\n\n".join(part for part in parts if part)

    def word(self, config: Config) -> int:
        """The channel's word on the chain."""
        return int(self.scene.channels.call("channels", self.scene.id(config)))

    def arguments(self, contract: Contract, data: bytes) -> str:
        """The arguments, decoded from the bytes that were sent."""
        entry = contract.entry(data[:4])
        values = decode(canonicals(entry["inputs"]), data[4:])
        rows: list[tuple[str, str]] = []
        for parameter, value in zip(entry["inputs"], values, strict=True):
            self._spread(rows, parameter, value, "")
        return table(("argument", "value"), *rows)

    def _spread(self, rows: list[tuple[str, str]], parameter: dict[str, Any], value: Any, prefix: str) -> None:
        """Rows of a parameter, its parts one by one."""
        name = prefix + parameter["name"]
        if parameter["type"].endswith("[]"):
            for number, each in enumerate(value):
                single = {**parameter, "type": parameter["type"][:-2], "name": f"{name}[{number}]"}
                self._spread(rows, single, each, "")
            if not value:
                rows.append((f"`{name}`", "empty"))
        elif parameter["type"] == "tuple" and value in self._told:
            rows.append((f"`{name}`", "the channel's, as above"))
        elif parameter["type"] == "tuple":
            if parameter["name"] == "config":
                self._told.add(value)
            for part, each in zip(parameter["components"], value, strict=True):
                self._spread(rows, part, each, f"{name}.")
        else:
            rows.append((f"`{name}`", self.shown(parameter["name"], value)))

    def shown(self, name: str, value: Any) -> str:
        """A value for people."""
        if isinstance(value, bytes):
            text = f"`0x{value.hex()}`" if len(value) <= 32 else f"`0x{value.hex()[:24]}…` ({len(value)} bytes)"
            return self._named(value.hex(), text)
        if isinstance(value, str):
            return self._named(value.lower(), f"`{to_checksum_address(value)}`")
        if name in TIMES and value:
            return f"{value} ({utc(value)})" if value < 2**32 else "never"
        return f"{value:,}" if value < 2**128 else "2²⁵⁶ − 1"

    def _named(self, key: str, text: str) -> str:
        if key == ZERO:
            return "zero: the native coin"
        return f"{self.names[key]} {text}" if key in self.names else text

    def events(self, receipt: Receipt) -> str:
        """The events of both contracts in the receipt."""
        lines = []
        for contract in (self.scene.channels, self.scene.coin):
            for name, values in contract.events(receipt):
                has_config = values.pop("config", None) is not None
                said = ", ".join(f"{key} = {self.shown(key, value)}" for key, value in values.items())
                lines.append(f"- event `{name}`: {said}{'; and the whole config' if has_config else ''}")
        return "\n".join(lines)

    @staticmethod
    def words(before: int, after: int) -> str:
        """The word before and after, with its three parts."""
        rows = []
        for when, word in (("before", before), ("after", after)):
            state = ChannelState.from_word(word)
            expiry = SPECIAL.get(state.expiry, f"{state.expiry} ({utc(state.expiry)})")
            rows.append((when, f"{state.deposit:,}", f"{state.claimed:,}", expiry, f"`0x{word:064x}`"))
        return table(("word", "deposit", "claimed", "expiry", "as it is stored"), *rows)

    def voucher(self, claim: Any, payee: str) -> str:
        """What a voucher says, and its signature."""
        config, total, _, _, signature = claim
        rows = [
            ("`channelId`", f"`0x{self.scene.id(config).hex()}`"),
            ("`payee`", self.shown("payee", payee)),
            ("`cumulative`", f"{total:,}"),
            ("signature", f"`0x{signature.hex()}`"),
        ]
        return table(("voucher", "value"), *rows)


def utc(timestamp: int) -> str:
    """A Unix time as people read it."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S")
