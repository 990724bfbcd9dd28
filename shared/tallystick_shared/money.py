"""The ledger of one channel and payee, as pure arithmetic over integers of the token's smallest unit.

    owed     = what finished requests cost + what running ones cost so far   (input accepted, output sent or received)
    durable  = the highest voucher that the provider has on disk
    credit   = owed − durable, never above the window W while anything is served

Both sides keep the same ledger: the provider counts what it sent, the client what it received, and each stops
where the other would cost
it more than it allowed. A price is per 1,000,000 units; a request costs the ceiling of its totals, never the sum
of its pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Prices of input and output, in the token's smallest unit per 1,000,000 units."""

    input: int
    output: int

    def amount(self, input_units: int, output_units: int) -> int:
        """ceil((in × price in + out × price out) / 1,000,000)."""
        return -(-(input_units * self.input + output_units * self.output) // MILLION)


@dataclass
class Running:
    """A request under way."""

    price: Price
    input_units: int = 0
    output_units: int = 0

    @property
    def amount(self) -> int:
        return self.price.amount(self.input_units, self.output_units)

    def with_output(self, units: int) -> int:
        """What it will cost once its output totals `units`."""
        return self.price.amount(self.input_units, units)


@dataclass
class Account:
    """One channel's account with one payee. `cap` is the most the payee can ever be paid from it; `first` is what the
    first voucher must come to at least, credited against use; `stored` what of `owed` is on the provider's disk (None
    on the client's side, which keeps its own).
    """

    cap: int
    window: int
    settled: int = 0
    durable: int = 0
    running: dict[bytes, Running] = field(default_factory=dict)
    first: int = 0
    stored: int | None = None

    @property
    def owed(self) -> int:
        """Everything that is due so far; it never falls."""
        return self.settled + sum(request.amount for request in self.running.values())

    @property
    def credit(self) -> int:
        """What is owed beyond the highest durable voucher (below zero where the client paid ahead)."""
        return self.owed - self.durable

    @property
    def due(self) -> int:
        """What the payee gets in the end: what is owed; of a channel that was served at all, at least the first-voucher
        minimum as far as it was promised.
        """
        return least_due(self.owed, min(self.first, self.durable))

    def start(self, request_id: bytes, price: Price, input_units: int) -> None:
        """A request's input was accepted. Raises ValueError if it is running already."""
        if request_id in self.running:
            raise ValueError("this request is running already")
        self.running[request_id] = Running(price, input_units)

    def deliver(self, request_id: bytes, output_units: int) -> None:
        """The request's output now totals `output_units`. Raises ValueError where that would take some back."""
        request = self.running[request_id]
        if output_units < request.output_units:
            raise ValueError("delivered units cannot fall")
        request.output_units = output_units

    def finish(self, request_id: bytes) -> int:
        """Ends a request and returns its cost, which stays owed."""
        amount = self.running.pop(request_id).amount
        self.settled += amount
        return amount

    def owed_with(self, request_id: bytes, output_units: int) -> int:
        """What would be owed if the request's output totalled `output_units`."""
        request = self.running[request_id]
        return self.owed - request.amount + request.with_output(output_units)

    def allows(self, request_id: bytes, output_units: int, after: int | None = None) -> bool:
        """May the provider send so much? Within the window beyond what is durable, and within the cap; and no further
        beyond what is stored either, which a crash would take. `after`: units that are about to leave before.
        """
        owed = self.owed_with(request_id, output_units)
        before = self.owed if after is None else self.owed_with(request_id, after)
        return owed <= self.cap and owed - self.durable <= self.window and self._survives(before, owed)

    def _survives(self, before: int, owed: int) -> bool:
        """Would a crash lose no more than the window? One piece that is dearer may go once all before it is stored."""
        return self.stored is None or owed - self.stored <= self.window or before <= self.stored

    @property
    def unstored(self) -> bool:
        """Is so much not on disk that it should be brought there?"""
        return self.stored is not None and self.owed > self.stored and 2 * (self.owed - self.stored) > self.window

    def store(self, owed: int) -> None:
        """So much of what is owed is on disk."""
        if self.stored is not None:
            self.stored = max(self.stored, owed)

    def first_payment(self, price: Price, input_units: int) -> int:
        """The total that must be durable before this input is worked on: 0 where the window covers it. An output unit
        that is dearer than the window is paid before it is made, so the first one counts here. The first voucher of
        all comes to the minimum, unless nothing is charged.
        """
        dear = price.amount(0, 1) > self.window
        total = self.owed + price.amount(input_units, 1 if dear else 0)
        needed = total if total - self.durable > self.window else 0
        first = min(self.first, self.cap) if price.input or price.output else 0
        return max(needed, first) if self.durable < first else needed

    def affordable(self, price: Price, input_units: int) -> int:
        """How many output units the rest of the cap pays for, after this input; −1 where not even that."""
        rest = self.cap - self.owed - price.amount(input_units, 0)
        if rest < 0:
            return -1
        return rest * MILLION // price.output if price.output else 2**31

    def acknowledge(self, amount: int) -> bool:
        """A voucher became durable. False where it is not above the highest."""
        if amount <= self.durable:
            return False
        self.durable = amount
        return True


def least_due(owed: int, first: int) -> int:
    """What is owed, but no less than the first-voucher minimum once anything is."""
    return max(owed, first) if owed else 0


def lower_bound_units(input_bytes: int, bytes_per_unit: int) -> int:
    """The fewest units that an input of so many bytes can be, by the ratio that the offer states."""
    return input_bytes // bytes_per_unit if bytes_per_unit else 0


def plausible_input(units: int, input_bytes: int, template_units: int) -> bool:
    """An input unit is at least a byte, apart from what the model's own template adds."""
    return units <= input_bytes + template_units


def plausible_output(units: int, output_bytes: int) -> bool:
    """For text, a unit is at least a byte, but for a few that carry none (end marks, held-back parts of
    characters).
    """
    return units <= output_bytes + 16
