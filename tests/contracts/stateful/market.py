"""Random comings and goings in the Registry: invariants 11 and 12."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

from eth_utils.crypto import keccak
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.machine import Contract, Receipt
from tests.contracts.stateful.cast import ACCEPT, CALL_BACK, REFUSE
from tests.contracts.world import DAY, ETHER, ZERO, World

STAKE = ETHER // 1000
WEEK = 7 * DAY
WHO = st.integers(0, 6)
PROFILES = st.one_of(st.binary(max_size=40), st.just(b"x" * 290), st.just(b"x" * 1000))


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
    """Seven providers that come and go; the last is a contract that calls back, or refuses its stake."""

    world: ClassVar[World]
    actor: ClassVar[Contract]
    done: ClassVar[Counter[str]]

    @initialize(asked=st.sets(WHO, max_size=4))
    def begin(self, asked: set[int]) -> None:
        self.listed: dict[str, Provider] = {}
        self.mood, self.gifts = ACCEPT, 0
        self.anchor = self.world.machine.anchored()
        self.anchor.__enter__()
        self.crowd = [*self.world.crowd[:6], self.actor.address]
        for number in (0, 1, 2, 6):
            self.register(number, profile=b"first", stake=STAKE)
        for number in asked:
            self.request_exit(number)

    def act(self, who: str, name: str, *values: Any, value: int = 0) -> Receipt:
        if who != self.actor.address:
            return self.world.registry.send(name, *values, sender=who, value=value)
        data = self.world.registry.encode(name, *values)
        order = ("execute", self.world.registry.address, data, value)
        return self.actor.send(*order, sender=self.world.stranger, value=value)

    def try_to(self, reason: str | None, name: str, *values: object, who: str, value: int = 0) -> Receipt | None:
        """Do it, or see it refused for that reason; None: it works."""
        if reason is None:
            self.done[name] += 1
            return self.act(who, name, *values, value=value)
        self.done[f"refused: {reason or 'by the receiver'}"] += 1
        if who != self.actor.address:
            assert self.world.registry.refusal(name, *values, sender=who, value=value) == reason
        else:
            data = self.world.registry.encode(name, *values)
            order = ("execute", self.world.registry.address, data, value)
            assert self.actor.refusal(*order, sender=self.world.stranger, value=value) == reason
        return None

    @rule(number=WHO, profile=PROFILES, stake=st.integers(STAKE - 1, 3 * STAKE))
    def register(self, number: int, profile: bytes, stake: int) -> None:
        who = self.crowd[number]
        reason = "registered" if who in self.listed else "stake" if stake < STAKE else None
        receipt = self.try_to(reason, "register", profile, who=who, value=stake)
        if receipt:
            self.listed[who] = Provider(stake, profile, receipt.block)

    @rule(number=WHO, profile=PROFILES)
    def announce(self, number: int, profile: bytes) -> None:
        who = self.crowd[number]
        known = self.listed.get(who)
        receipt = self.try_to(None if known else "unregistered", "announce", profile, who=who)
        if receipt and known:
            [(_, told)] = self.world.registry.events(receipt)
            assert (told["previousBlock"], told["profile"]) == (known.block, profile)
            known.profile, known.block = profile, receipt.block

    @rule(number=WHO, amount=st.integers(0, 2 * STAKE))
    def add_stake(self, number: int, amount: int) -> None:
        who = self.crowd[number]
        known = self.listed.get(who)
        if self.try_to(None if known else "unregistered", "addStake", who=who, value=amount) and known:
            known.stake += amount

    @rule(number=WHO)
    def request_exit(self, number: int) -> None:
        who = self.crowd[number]
        known = self.listed.get(who)
        reason = "unregistered" if not known else "requested" if known.unlock else None
        if self.try_to(reason, "requestExit", who=who) and known:
            known.unlock = self.world.machine.now() + WEEK

    # An exit that succeeds is rare at random (asked for, and seven days later): biased.
    @rule(number=WHO, shift=st.sampled_from([None, -1, 0, 0, 1]))
    def exit(self, number: int, shift: int | None) -> None:
        asked = [who for who, known in self.listed.items() if known.unlock]
        who = asked[number % len(asked)] if shift is not None and asked else self.crowd[number]
        known, moment = self.listed.get(who), self.world.machine.now() + 1
        if shift is not None and asked and self.listed[who].unlock + shift > moment:
            moment = self.listed[who].unlock + shift
            self.world.machine.travel(moment)
        ready = known and known.unlock and moment >= known.unlock
        reason = None if ready else "early" if known else "unregistered"
        if ready and who == self.actor.address and self.mood == REFUSE:
            reason = ""
        before = self.world.machine.balance(who)
        everyone = self.world.registry.call("page", 0, 1000)[0]
        if self.try_to(reason, "exit", who=who) and known:
            assert self.world.machine.balance(who) == before + known.stake
            self.done["exit at the first moment"] += moment == known.unlock
            self.done["swap"] += everyone[-1] != who.lower()
            del self.listed[who]

    @rule(days=st.integers(1, 8))
    def wait(self, days: int) -> None:
        self.world.machine.travel(self.world.machine.now() + days * DAY)
        self.act(self.world.stranger, "count")

    @rule(amount=st.integers(1, ETHER))
    def give(self, amount: int) -> None:
        """Forced ether: nobody's."""
        registry, machine = self.world.registry.address, self.world.machine
        machine.give(registry, machine.balance(registry) + amount)
        self.gifts += amount

    @rule(mood=st.sampled_from([ACCEPT, REFUSE, CALL_BACK]), call=st.sampled_from(["exit", "register", "addStake"]))
    def turn(self, mood: int, call: str) -> None:
        """The actor calls back while its stake comes, or refuses it."""
        message = self.world.registry.encode(call, *([b"again"] if call == "register" else []))
        self.actor.send("behave", mood, self.world.registry.address, message, sender=self.world.stranger)
        self.mood = mood

    @invariant()
    def invariant_11(self) -> None:
        """Hash, block and stake of every word; no duplicates; count; the union of pages is the list; stake is kept."""
        if not hasattr(self, "listed"):
            return
        self.done["steps"] += 1
        registry = self.world.registry
        assert registry.call("count") == len(self.listed)
        pages = [registry.call("page", start, 3) for start in (0, 3, 6)]
        providers = [each for page in pages for each in page[0]]
        words = [each for page in pages for each in page[1]]
        assert len(providers) == len(set(providers))
        wanted = {who.lower(): known.word for who, known in self.listed.items()}
        assert dict(zip(providers, words, strict=True)) == wanted
        assert list(registry.call("pageOf", self.crowd)) == [wanted.get(who.lower(), 0) for who in self.crowd]
        kept = sum(known.stake for known in self.listed.values())
        assert self.world.machine.balance(registry.address) == kept + self.gifts

    def teardown(self) -> None:
        """Invariant 12: each provider alone gets its whole stake out, and nobody got it twice."""
        if not hasattr(self, "anchor"):
            return
        try:
            assert self.actor.call("successes") == 0
            self.actor.send("behave", ACCEPT, ZERO, b"", sender=self.world.stranger)
            for who, known in self.listed.items():
                with self.world.machine.anchored():
                    if not known.unlock:
                        self.act(who, "requestExit")
                    unlock = known.unlock or self.world.machine.now() + WEEK
                    self.world.machine.travel(max(unlock, self.world.machine.now() + 1))
                    before = self.world.machine.balance(who)
                    self.act(who, "exit")
                    assert self.world.machine.balance(who) == before + known.stake
                    self.done["exit alone"] += 1
        finally:
            self.anchor.__exit__(None, None, None)
