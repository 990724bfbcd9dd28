"""Rules that end channels, the clock, and the moods of hostile receivers."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.contracts.model import Channel
from tests.contracts.stateful.base import ALL
from tests.contracts.stateful.cast import ACCEPT, CALL_BACK, REFUSE
from tests.contracts.stateful.claims import Claims
from tests.contracts.stateful.opens import CHOICES, SHAPES, WAYS, Opens
from tests.contracts.world import DAY, NO_SALT, THIEF, ZERO, Leaf

CALLS = st.sampled_from(["open", "topUp", "claim", "claimPacked", "close", "requestClose", "withdraw"])
MOODS = st.sampled_from([CALL_BACK, REFUSE])


class Ends(Claims):
    """Closers, payers and signers who want the end, and anyone who withdraws for the payer."""

    # A close that succeeds is rare at random (one payee, still open, the right caller, a good signature): biased.
    @rule(
        choice=st.integers(0, 30),
        total=st.one_of(st.integers(0, 6000), st.just(ALL)),
        good=st.sampled_from([True, True, True, False]),
        who=st.sampled_from(["closer", "closer", "closer", "payee", "payer", "stranger"]),
    )
    def close(self, choice: int, total: int, good: bool, who: str) -> None:
        alone = [each for each in self.known if not each.ended and not each.is_shared]
        channel = self.pick(choice, [each for each in self.payable() if not each.is_shared] or alone)
        leaf, token = channel.leaves[0], channel.config.token
        people = {"closer": leaf.closer, "payee": leaf.payee, "payer": channel.config.payer}
        sender = people.get(who, self.cast.stranger)
        paper = self.paper(channel, leaf, total) if good else self.paper(channel, leaf, total, THIEF)
        order, due = ("close", leaf.payee, paper.record), channel.due(leaf, total)
        stuck = self.stuck(channel, leaf, due)
        if channel.ended:
            self.refused("ended", sender, *order)
        elif channel.is_shared or sender != leaf.closer:
            self.refused("closer", sender, *order)
        elif due and not paper.good:
            self.refused("signature", sender, *order)
        elif stuck is not None:
            self.refused(stuck, sender, *order)
        else:
            [told] = self.told(self.act(sender, *order), "Closed")
            channel.paid[leaf.payee] += due
            self.end(channel, told, due)
            self.move(token, leaf.payee, due)
            self.done["close by the payee" if sender == leaf.payee else "close"] += 1

    def stuck(self, channel: Channel, leaf: Leaf, due: int) -> str | None:
        """With what word a close that pays `due` would fail, because somebody refuses money."""
        token, rest = channel.config.token, channel.rest - due
        payee = self.refuses(token, leaf.payee) if due else None
        return self.refuses(token, channel.config.payer) if payee is None and rest else payee

    def end(self, channel: Channel, told: dict[str, int], paid: int) -> None:
        """Book the end of a channel, which the event told."""
        refund = channel.end()
        assert (told["paid"], told["refund"]) == (paid, refund)
        self.move(channel.config.token, channel.config.payer, refund)

    @rule(choice=CHOICES, who=st.sampled_from(["payer", "payer", "signer", "signer", "payee", "closer"]))
    def request_close(self, choice: int, who: str) -> None:
        """Invariant 5: the expiry shrinks to now + delay, and only by payer or signer."""
        channel = self.pick(choice)
        leaf, config = channel.leaves[0], channel.config
        who = "payer" if who == "signer" and channel.is_p256 else who  # such a signer is nobody's account
        sender = {"payer": config.payer, "signer": config.signer, "payee": leaf.payee, "closer": leaf.closer}[who]
        if who in ("payee", "closer"):
            self.refused("payer", sender, "requestClose", config)
        elif channel.ended:
            self.refused("ended", sender, "requestClose", config)
        else:
            receipt = self.act(sender, "requestClose", config)
            channel.expiry = min(channel.expiry, self.machine.now() + config.delay)
            assert self.told(receipt, "CloseRequested") == [{"id": channel.id, "expiry": channel.expiry}]
            self.done[f"close requested by the {who}"] += 1

    @rule(choice=CHOICES, shift=st.sampled_from([None, -1, 0, 0, 1]), who=st.sampled_from(["payer", "stranger"]))
    def withdraw(self, choice: int, shift: int | None, who: str) -> None:
        """Invariant 5: not a second before expiry, whoever calls."""
        channel = self.pick(choice)
        sender = channel.config.payer if who == "payer" else self.cast.stranger
        if shift is not None and not channel.ended:
            self.travel(channel.expiry + shift)
        order, stuck = ("withdraw", channel.config), self.refuses(channel.config.token, channel.config.payer)
        if channel.ended:
            self.refused("ended", sender, *order)
        elif self.moment < channel.expiry:
            self.refused("early", sender, *order)
        elif stuck is not None and channel.rest:
            self.refused(stuck, sender, *order)
        else:
            exact = self.moment == channel.expiry
            [told] = self.told(self.act(sender, *order), "Closed")
            self.end(channel, told, 0)
            self.done["withdraw at the first moment" if exact else "withdraw"] += 1

    @rule(seconds=st.integers(1, DAY))
    def wait(self, seconds: int) -> None:
        self.travel(self.machine.now() + seconds)

    @rule(choice=CHOICES, shift=st.sampled_from([-1, 0, 1]))
    def wait_for_a_boundary(self, choice: int, shift: int) -> None:
        """The next step, whatever it is, happens a second before, at, or a second after some expiry."""
        channel = self.pick(choice)
        if not channel.ended:
            self.travel(channel.expiry + shift)

    # --- hostile receivers ---

    @rule(choice=CHOICES, which=st.integers(0, 1), call=CALLS, mood=MOODS)
    def turn(self, choice: int, which: int, call: str, mood: int) -> None:
        """One of the actors, a payer and a payee, calls back when native coin comes, or refuses it, or relents."""
        who = list(self.cast.actors)[which]
        mood = ACCEPT if self.moods[who] == REFUSE else mood
        message = self.messages(self.pick(choice))[call]
        order = (mood, self.channels.address, message)
        self.cast.actors[who].send("behave", *order, sender=self.cast.stranger)
        self.moods[who] = mood

    @rule(choice=CHOICES)
    def arm(self, choice: int) -> None:
        """The hostile token calls back into every function whenever it moves."""
        messages = list(self.messages(self.pick(choice)).values())
        self.cast.hostile.send("behave", self.channels.address, messages, sender=self.cast.stranger)

    @rule(who=st.integers(0, 6))
    def freeze(self, who: int) -> None:
        """The hostile token's issuer freezes a receiver, or relents."""
        address = [*self.cast.payers, *self.cast.payees][who]
        self.frozen ^= {address}
        order = ("freeze", address, address in self.frozen)
        self.cast.hostile.send(*order, sender=self.cast.stranger)

    def messages(self, channel: Channel) -> dict[str, bytes]:
        """A call of every function that writes; what anyone may do of them would succeed if there were no lock."""
        leaf, config, encode = channel.leaves[0], channel.config, self.channels.encode
        record = self.paper(channel, leaf, ALL).record
        opened = (config._replace(salt=NO_SALT), 2**32 - 1, 1)
        rest = (27, NO_SALT, NO_SALT)
        return {
            "open": encode("open", *opened),
            "openPermit": encode("openPermit", *opened, 2**40, *rest),
            "openAuthorized": encode("openAuthorized", *opened, 0, 2**40, *rest),
            "topUp": encode("topUp", config, 0, 0),
            "claim": encode("claim", leaf.payee, leaf.closer, config.token, [record]),
            "claimPacked": encode("claimPacked", leaf.payee, leaf.closer, ZERO, []),
            "close": encode("close", leaf.payee, record),
            "requestClose": encode("requestClose", config),
            "withdraw": encode("withdraw", config),
        }


class Lives(Opens, Ends):
    """Everything at once; at the end of a life each party alone gets out what is its own."""

    @initialize(
        shapes=st.lists(st.sampled_from(SHAPES), min_size=4, max_size=4),
        key=st.integers(0, 2),
        way=WAYS,
        moods=st.tuples(MOODS, MOODS),
        frozen=st.sets(st.integers(0, 6), max_size=2),
    )
    def begin(self, shapes: list[Any], key: int, way: str, moods: tuple[int, int], frozen: set[int]) -> None:
        """Six channels, hostile receivers as they come, and a hostile token that calls back."""
        self.start()
        for number, shape in enumerate((0, 3, *shapes)):
            token, life = (number + number // 3) % 3, (number + 2) * DAY
            self.open(number % 3, shape, token, way, 4000 + number, life, key, 900, number, number)
            if not number:
                self.arm(0)
        for which, mood in enumerate(moods):
            self.turn(which, which, "withdraw", mood)
        for who in frozen:
            self.freeze(who)

    def teardown(self) -> None:
        if not hasattr(self, "anchor"):
            return
        try:
            self.invariant_9()
            for channel in self.known:
                self.invariant_3(channel)
                self.exits(channel)
            self.finish()
        finally:
            self.anchor.__exit__(None, None, None)

    def exits(self, channel: Channel) -> None:
        """Invariant 12: each party alone, from here; a receiver that refuses holds up nobody else."""
        if channel.ended:
            return
        token, config = channel.config.token, channel.config
        asks = [config.payer] if channel.is_p256 else [config.payer, config.signer]
        if self.refuses(token, config.payer) is None:
            for who in asks:
                with self.branch():
                    self.leave(channel, who)
        for leaf in channel.leaves:
            due = channel.due(leaf, ALL)
            paper = self.paper(channel, leaf, ALL)
            if not paper.good or (due and self.refuses(token, leaf.payee) is not None):
                continue
            with self.branch():
                before = self.cast.balance(token, leaf.payee)
                self.act(leaf.closer, "claim", leaf.payee, leaf.closer, token, [paper.record])
                assert self.cast.balance(token, leaf.payee) == before + due
                self.done["exit of a payee"] += 1
            if not channel.is_shared and self.stuck(channel, leaf, due) is None:
                with self.branch():
                    [told] = self.told(self.act(leaf.closer, "close", leaf.payee, paper.record), "Closed")
                    assert (told["paid"], told["refund"]) == (due, channel.rest - due)
                    self.done["exit of a closer"] += 1

    def leave(self, channel: Channel, who: str) -> None:
        """Payer or signer asks for the end, waits, and the rest comes to the payer; nobody else has to do anything."""
        token, payer = channel.config.token, channel.config.payer
        self.act(who, "requestClose", channel.config)
        self.travel(min(channel.expiry, self.machine.now() + channel.config.delay))
        before = self.cast.balance(token, payer)
        self.act(who, "withdraw", channel.config)
        assert self.cast.balance(token, payer) == before + channel.rest
        self.done["exit of a payer"] += 1

    def finish(self) -> None:
        """Once the refusers relent everything gets out, and only gifts are left."""
        for actor in self.cast.actors.values():
            actor.send("behave", ACCEPT, ZERO, b"", sender=self.cast.stranger)
        for who in self.frozen:
            self.cast.hostile.send("freeze", who, False, sender=self.cast.stranger)
        self.moods, self.frozen = dict.fromkeys(self.moods, ACCEPT), set()
        for channel in self.known:
            for leaf in channel.leaves:
                self.hand_in([self.paper(channel, leaf, ALL)], leaf, channel.config.token)
            if not channel.ended:
                self.travel(channel.expiry)
                [told] = self.told(self.act(self.cast.stranger, "withdraw", channel.config), "Closed")
                self.end(channel, told, 0)
        for token in self.cast.tokens:
            assert self.cast.balance(token, self.channels.address) == self.gifts[token]
            for who in self.cast.everyone:
                assert self.cast.balance(token, who) == self.purse[token, who]
