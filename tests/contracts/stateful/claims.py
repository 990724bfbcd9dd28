"""Rules of the payees: claims one by one and in batches, forgeries, and getting paid whatever others do."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.contracts.model import Channel, Paper, packed, unpacked
from tests.contracts.signing import P256Key
from tests.contracts.stateful.base import ALL, Base
from tests.contracts.stateful.opens import CHOICES
from tests.contracts.world import NO_SALT, THIEF, ZERO, Config, Leaf, Record

TOTALS = st.one_of(st.integers(0, 6000), st.sampled_from([0, 1, 2**100, 2**112, ALL]))
FORGERIES = ["key", "chain", "contract", "payee", "id", "higher", "lower", "kind", "point", "short", "long", "none"]
SPOILS = ["salt", "proof", "token", "unknown"]
LENGTHS = ["short", "long"]
"""Faults that the packed form has no room for."""

RECORDS = st.lists(
    st.tuples(st.integers(0, 30), TOTALS, st.sampled_from([""] * 16 + FORGERIES + SPOILS)), min_size=1, max_size=7
)
NOTHING = Record(Config(ZERO, ZERO, NO_SALT, ZERO, 0, NO_SALT), 0, NO_SALT, (), b"")
STRANGE = P256Key("tests: another P-256 key")
DEEDS = st.lists(st.sampled_from(["request", "top up", "others", "withdraw", "spoil", "forge"]), max_size=4)


class Claims(Base):
    """The payees' side, and whoever hands in for them."""

    def hand_in(self, papers: list[Paper], leaf: Leaf, token: str, small: bool = False) -> int:
        """Invariant 4: hand in and see paid what the model says, told in events, to the payee alone."""
        sums = [(paper, self.book(paper, leaf, token)) for paper in papers]
        expected = [(paper.channel.id, leaf.payee.lower(), due) for paper, due in sums if due]
        paid = sum(due for _, due in sums)
        records = [packed(paper.record) if small else paper.record for paper in papers]
        order = ("claimPacked" if small else "claim", leaf.payee, leaf.closer, token, records)
        reason = self.refuses(token, leaf.payee) if paid else None
        if reason is not None:
            for paper, due in sums:
                paper.channel.paid[leaf.payee] -= due
            self.refused(reason, self.cast.stranger, *order)
            return 0
        told = self.told(self.act(self.cast.stranger, *order), "Claimed")
        assert [(values["id"], values["payee"], values["paid"]) for values in told] == expected
        self.move(token, leaf.payee, paid)
        for channel in {paper.channel.id: paper.channel for paper, due in sums if due}.values():
            self.invariant_3(channel)
        return paid

    def book(self, paper: Paper, leaf: Leaf, token: str) -> int:
        """Write a payment into the books; returns it."""
        due = paper.channel.due(paper.leaf, paper.record.cumulative) if paper.is_for(leaf, token) else 0
        paper.channel.paid[leaf.payee] += due
        return due

    @rule(choice=CHOICES, place=st.integers(0, 4), total=TOTALS)
    def claim(self, choice: int, place: int, total: int) -> None:
        channel = self.pick(choice, self.payable())
        leaf = channel.leaves[place % len(channel.leaves)]
        paper = self.paper(channel, leaf, total)
        arguments = (leaf.payee, leaf.closer, channel.config.token, [paper.record])
        due = channel.due(leaf, total) if paper.good else 0
        if self.refuses(channel.config.token, leaf.payee) is None:
            assert self.channels.call("claim", *arguments) == due
        if self.hand_in([paper], leaf, channel.config.token):
            self.done["claim with P-256" if channel.is_p256 else "deep claim" if leaf.proof else "claim"] += 1
        else:
            self.done["claim of nothing"] += 1

    @rule(choice=CHOICES, place=st.integers(0, 4), total=st.integers(1, 6000), forgery=st.sampled_from(FORGERIES))
    def forge(self, choice: int, place: int, total: int, forgery: str) -> None:
        """Invariants 4 and 10: what the session key did not sign for exactly this pays nothing, in no form."""
        channel = self.pick(choice)
        leaf = channel.leaves[place % len(channel.leaves)]
        paper = self.bad(channel, leaf, total, forgery)
        assert self.hand_in([paper], leaf, channel.config.token) == 0
        if not channel.is_shared and forgery not in LENGTHS:
            assert self.hand_in([paper], leaf, channel.config.token, small=True) == 0
        self.done["forgery of the other kind" if forgery in ("kind", "point") else "forgery"] += not channel.ended

    def bad(self, channel: Channel, leaf: Leaf, total: int, fault: str) -> Paper:
        """A record that is wrong in the way named, or right for no name."""
        if not fault:
            return self.paper(channel, leaf, total)
        if fault == "unknown":
            return self.paper(channel, leaf, total, THIEF)._replace(
                record=self.world.record(self.world.config(token=channel.config.token), total, leaf)
            )
        record, other = self.world.record(channel.config, total, leaf, channel.key), self.cast.keys
        sign: dict[str, Any] = {
            "key": lambda: self.signed(channel, leaf, total, STRANGE if channel.is_p256 else THIEF),
            "chain": lambda: self.signed(channel, leaf, total, chainId=self.world.chain_id + 1),
            "contract": lambda: self.signed(channel, leaf, total, verifyingContract=self.world.registry.address),
            "payee": lambda: self.world.sign(channel.config, self.cast.stranger, total, channel.key),
            "id": lambda: self.world.sign(self.world.config(), leaf.payee, total, channel.key),
            "lower": lambda: self.signed(channel, leaf, max(0, total - 1)) if total else b"",
            "kind": lambda: self.signed(channel, leaf, total, other[0] if channel.is_p256 else other[2]),
            "point": lambda: self.signed(channel, leaf, total, other[2])[:64] + STRANGE.public,
            "short": lambda: record.sig[:-1],
            "long": lambda: (record.sig + bytes(63))[:128] if len(record.sig) == 65 else record.sig[:65],
            "none": lambda: b"",
        }
        change: dict[str, Any] = {
            "higher": {"cumulative": (total + 1) % 2**256},
            "salt": {"leaf_salt": b"\7" * 32},
            "proof": {"proof": (*record.proof, NO_SALT)},
            "token": {"config": channel.config._replace(token=self.cast.stranger)},
        }
        if fault in sign:
            record = record._replace(sig=sign[fault]())
        return Paper(channel, leaf, record._replace(**change.get(fault, {})), False)

    def signed(self, channel: Channel, leaf: Leaf, total: int, key: Any = None, **domain: Any) -> bytes:
        return self.world.sign(channel.config, leaf.payee, total, key or channel.key, **domain)

    def gathered(self, payee: int, wanted: list[tuple[int, int, str]], small: bool = False) -> tuple[Any, Leaf, str]:
        """Papers of one payee, good and bad, with the leaf and the token of the call.

        Mostly from channels that this call can pay, sometimes from any of the payee's.
        """
        every = [(each, leaf) for each in self.known for leaf in each.leaves if not (small and each.is_shared)]
        payee_at = [place for place in every if place[1].payee == self.cast.payees[payee]] or every
        able = [place for place in payee_at if self.can_pay(*place, small)] or payee_at
        lead, leaf = able[wanted[0][0] % len(able)]
        token = lead.config.token
        near = [each for each in able if each[1].closer == leaf.closer and each[0].config.token == token]
        papers = []
        for choice, total, fault in wanted:
            among = near if choice % 4 else payee_at
            channel, own = among[choice % len(among)]
            if small:
                total, fault = min(total, 2**112 - 2), "" if fault in SPOILS + LENGTHS else fault
            paper = self.bad(channel, own, total, fault)
            papers.append(paper._replace(good=paper.good and (not small or paper.fits_packed)))
        return papers, leaf, token

    def can_pay(self, channel: Channel, leaf: Leaf, small: bool) -> bool:
        """Whether a good voucher would bring something."""
        paper = Paper(channel, leaf, NOTHING, self.cast.has_p256 or not channel.is_p256)
        able = paper.good and (not small or paper.fits_packed)
        return able and channel.due(leaf, ALL) > 0 and self.refuses(channel.config.token, leaf.payee) is None

    def payable(self, moment: int = 0) -> list[Channel]:
        """Channels that owe somebody, be it one who refuses, and do not expire before that moment."""
        able = [each for each in self.known if self.cast.has_p256 or not each.is_p256]
        ready = [each for each in able if each.expiry >= moment]
        return [each for each in ready if any(each.due(leaf, ALL) for leaf in each.leaves)]

    @rule(payee=st.integers(0, 3), wanted=RECORDS)
    def batch(self, payee: int, wanted: list[tuple[int, int, str]]) -> None:
        """Invariant 8: a batch pays what its singles would, one that reverts counting nothing."""
        papers, leaf, token = self.gathered(payee, wanted)
        with self.branch():
            singles = sum(self.tried("claim", leaf, token, [paper.record]) for paper in papers)
            words = self.words()
        paid = self.hand_in(papers, leaf, token)
        assert (paid, self.words()) == (singles, words)
        self.done["batch"] += bool(paid)
        self.done["batch with bad ones"] += bool(paid) and any(fault for _, _, fault in wanted)

    @rule(payee=st.integers(0, 3), wanted=RECORDS)
    def batch_packed(self, payee: int, wanted: list[tuple[int, int, str]]) -> None:
        """Invariant 8: packed pays what the same records as structs would."""
        papers, leaf, token = self.gathered(payee, wanted, small=True)
        root = Leaf(leaf.payee, leaf.closer).hash
        meant = [unpacked(packed(paper.record), root, token) for paper in papers]
        with self.branch():
            structs = self.tried("claim", leaf, token, meant)
            words = self.words()
        paid = self.hand_in(papers, leaf, token, small=True)
        assert (paid, self.words()) == (structs, words)
        self.done["packed"] += bool(paid)

    def tried(self, name: str, leaf: Leaf, token: str, records: list[Any]) -> int:
        """What a claim pays; 0 if it reverts."""
        data = self.channels.encode(name, leaf.payee, leaf.closer, token, records)
        # Not the sender of the real one: anvil can lose a transaction that equals one of a branch just left.
        receipt = self.machine.transact(self.cast.operator, self.channels.address, data)
        return sum(values["paid"] for values in self.told(receipt, "Claimed")) if receipt.ok else 0

    def words(self) -> tuple[int, ...]:
        return tuple(self.channels.call("channelsOf", [channel.id for channel in self.known]))

    @rule(choice=CHOICES, place=st.integers(0, 4), total=TOTALS, deeds=DEEDS, last=st.booleans())
    def struggle(self, choice: int, place: int, total: int, deeds: list[str], last: bool) -> None:
        """Invariant 6: a voucher handed in before expiry is paid up to its cap, whatever others did first."""
        channel = self.pick(choice, self.payable(self.moment + 100))
        leaf = channel.leaves[place % len(channel.leaves)]
        paper = self.paper(channel, leaf, total)
        unable = not paper.good or self.refuses(channel.config.token, leaf.payee) is not None
        if channel.ended or unable or channel.expiry < self.moment + 100:
            return
        for deed in deeds:
            self.hinder(deed, channel, leaf, paper)
        if last:
            self.travel(channel.expiry - 1)
        assert self.moment < channel.expiry
        owed = max(0, min(total, channel.deposit >> len(leaf.proof)) - channel.paid[leaf.payee])
        assert self.hand_in([paper], leaf, channel.config.token) == owed
        self.done["paid whatever others did"] += bool(owed and deeds)

    def hinder(self, deed: str, channel: Channel, leaf: Leaf, paper: Paper) -> None:
        """What anyone but the payee's own closer may do."""
        token = channel.config.token
        if deed == "request":
            self.act(channel.config.payer, "requestClose", channel.config)
            channel.expiry = min(channel.expiry, self.machine.now() + channel.config.delay)
        elif deed == "top up":
            self.approve(self.cast.stranger, token, 1)
            self.act(self.cast.stranger, "topUp", channel.config, 0, 1, value=int(token == ZERO))
            self.move(token, self.cast.stranger, -1)
            channel.deposit += 1
        elif deed == "others":
            for other in channel.leaves:
                if other.payee != leaf.payee and self.refuses(token, other.payee) is None:
                    self.hand_in([self.paper(channel, other, ALL)], other, token)
        elif deed == "withdraw":
            self.refused("early", self.cast.stranger, "withdraw", channel.config)
        else:
            wrong = [self.bad(channel, leaf, 5000, fault) for fault in FORGERIES[:3]]
            self.hand_in([*wrong, paper] if deed == "spoil" else wrong, leaf, token)
