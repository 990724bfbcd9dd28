"""Random comings and goings in the Registry: hash, block and stake of every word, no duplicates, no lost wei."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import pytest
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from contracts.machine import Receipt
from tests.contracts.pyevm import PyEvm
from tests.contracts.world import DAY, ETHER, World

STAKE = ETHER // 1000
NEEDED = {"register", "announce", "addStake", "requestExit", "exit", "swap"}
WHO = st.integers(0, 6)


@dataclass
class Provider:
    """What the contract should know of one."""

    stake: int
    profile: bytes
    block: int
    unlock: int = 0

    @property
    def word(self) -> int:
        return (self.stake // 10**9 << 192) | (self.block << 160) | int.from_bytes(keccak(self.profile)[12:], "big")


class Market(RuleBasedStateMachine):
    """Seven addresses that come and go."""

    world: ClassVar[World]
    done: ClassVar[Counter[str]]

    @initialize()
    def begin(self) -> None:
        self.listed: dict[str, Provider] = {}
        self.anchor = self.world.machine.anchored()
        self.anchor.__enter__()
        for number in range(3):
            self.register(number, profile=b"first", stake=STAKE)

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    def try_to(self, reason: str, name: str, *values: object, who: str, value: int = 0) -> Receipt | None:
        """Do it, or see it refused for that reason."""
        if reason:
            assert self.world.registry.refusal(name, *values, sender=who, value=value) == reason
            return None
        self.done[name] += 1
        return self.world.registry.send(name, *values, sender=who, value=value)

    @rule(number=WHO, profile=st.binary(max_size=40), stake=st.integers(STAKE - 1, 3 * STAKE))
    def register(self, number: int, profile: bytes, stake: int) -> None:
        who = self.world.crowd[number]
        reason = "registered" if who in self.listed else "stake" if stake < STAKE else ""
        receipt = self.try_to(reason, "register", profile, who=who, value=stake)
        if receipt:
            self.listed[who] = Provider(stake, profile, receipt.block)

    @rule(number=WHO, profile=st.binary(max_size=40))
    def announce(self, number: int, profile: bytes) -> None:
        who = self.world.crowd[number]
        known = self.listed.get(who)
        receipt = self.try_to("" if known else "unregistered", "announce", profile, who=who)
        if receipt and known:
            [(_, told)] = self.world.registry.events(receipt)
            assert (told["previousBlock"], told["profile"]) == (known.block, profile)
            known.profile, known.block = profile, receipt.block

    @rule(number=WHO, amount=st.integers(0, 2 * STAKE))
    def add_stake(self, number: int, amount: int) -> None:
        who = self.world.crowd[number]
        known = self.listed.get(who)
        if self.try_to("" if known else "unregistered", "addStake", who=who, value=amount) and known:
            known.stake += amount

    @rule(number=WHO)
    def request_exit(self, number: int) -> None:
        who = self.world.crowd[number]
        known = self.listed.get(who)
        reason = "unregistered" if not known else "requested" if known.unlock else ""
        if self.try_to(reason, "requestExit", who=who) and known:
            known.unlock = self.world.machine.now() + 7 * DAY

    # An exit that succeeds is rare at random (asked for, and seven days later): biased.
    @rule(number=WHO, patient=st.booleans())
    def exit(self, number: int, patient: bool) -> None:
        asked = [who for who, known in self.listed.items() if known.unlock]
        who = asked[number % len(asked)] if patient and asked else self.world.crowd[number]
        if patient and asked and self.listed[who].unlock > self.world.machine.now() + 1:
            self.world.machine.travel(self.listed[who].unlock)
            self.world.claim()
        known = self.listed.get(who)
        ready = known and known.unlock and self.world.machine.now() + 1 >= known.unlock
        before = self.world.machine.balance(who)
        everyone = self.world.registry.call("page", 0, 1000)[0]
        if self.try_to("" if ready else "early" if known else "unregistered", "exit", who=who) and known:
            assert self.world.machine.balance(who) == before + known.stake
            self.done["swap"] += everyone[-1] != who.lower()
            del self.listed[who]

    @rule(days=st.integers(1, 8))
    def wait(self, days: int) -> None:
        self.world.machine.travel(self.world.machine.now() + days * DAY)
        self.world.claim()

    @invariant()
    def the_list_is_what_it_should_be(self) -> None:
        if not hasattr(self, "listed"):
            return
        registry = self.world.registry
        assert registry.call("count") == len(self.listed)
        pages = [registry.call("page", start, 3) for start in (0, 3, 6)]
        providers = [each for page in pages for each in page[0]]
        words = [each for page in pages for each in page[1]]
        assert len(providers) == len(set(providers))
        wanted = {who.lower(): known.word for who, known in self.listed.items()}
        assert dict(zip(providers, words, strict=True)) == wanted
        crowd = self.world.crowd[:7]
        assert list(registry.call("pageOf", crowd)) == [wanted.get(who.lower(), 0) for who in crowd]
        assert self.world.machine.balance(registry.address) == sum(known.stake for known in self.listed.values())


def trade(examples: int, steps: int, derandomize: bool) -> Counter[str]:
    """Run the machine on an EVM of its own; returns how often each kind of step succeeded."""

    class Run(Market):
        world = World(PyEvm())
        done: ClassVar[Counter[str]] = Counter()

    run_state_machine_as_test(
        Run,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=derandomize,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return Run.done


def test_registry_invariants() -> None:
    # So few runs need not reach an exit; the long form counts every kind, and test_registry.py does each by name.
    done = trade(examples=10, steps=40, derandomize=True)
    assert done["register"] >= 5 and done["announce"] >= 1, done


@pytest.mark.full
def test_registry_invariants_at_length() -> None:
    done = trade(examples=200, steps=50, derandomize=False)
    assert all(done[each] >= 20 for each in NEEDED), done
