"""What the contracts should do, told in plain Python: an oracle for the stateful tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.contracts.world import Config, Leaf


@dataclass
class Channel:
    """One channel as it should be. `paid` is by payee, `vouchers` the highest signed total by leaf."""

    config: Config
    leaves: list[Leaf]
    deposit: int
    expiry: int
    paid: dict[str, int] = field(default_factory=dict)
    refunded: int = 0
    ended: bool = False

    @property
    def claimed(self) -> int:
        return sum(self.paid.values())

    @property
    def rest(self) -> int:
        """What the contract still holds for this channel."""
        return 0 if self.ended else self.deposit - self.claimed

    def due(self, leaf: Leaf, total: int) -> int:
        """What a well-signed voucher over `total` would bring its payee now."""
        if self.ended:
            return 0
        cap = self.deposit >> len(leaf.proof)
        return max(0, min(total, cap) - self.paid.get(leaf.payee, 0))

    def pay(self, leaf: Leaf, amount: int) -> None:
        self.paid[leaf.payee] = self.paid.get(leaf.payee, 0) + amount

    def end(self) -> int:
        """End it; returns the refund."""
        self.refunded = self.rest
        self.ended = True
        return self.refunded
