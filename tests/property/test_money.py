"""The ledger under any order of events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from tallystick_shared.money import MILLION, Account, Price

prices = st.builds(Price, st.integers(0, 10**24), st.integers(0, 10**24))
units = st.integers(0, 10**6)


@given(price=prices, inputs=units, outputs=units)
def test_a_price_is_the_least_integer_that_covers(price, inputs, outputs):
    exact = inputs * price.input + outputs * price.output
    amount = price.amount(inputs, outputs)
    assert exact <= amount * MILLION < exact + MILLION


@given(price=prices, inputs=units, pieces=st.lists(st.integers(0, 1000), max_size=20))
def test_a_total_never_costs_more_than_its_pieces(price, inputs, pieces):
    whole = price.amount(inputs, sum(pieces))
    assert whole <= price.amount(inputs, 0) + sum(price.amount(0, piece) for piece in pieces)
    assert all(price.amount(inputs, sum(pieces[:at])) <= whole for at in range(len(pieces)))


@given(price=prices, inputs=units, cap=st.integers(0, 10**30), settled=st.integers(0, 10**30))
def test_what_is_affordable_is_within_the_cap(price, inputs, cap, settled):
    account = Account(cap, cap, min(settled, cap))
    outputs = account.affordable(price, inputs)
    if outputs < 0:
        assert account.owed + price.amount(inputs, 0) > cap
    else:
        assert account.owed + price.amount(inputs, outputs) <= cap


class Ledger(RuleBasedStateMachine):
    """A provider that obeys `allows` and `first_payment`, and vouchers that come late, twice, or in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(cap=10**9, window=10**6)
        self.sent: dict[bytes, tuple[Price, int, int]] = {}
        self.done = 0
        self.count = 0
        self.highest = 0

    requests = Bundle("requests")

    @rule(
        target=requests,
        price=st.builds(Price, st.integers(0, 10**10), st.integers(0, 10**10)),
        inputs=st.integers(0, 200),
    )
    def start(self, price, inputs):
        self.count += 1
        request = self.count.to_bytes(16, "big")
        needed = self.account.first_payment(price, inputs)
        if self.account.affordable(price, inputs) < 1 or needed > 10**9:
            return b""
        if needed:
            self.pay(needed)
        self.account.start(request, price, inputs)
        self.sent[request] = (price, inputs, 0)
        return request

    @rule(request=requests, more=st.integers(1, 300))
    def deliver(self, request, more):
        if request in self.sent:
            price, inputs, outputs = self.sent[request]
            if self.account.allows(request, outputs + more):
                self.account.deliver(request, outputs + more)
                self.sent[request] = (price, inputs, outputs + more)

    @rule(request=consumes(requests))
    def finish(self, request):
        if request in self.sent:
            price, inputs, outputs = self.sent.pop(request)
            amount = self.account.finish(request)
            assert amount == price.amount(inputs, outputs)
            self.done += amount

    @rule(amount=st.integers(0, 10**9))
    def pay(self, amount):
        amount = min(amount, self.account.cap)
        assert self.account.acknowledge(amount) == (amount > self.highest)
        self.highest = max(self.highest, amount)

    @rule()
    def pay_what_is_owed(self):
        self.pay(self.account.owed)

    @invariant()
    def sums_match(self):
        running = sum(price.amount(inputs, outputs) for price, inputs, outputs in self.sent.values())
        assert self.account.owed == self.done + running
        assert self.account.durable == self.highest

    @invariant()
    def credit_and_cap_hold(self):
        assert self.account.credit <= self.account.window
        assert self.account.owed <= self.account.cap


TestLedger = Ledger.TestCase
