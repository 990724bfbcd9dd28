"""Rules that put money in: opening in every way and in vain, topping up, gifts."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from contracts.machine import Receipt
from tests.contracts.model import Channel
from tests.contracts.signing import authorization, permit
from tests.contracts.stateful.base import Base
from tests.contracts.world import DAY, MAX, NO_SALT, THIEF, ZERO, Config, Leaf, Tree, grow

SHAPES: list[Any] = [0, 1, 2, 3, 0, 3, (0, 1), (0, (1, 3)), ((0, 1), (2, 3)), (0, (0, 1)), ((0, 1), (1, (2, 0)))]
"""Trees of depth 0 to 3 by the payees' numbers; in some a payee stands at several depths."""

AMOUNTS = st.one_of(st.integers(1, 5000), st.sampled_from([1, 2, 1023, 1024, 10**18, 2**100]))
CHOICES = st.integers(0, 34)
LATER = st.one_of(st.sampled_from([0, -1, 1]), st.integers(-DAY, 3 * DAY))
DELAYS = st.sampled_from([900, 3600, DAY])
WAYS = st.sampled_from(["approved", "permit", "used permit", "authorized"])
FAULTS = ["signer", "short delay", "long delay", "early", "late", "nothing", "too much", "value", "payer", "fee"]


class Opens(Base):
    """The payers' side, and strangers who give."""

    @precondition(lambda self: len(self.known) < 9)
    @rule(
        payer=st.integers(0, 2),
        shape=st.sampled_from(SHAPES),
        token=st.integers(0, 2),
        way=WAYS,
        deposit=AMOUNTS,
        life=st.integers(DAY + 9, 9 * DAY),
        key=st.integers(0, 2),
        delay=DELAYS,
        closer=st.integers(0, 3),
        salted=st.integers(0, 3),
    )
    def open(
        self, payer: int, shape: Any, token: int, way: str, deposit: int, life: int, key: int, delay: int,
        closer: int, salted: int,
    ) -> None:  # fmt: skip
        """A channel; its payees are their own closers where `closer` is 0; a leaf alone has a salt if `salted` is 0."""

        def planted(part: Any) -> Tree:
            if isinstance(part, tuple):
                return (planted(part[0]), planted(part[1]))
            nonlocal number
            number += 1
            payee = self.cast.payees[part]
            salt = NO_SALT if salted and part is shape else bytes(keccak(text=f"leaf {number}"))
            return Leaf(payee, payee if closer == 0 else self.cast.operator, salt)

        number = 0
        root, leaves = grow(planted(shape))
        who, money, signer = self.cast.payers[payer], self.cast.tokens[token], self.cast.keys[key]
        config = self.world.config(payer=who, signer=signer.address, root=root, token=money, delay=delay)
        channel = Channel(config, leaves, deposit, self.moment + life, self.world.id(config), signer)
        way = self.possible(who, money, way)
        [opened] = self.told(self.deposit(channel, way), "Opened")
        assert (opened["id"], opened["deposit"], opened["expiry"]) == (channel.id, deposit, channel.expiry)
        self.move(money, who, -deposit)
        self.known.append(channel)
        self.done[f"open {way}"] += 1
        self.done["open for P-256"] += channel.is_p256

    def possible(self, payer: str, token: str, way: str) -> str:
        """The way that this payer has with this token: Coin wants its key, and an actor has none; the other calls back
        also when its permit is used by itself, where no lock can be."""
        if token == ZERO:
            return "native"
        if token == self.cast.coin.address:
            return "approved" if payer in self.cast.actors else way
        return "permit" if way == "used permit" else way

    def deposit(self, channel: Channel, way: str) -> Receipt:
        """Open it, in one of the ways."""
        config, token = channel.config, self.cast.contract(channel.config.token)
        arguments = (config, channel.expiry, channel.deposit)
        key = self.cast.wallets.get(config.payer)
        if way == "native":
            return self.act(config.payer, "open", *arguments, value=channel.deposit)
        if way == "approved":
            self.approve(config.payer, config.token, channel.deposit)
            return self.act(config.payer, "open", *arguments)
        if way == "authorized":
            signed = self.authorized(config, channel.expiry, channel.deposit)
            return self.act(self.cast.stranger, "openAuthorized", *arguments, *signed)
        deadline, signature = 2**40, (27, NO_SALT, NO_SALT)
        if token is self.cast.coin:
            signature = permit(token, key, self.channels.address, channel.deposit, deadline)
        if way == "used permit":
            order = (config.payer, self.channels.address, channel.deposit, deadline, *signature)
            self.act(self.cast.stranger, "permit", *order, on=token)
        return self.act(config.payer, "openPermit", *arguments, deadline, *signature)

    def authorized(self, config: Config, expiry: int, amount: int) -> tuple[int, int, int, bytes, bytes]:
        """An authorisation for exactly this channel and expiry."""
        if config.token != self.cast.coin.address:
            return 0, 2**64, 27, NO_SALT, NO_SALT
        nonce = bytes(keccak(encode(["bytes32", "uint256"], [self.world.id(config), expiry])))
        return authorization(self.cast.coin, self.cast.wallets[config.payer], self.channels.address, amount, nonce)

    @rule(choice=CHOICES, way=st.sampled_from(["open", "openPermit", "openAuthorized"]))
    def open_again(self, choice: int, way: str) -> None:
        """Invariant 7: an id opens once, ended or not."""
        config = self.pick(choice).config
        arguments: list[Any] = [config, self.moment + 40 * DAY, 1]
        arguments += {"open": [], "openPermit": [2**40], "openAuthorized": [0, 2**40]}[way]
        if way != "open":
            arguments += [27, NO_SALT, NO_SALT]
        value = int(way == "open" and config.token == ZERO)
        self.refused("exists", config.payer, way, *arguments, value=value)

    @rule(fault=st.sampled_from(FAULTS), payer=st.integers(0, 1), token=st.integers(0, 2))
    def open_badly(self, fault: str, payer: int, token: int) -> None:
        """Invariants 9 and 12: no channel that could not be left, none in a token that takes a fee."""
        who, money = self.cast.payers[payer], self.cast.tokens[2 if fault == "fee" else token]
        config = self.world.config(payer=who, token=money, delay=900)
        soonest, amount, reason = self.moment + 901, 5, fault
        changes: dict[str, dict[str, Any]] = {
            "signer": {"signer": ZERO},
            "short delay": {"delay": 899},
            "long delay": {"delay": 30 * DAY + 1},
        }
        config = config._replace(**changes.get(fault, {}))
        if fault in changes:
            soonest, reason = soonest + 60 * DAY, fault.split()[-1]
        elif fault in ("early", "late"):
            soonest, reason = self.moment + 890 if fault == "early" else 2**32, "expiry"
        elif fault in ("nothing", "too much", "value", "fee"):
            amount, reason = {"nothing": 0, "too much": MAX + 1}.get(fault, 5), "amount"
        self.try_in_vain(fault, reason, config, soonest, amount)

    def try_in_vain(self, fault: str, reason: str, config: Config, expiry: int, amount: int) -> None:
        """Open with a fault; a fee is taken only while this lasts."""
        sender = self.cast.stranger if fault == "payer" else config.payer
        value = (amount if config.token == ZERO else 0) + (fault == "value")
        if fault != "fee":
            self.refused(reason, sender, "open", config, expiry, min(amount, 2**200), value=min(value, MAX + 1))
            return
        with self.branch():
            self.act(self.cast.stranger, "charge", 1, on=self.cast.hostile)
            self.approve(config.payer, config.token, amount)
            self.refused(reason, sender, "open", config, expiry + 9, amount)
            signed = self.authorized(config, expiry + 9, amount)
            self.refused(reason, sender, "openAuthorized", config, expiry + 9, amount, *signed)

    @rule(payer=st.integers(0, 1), fault=st.sampled_from(["expiry", "amount", "salt", "key"]))
    def open_by_a_stolen_authorisation(self, payer: int, fault: str) -> None:
        """An authorisation opens the very channel that the payer signed for, and nothing else."""
        config = self.world.config(payer=self.cast.payers[payer], token=self.cast.coin.address)
        expiry = self.moment + 2 * DAY
        signed = self.authorized(config, expiry, 5)
        if fault == "salt":
            config = config._replace(salt=keccak(config.salt))
        if fault == "key":
            nonce = bytes(keccak(encode(["bytes32", "uint256"], [self.world.id(config), expiry])))
            signed = authorization(self.cast.coin, THIEF, self.channels.address, 5, nonce)
        arguments = (config, expiry + (fault == "expiry"), 5 + (fault == "amount"), *signed)
        self.refused("signature", self.cast.stranger, "openAuthorized", *arguments)

    @rule(choice=CHOICES, amount=st.one_of(st.just(0), AMOUNTS), later=LATER, own=st.booleans())
    def top_up(self, choice: int, amount: int, later: int, own: bool) -> None:
        channel = self.pick(choice)
        sender = channel.config.payer if own else self.cast.stranger
        token, expiry = channel.config.token, max(0, channel.expiry + later)
        self.approve(sender, token, amount)
        arguments, value = ("topUp", channel.config, expiry, amount), amount if token == ZERO else 0
        if channel.ended:
            self.refused("ended", sender, *arguments, value=value)
        elif later > 0 and not own:
            self.refused("payer", sender, *arguments, value=value)
        else:
            self.act(sender, *arguments, value=value)
            self.move(token, sender, -amount)
            channel.deposit += amount
            channel.expiry = max(channel.expiry, expiry)
            self.done["extend" if later > 0 else "top up by the payer" if own else "top up by a stranger"] += 1

    @rule(token=st.integers(0, 2), amount=st.integers(1, 10**6))
    def give(self, token: int, amount: int) -> None:
        """Money past `open` and `topUp`: forced ether, or tokens that simply appear. It belongs to no channel."""
        money, here = self.cast.tokens[token], self.channels.address
        if money == ZERO:
            self.machine.give(here, self.machine.balance(here) + amount)
        else:
            self.act(self.cast.stranger, "mint", here, amount, on=self.cast.contract(money))
        self.gifts[money] += amount
        self.done["gift"] += 1
