"""The money invariants of Channels, held by random lives of several channels at once.

Each step is foretold by the model (`model.py`) and then done; afterwards the contract must agree with the model in
every word, and money must add up. At the end of each life every voucher that is still out is handed in and every
channel is withdrawn: nothing may be left, nothing may be stuck. A run in which calls only failed proves nothing, so
successes are counted and each kind must have happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

import pytest
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.contracts.model import Channel
from tests.contracts.pyevm import PyEvm
from tests.contracts.world import DAY, THIEF, Leaf, World, grow

SHAPES = [0, 0, 0, (0, 1), (0, (1, 2)), ((0, 1), (2, 3)), (0, (0, 1)), ((0, 1), (1, 2))]
AMOUNTS = st.one_of(st.integers(1, 5000), st.sampled_from([1, 2, 1023, 1024, 10**18, 2**100]))
TOTALS = st.one_of(st.integers(0, 6000), st.sampled_from([0, 1, 2**100, 2**112, 2**256 - 1]))
CHOICES = st.integers(0, 34)
NEEDED = {"open", "topUp", "extend", "claim", "deep claim", "batch", "close", "requestClose", "withdraw", "skipped"}


class Lives(RuleBasedStateMachine):
    """Channels between three payers and four payees, with a hurried clock."""

    world: ClassVar[World]
    done: ClassVar[Counter[str]]

    @initialize(first=st.sampled_from(SHAPES), second=st.sampled_from(SHAPES))
    def begin(self, first: int | tuple, second: int | tuple) -> None:
        self.known: list[Channel] = []
        self.anchor = self.world.machine.anchored()
        self.anchor.__enter__()
        self.payers, self.payees = self.world.crowd[:3], self.world.crowd[3:7]
        for payer in self.payers:
            self.world.machine.give(payer, 2**120)
        self.before = {each: self.world.machine.balance(each) for each in (*self.payers, *self.payees)}
        self.spent: Counter[str] = Counter()
        for payer, shape in enumerate((0, first, second)):
            self.open(payer, shape, deposit=4000, life=(payer + 2) * DAY)

    def teardown(self) -> None:
        if not hasattr(self, "anchor"):
            return
        try:
            self.finish()
        finally:
            self.anchor.__exit__(None, None, None)

    @precondition(lambda self: len(self.known) < 7)
    @rule(
        payer=st.integers(0, 2),
        shape=st.sampled_from(SHAPES),
        deposit=AMOUNTS,
        life=st.integers(DAY + 1, 9 * DAY),
    )
    def open(self, payer: int, shape: int | tuple, deposit: int, life: int) -> None:
        def planted(part: int | tuple) -> Leaf | tuple:
            if isinstance(part, tuple):
                return (planted(part[0]), planted(part[1]))
            nonlocal number
            number += 1
            return Leaf(self.payees[part], self.world.operator, bytes(keccak(text=f"leaf {number}")))

        number = 0
        root, leaves = grow(planted(shape))
        config = self.world.config(payer=self.payers[payer], root=root)
        channel = Channel(config, leaves, deposit, self.world.machine.now() + life)
        self.world.open(config, deposit, life)
        self.spent[config.payer] += deposit
        self.known.append(channel)
        self.done["open"] += 1

    def pick(self, choice: int, channels: Iterable[Channel] = ()) -> Channel:
        """One of the channels: mostly of those named (or else of the open ones), sometimes of all."""
        ready = list(channels) or [channel for channel in self.known if not channel.ended]
        among = ready if ready and choice % 5 else self.known
        return among[choice % len(among)]

    @rule(choice=CHOICES, amount=st.one_of(st.just(0), AMOUNTS), later=st.integers(-DAY, 3 * DAY), own=st.booleans())
    def top_up(self, choice: int, amount: int, later: int, own: bool) -> None:
        channel = self.pick(choice)
        sender = channel.config.payer if own else self.payers[0]
        expiry = max(0, channel.expiry + later)
        arguments = ("topUp", channel.config, expiry, amount)
        extends = later > 0
        if channel.ended:
            assert self.world.channels.refusal(*arguments, sender=sender, value=amount) == "ended"
        elif extends and sender != channel.config.payer:
            assert self.world.channels.refusal(*arguments, sender=sender, value=amount) == "payer"
        else:
            self.world.channels.send(*arguments, sender=sender, value=amount)
            self.spent[sender] += amount
            channel.deposit += amount
            channel.expiry = max(channel.expiry, expiry)
            self.done["extend" if extends else "topUp"] += 1

    @rule(choice=CHOICES, place=st.integers(0, 3), total=TOTALS, good=st.sampled_from([True, True, True, False]))
    def claim(self, choice: int, place: int, total: int, good: bool) -> None:
        channel = self.pick(choice)
        leaf = channel.leaves[place % len(channel.leaves)]
        record = self.world.record(channel.config, total, leaf, *([] if good else [THIEF]))
        due = channel.due(leaf, total) if good else 0
        assert self.world.claim(record, leaf=leaf) == due
        channel.pay(leaf, due)
        self.done["skipped" if due == 0 else "deep claim" if leaf.proof else "claim"] += 1

    @rule(payee=st.integers(0, 3), wanted=st.lists(st.tuples(st.integers(0, 30), TOTALS, st.booleans()), max_size=8))
    def batch(self, payee: int, wanted: list[tuple[int, int, bool]]) -> None:
        places = [
            (channel, leaf) for channel in self.known for leaf in channel.leaves if leaf.payee == self.payees[payee]
        ]
        if not places:
            return
        records, sum_due = [], 0
        for choice, total, good in wanted:
            channel, leaf = places[choice % len(places)]
            records.append(self.world.record(channel.config, total, leaf, *([] if good else [THIEF])))
            due = channel.due(leaf, total) if good else 0
            channel.pay(leaf, due)
            sum_due += due
        assert self.world.claim(*records, leaf=places[0][1]) == sum_due
        self.done["batch"] += bool(sum_due)

    # A close that succeeds is rare at random (one payee, still open, the right caller, a good signature): biased.
    @rule(
        choice=st.integers(0, 30), total=TOTALS, good=st.sampled_from([True, True, True, False]), own=st.integers(0, 5)
    )
    def close(self, choice: int, total: int, good: bool, own: int) -> None:
        channel = self.pick(choice, (each for each in self.known if not each.ended and len(each.leaves) == 1))
        leaf = channel.leaves[0]
        sender = self.world.operator if own else self.world.stranger
        record = self.world.record(channel.config, total, leaf, *([] if good else [THIEF]))
        arguments = ("close", leaf.payee, record)
        due = channel.due(leaf, total)
        if channel.ended:
            assert self.world.channels.refusal(*arguments, sender=sender) == "ended"
        elif leaf.proof or sender != self.world.operator:
            assert self.world.channels.refusal(*arguments, sender=sender) == "closer"
        elif due and not good:
            assert self.world.channels.refusal(*arguments, sender=sender) == "signature"
        else:
            [(_, told)] = self.world.channels.events(self.world.channels.send(*arguments, sender=sender))
            channel.pay(leaf, due)
            assert (told["paid"], told["refund"]) == (due, channel.end())
            self.done["close"] += 1

    @rule(choice=CHOICES, who=st.sampled_from(["payer", "payer", "payer", "stranger"]))
    def request_close(self, choice: int, who: str) -> None:
        channel = self.pick(choice)
        sender = channel.config.payer if who == "payer" else self.world.stranger
        if who != "payer":
            assert self.world.channels.refusal("requestClose", channel.config, sender=sender) == "payer"
        elif channel.ended:
            assert self.world.channels.refusal("requestClose", channel.config, sender=sender) == "ended"
        else:
            self.world.channels.send("requestClose", channel.config, sender=sender)
            channel.expiry = min(channel.expiry, self.world.machine.now() + channel.config.delay)
            self.done["requestClose"] += 1

    @rule(choice=CHOICES, patient=st.booleans())
    def withdraw(self, choice: int, patient: bool) -> None:
        channel = self.pick(choice)
        if patient and not channel.ended and channel.expiry > self.world.machine.now():
            self.world.machine.travel(channel.expiry)
            self.world.claim()
        send = {"sender": self.world.stranger}
        if channel.ended:
            assert self.world.channels.refusal("withdraw", channel.config, **send) == "ended"
        elif self.world.machine.now() + 1 < channel.expiry:
            assert self.world.channels.refusal("withdraw", channel.config, **send) == "early"
        else:
            [(_, told)] = self.world.channels.events(self.world.channels.send("withdraw", channel.config, **send))
            assert told["refund"] == channel.end()
            self.done["withdraw"] += 1

    @rule(choice=CHOICES)
    def open_again(self, choice: int) -> None:
        channel = self.pick(choice)
        arguments = (channel.config, self.world.machine.now() + 9 * DAY, 1)
        assert self.world.channels.refusal("open", *arguments, sender=channel.config.payer, value=1) == "exists"

    @rule(seconds=st.integers(1, 2 * DAY))
    def wait(self, seconds: int) -> None:
        self.world.machine.travel(self.world.machine.now() + seconds)
        self.world.claim()

    @invariant()
    def the_contract_agrees_with_the_model(self) -> None:
        for channel in getattr(self, "known", []):
            expiry = 1 if channel.ended else channel.expiry
            assert self.world.state(channel.config) == (channel.deposit, channel.claimed, expiry)
            assert channel.claimed <= channel.deposit
            deepest = min(len(leaf.proof) for leaf in channel.leaves)
            for leaf in channel.leaves if deepest else []:
                kept = self.world.channels.call("claimedBy", self.world.id(channel.config), leaf.payee)
                assert kept == channel.paid.get(leaf.payee, 0)

    @invariant()
    def money_adds_up(self) -> None:
        known = getattr(self, "known", [])
        if not known:
            return
        assert self.world.held() == sum(channel.rest for channel in known)
        for channel in known:
            assert channel.claimed + channel.refunded + channel.rest == channel.deposit
        for payee in self.payees:
            got = sum(channel.paid.get(payee, 0) for channel in known)
            assert self.world.machine.balance(payee) == self.before[payee] + got
        for payer in self.payers:
            back = sum(channel.refunded for channel in known if channel.config.payer == payer)
            assert self.world.machine.balance(payer) == self.before[payer] - self.spent[payer] + back

    def finish(self) -> None:
        """Each party alone gets out what is its own."""
        for channel in self.known:
            for leaf in channel.leaves:
                due = channel.due(leaf, 2**256 - 1)
                assert self.world.claim(self.world.record(channel.config, 2**256 - 1, leaf), leaf=leaf) == due
                channel.pay(leaf, due)
            if not channel.ended:
                self.world.machine.travel(max(channel.expiry, self.world.machine.now() + 1))
                self.world.channels.send("withdraw", channel.config, sender=self.world.stranger)
                channel.end()
        self.money_adds_up()
        assert self.world.held() == 0


def live(examples: int, steps: int, derandomize: bool) -> Counter[str]:
    """Run the machine on an EVM of its own; returns how often each kind of step succeeded."""

    class Run(Lives):
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


def test_money_invariants() -> None:
    done = live(examples=15, steps=40, derandomize=True)
    assert done.keys() >= NEEDED, f"never happened: {NEEDED - done.keys()}"


@pytest.mark.full
def test_money_invariants_at_length() -> None:
    done = live(examples=200, steps=40, derandomize=False)
    assert all(done[each] >= 20 for each in NEEDED), done
