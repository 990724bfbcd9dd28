"""Measure what every operation costs and write contracts/gas.json.

    python -m contracts.gas             measure on anvil and write
    python -m contracts.gas --check     measure and exit 1 when gas.json differs or a goal is missed

Gas is `gasUsed` of real receipts, intrinsic cost and calldata included. Keys, salts and times are fixed, so two runs
give the same numbers. `design` is the figure to keep within 3 %; `size` is the length of the deployed code in bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from contracts.anvil import Anvil, running
from contracts.machine import ETHER, Contract

GAS_JSON = Path(__file__).resolve().parent / "gas.json"
TOLERANCE = 1.03
DAY = 86_400
ZERO = "0x" + "00" * 20
SESSION = Account.from_key(keccak(text="tallystick gas: session key"))

DESIGN = {
    "open": 50_458,
    "topUp": 31_222,
    "claim": 48_633,
    "claim, batch of 10, each": 20_157,
    "close, closer is not the payee": 58_773,
    "close, closer is the payee": 56_285,
    "requestClose": 30_075,
    "withdraw": 37_332,
    "1,000 prompts, cooperative close": 109_255,
    "first claim behind a root of 16": 74_400,
    "register, 1 offer": 77_200,
    "register, 10 offers": 81_800,
    "announce, 1 offer": 32_800,
    "announce, 10 offers": 37_400,
}


class Bench:
    """Contracts on a fresh chain, and the roles: payer, payee and operator (closer) with gas of their own."""

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.channels: Contract = chain.deploy("Channels")
        self.registry: Contract = chain.deploy("Registry")
        self.payer, self.payee, self.operator, *self.others = chain.accounts[1:]
        self._salts = 0

    def config(self, root: bytes) -> tuple[Any, ...]:
        self._salts += 1
        salt = keccak(text=f"tallystick gas: salt {self._salts}")
        return (self.payer, SESSION.address, root, ZERO, DAY, salt)

    def leaf(self, closer: str, salt: bytes = bytes(32)) -> bytes:
        return bytes(keccak(b"\0" + to_canonical_address(self.payee) + to_canonical_address(closer) + salt))

    def open(self, root: bytes, deposit: int = ETHER // 100) -> tuple[tuple[Any, ...], int]:
        config = self.config(root)
        expiry = self.chain.now() + 30 * DAY
        receipt = self.channels.send("open", config, expiry, deposit, sender=self.payer, value=deposit)
        return config, receipt.gas

    def voucher(
        self, config: tuple[Any, ...], total: int, salt: bytes = bytes(32), proof: tuple[bytes, ...] = ()
    ) -> Any:
        """A Claim, signed by the session key."""
        signed = SESSION.sign_message(
            encode_typed_data(
                domain_data={
                    "name": "Tallystick Channels",
                    "version": "1",
                    "chainId": self.chain.chain_id,
                    "verifyingContract": self.channels.address,
                },
                message_types={
                    "Voucher": [
                        {"name": "channelId", "type": "bytes32"},
                        {"name": "payee", "type": "address"},
                        {"name": "cumulative", "type": "uint256"},
                    ]
                },
                message_data={
                    "channelId": self.channels.call("idOf", config),
                    "payee": self.payee,
                    "cumulative": total,
                },
            )
        )
        return (config, total, salt, proof, bytes(signed.signature))


def channel_rows(bench: Bench) -> dict[str, int]:
    """Gas of a channel's life, in its usual forms."""
    rows: dict[str, int] = {}
    channels, payer, payee, operator = bench.channels, bench.payer, bench.payee, bench.operator
    price = ETHER // 1000
    root = bench.leaf(operator)

    def claim(claims: list[Any], sender: str) -> int:
        return channels.send("claim", payee, operator, ZERO, claims, sender=sender).gas

    config, rows["open"] = bench.open(root)
    receipt = channels.send("topUp", config, 0, price, sender=payer, value=price)
    rows["topUp"] = receipt.gas
    rows["claim"] = claim([bench.voucher(config, price)], payee)
    rows["claim, by the operator"] = claim([bench.voucher(config, 2 * price)], operator)
    tens = [bench.open(root)[0] for _ in range(10)]
    rows["claim, batch of 10, each"] = claim([bench.voucher(each, price) for each in tens], payee) // 10
    rows["close, closer is not the payee"] = channels.send(
        "close", payee, bench.voucher(tens[0], 2 * price), sender=operator
    ).gas
    own, opened = bench.open(bench.leaf(payee))
    rows["close, closer is the payee"] = channels.send("close", payee, bench.voucher(own, price), sender=payee).gas
    rows["requestClose"] = channels.send("requestClose", config, sender=payer).gas
    bench.chain.travel(bench.chain.now() + DAY)
    rows["withdraw"] = channels.send("withdraw", config, sender=payer).gas
    fresh, opened = bench.open(root)
    closed = channels.send("close", payee, bench.voucher(fresh, price), sender=operator).gas
    rows["1,000 prompts, cooperative close"] = opened + closed
    rows |= kraft_rows(bench, claim)
    return rows


def kraft_rows(bench: Bench, claim: Callable[[list[Any], str], int]) -> dict[str, int]:
    """Gas of the first and a later claim of one payee among sixteen."""
    salt = bytes(keccak(text="tallystick gas: leaf salt"))
    proof = tuple(bytes(keccak(text=f"tallystick gas: sibling {level}")) for level in range(4))
    root = bench.leaf(bench.operator, salt)
    for sibling in proof:
        root = bytes(keccak(min(root, sibling) + max(root, sibling)))
    config, _ = bench.open(root)
    first, second = (bench.voucher(config, total, salt, proof) for total in (10**14, 2 * 10**14))
    return {
        "first claim behind a root of 16": claim([first], bench.payee),
        "later claim behind a root of 16": claim([second], bench.payee),
    }


def profile(offers: int, edition: int) -> bytes:
    """Bytes like those of a profile: 91 of keys and address, 20 an offer."""
    wanted = 91 + 20 * offers
    stream = b"".join(keccak(text=f"tallystick gas: profile {edition} {part}") for part in range(wanted // 32 + 1))
    return stream[:wanted]


def registry_rows(bench: Bench) -> dict[str, int]:
    """Gas of joining, announcing, leaving, and of reading a page of 1,000."""
    registry, (first, second, third, *_) = bench.registry, bench.others
    rows: dict[str, int] = {}
    stake = registry.call("minStake")
    registry.send("register", profile(0, 0), sender=third, value=stake)
    for name, offers, sender in (("1 offer", 1, first), ("10 offers", 10, second)):
        rows[f"register, {name}"] = registry.send("register", profile(offers, 0), sender=sender, value=stake).gas
    for name, offers, sender in (("1 offer", 1, first), ("10 offers", 10, second)):
        rows[f"announce, {name}"] = registry.send("announce", profile(offers, 1), sender=sender).gas
    large, small = (registry.send("announce", profile(offers, 2), sender=first).gas for offers in (90, 10))
    rows["announce, each byte"] = round((large - small) / (80 * 20))
    rows["addStake"] = registry.send("addStake", sender=first, value=stake).gas
    rows["requestExit"] = registry.send("requestExit", sender=first).gas
    bench.chain.travel(bench.chain.now() + registry.call("exitDelay"))
    rows["exit"] = registry.send("exit", sender=first).gas
    rows["page of 1,000"] = page_gas(bench)
    return rows


def page_gas(bench: Bench) -> int:
    """Gas of `page(0, 1000)` with 1,000 providers, less what every transaction pays."""
    chain, registry = bench.chain, bench.registry
    missing = 1000 - registry.call("count")
    with chain.impersonating():
        for number in range(missing):
            sender = "0x" + keccak(text=f"tallystick gas: provider {number}")[:20].hex()
            chain.give(sender, ETHER)
            registry.send("register", profile(1, number), sender=sender, value=ETHER // 1000)
    receipt = chain.transact(bench.payer, registry.address, registry.encode("page", 0, 1000), gas=16_000_000)
    return receipt.gas - 21_000


def measure() -> dict[str, Any]:
    """All figures: ``gas`` by contract and operation, ``size`` of the deployed code, ``deploy`` gas."""
    with running() as chain:
        bench = Bench(chain)
        result: dict[str, Any] = {}
        for contract, rows in (("Channels", channel_rows), ("Registry", registry_rows)):
            deployed: Contract = getattr(bench, contract.lower())
            result[contract] = {"size": len(chain.code(deployed.address)), "deploy": deployed.receipt.gas, "gas": {}}
            for name, gas in rows(bench).items():
                row = {"gas": gas}
                if name in DESIGN:
                    row["design"] = DESIGN[name]
                result[contract]["gas"][name] = row
        return result


def missed(result: dict[str, Any]) -> list[str]:
    """Operations that cost more than their design figure and 3 %."""
    return [
        f"{contract} {name}: {row['gas']} > {row['design']} + 3 %"
        for contract, part in result.items()
        for name, row in part["gas"].items()
        if "design" in row and row["gas"] > row["design"] * TOLERANCE
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(description="Measure gas and code sizes.")
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when gas.json is stale")
    options = parser.parse_args(arguments)
    result = measure()
    text = json.dumps(result, indent=2) + "\n"
    late = missed(result)
    for line in late:
        print(line)
    if options.check:
        fresh = GAS_JSON.is_file() and GAS_JSON.read_text(encoding="utf-8") == text
        if not fresh:
            print("stale: contracts/gas.json (run: python -m contracts.gas)")
        return 0 if fresh and not late else 1
    GAS_JSON.write_text(text, encoding="utf-8")
    print(text, end="")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
