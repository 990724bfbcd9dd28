"""The ground of the random lives: the model's books, what is done through them, and what must hold after each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from contracts.machine import Contract, Receipt
from tests.contracts.model import Channel, Paper
from tests.contracts.stateful.cast import ACCEPT, PLENTY, REFUSE, Cast
from tests.contracts.world import ZERO, Leaf

ALL = 2**256 - 1


class Base(RuleBasedStateMachine):
    """Books of money by (token, owner), channels, and moods of the hostile ones."""

    cast: ClassVar[Cast]
    done: ClassVar[Counter[str]]

    def start(self) -> None:
        """An empty world; the machine comes back to it at the end."""
        self.world, self.machine, self.channels = self.cast.world, self.cast.machine, self.cast.world.channels
        self.known: list[Channel] = []
        self.anchor = self.machine.anchored()
        self.anchor.__enter__()
        for who in self.cast.everyone:
            self.machine.give(who, PLENTY)
        self.purse = Counter({(token, who): PLENTY for token in self.cast.tokens for who in self.cast.everyone})
        self.gifts: Counter[str] = Counter()
        self.moods: dict[str, int] = dict.fromkeys(self.cast.actors, ACCEPT)
        self.frozen: set[str] = set()
        self.touched: set[tuple[str, str]] = set()
        self.seen: dict[bytes, dict[str, int]] = {}
        self.pending = 0

    # --- time ---

    @property
    def moment(self) -> int:
        """The timestamp of the next transaction."""
        return max(self.machine.now() + 1, self.pending)

    def travel(self, timestamp: int) -> None:
        """Let the next transaction be then, or at once where that has passed."""
        self.pending = max(timestamp, self.machine.now() + 1)
        self.machine.travel(self.pending)

    @contextmanager
    def branch(self) -> Iterator[None]:
        """What happens inside is forgotten, by the machine and by the clock; the books must be left alone."""
        pending = self.pending
        with self.machine.anchored():
            yield
        self.pending = pending
        if pending > self.machine.now():
            self.machine.travel(pending)

    # --- deeds ---

    def act(self, who: str, name: str, *values: Any, value: int = 0, on: Contract | None = None) -> Receipt:
        """A transaction that must succeed, to the channels unless another contract is named."""
        return self.cast.send(who, on or self.channels, name, *values, value=value)

    def refused(self, reason: str, who: str, name: str, *values: Any, value: int = 0) -> None:
        """A transaction that must fail for that reason."""
        assert self.cast.refusal(who, self.channels, name, *values, value=value) == reason
        self.done[f"refused: {reason or 'by the receiver'}"] += 1

    def told(self, receipt: Receipt, name: str) -> list[dict[str, Any]]:
        """The values of the channels' events of that name."""
        return [values for event, values in self.channels.events(receipt) if event == name]

    def move(self, token: str, who: str, amount: int) -> None:
        """Book what somebody got (or spent, below zero)."""
        self.purse[token, who] += amount
        self.touched.add((token, who))

    def approve(self, who: str, token: str, amount: int) -> None:
        """Let the channels take a token from somebody; nothing to do for native coin."""
        if token != ZERO:
            self.act(who, "approve", self.channels.address, amount, on=self.cast.contract(token))

    def refuses(self, token: str, who: str) -> str | None:
        """With what word money for somebody would fail; None: it comes."""
        if token == ZERO:
            return "" if self.moods.get(who) == REFUSE else None
        return "frozen" if token == self.cast.hostile.address and who in self.frozen else None

    # --- choices ---

    def pick(self, choice: int, channels: Iterable[Channel] = ()) -> Channel:
        """One of the channels: mostly of those named (or else of the open ones), sometimes of all."""
        ready = list(channels) or [channel for channel in self.known if not channel.ended]
        among = ready if ready and choice % 5 != 4 else self.known
        return among[choice % len(among)]

    def paper(self, channel: Channel, leaf: Leaf, total: int, key: Any = None) -> Paper:
        """A voucher, well signed unless another key is named."""
        record = self.world.record(channel.config, total, leaf, key or channel.key)
        return Paper(channel, leaf, record, key is None and (self.cast.has_p256 or not channel.is_p256))

    # --- after each step ---

    @invariant()
    def invariants_1_2_3_7(self) -> None:
        """The contract agrees with the model in every word, and money adds up."""
        if not getattr(self, "known", []):
            return
        self.done["steps"] += 1
        words = self.channels.call("channelsOf", [channel.id for channel in self.known])
        assert list(words) == [channel.word for channel in self.known]
        for token in self.cast.tokens:
            self.invariant_1(token)
        for channel in self.known:
            self.invariant_2(channel)
            self.invariant_7(channel)
        for token, who in self.touched:
            assert self.cast.balance(token, who) == self.purse[token, who]
        self.touched.clear()

    def invariant_1(self, token: str) -> None:
        """The contract holds the rest of every live channel, and what was given to it; nothing else."""
        rest = sum(channel.rest for channel in self.known if channel.config.token == token)
        assert self.cast.balance(token, self.channels.address) == rest + self.gifts[token]

    def invariant_2(self, channel: Channel) -> None:
        """Payouts, refund and rest are all that was ever put in."""
        assert channel.claimed <= channel.deposit
        assert channel.claimed + channel.refunded + channel.rest == channel.deposit

    def invariant_3(self, channel: Channel) -> None:
        """Of several payees each has at most its cap, together they have `claimed`; with one, nothing is kept."""
        ways: dict[str, int] = {}
        for leaf in channel.leaves:
            ways[leaf.payee] = min(ways.get(leaf.payee, 8), len(leaf.proof))
        kept = {payee: self.channels.call("claimedBy", channel.id, payee) for payee in ways}
        if not channel.is_shared:
            assert set(kept.values()) == {0}
            return
        assert sum(kept.values()) == channel.claimed
        before = self.seen.get(channel.id, {})
        for payee, depth in ways.items():
            assert kept[payee] == channel.paid[payee] <= channel.deposit >> depth
            assert kept[payee] >= before.get(payee, 0)
        self.seen[channel.id] = kept

    def invariant_7(self, channel: Channel) -> None:
        """The dead stay dead: what ended has paid and refunded all, for ever."""
        if channel.ended:
            assert channel.word >> 224 == 1 and channel.claimed + channel.refunded == channel.deposit

    def invariant_9(self) -> None:
        """Whoever called back while money moved got nowhere."""
        hostile = [*self.cast.actors.values(), self.cast.hostile]
        assert [each.call("successes") for each in hostile] == [0] * len(hostile)
        self.done["calls back"] += sum(each.call("attempts") for each in hostile)
