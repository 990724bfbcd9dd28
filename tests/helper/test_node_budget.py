"""One budget for all credit: it is never passed, and what is given back can be taken again."""

from __future__ import annotations

import pytest

from tallystick_helper.node.budget import Budget
from tallystick_shared.errors import Code, PeerError

ONE, OTHER = b"\x01" * 32, b"\x02" * 32


def full(budget: Budget, reason: str, channel_id: bytes, amount: int) -> None:
    before = budget.taken
    with pytest.raises(PeerError) as caught:
        budget.take(reason, channel_id, amount)
    assert (caught.value.code, budget.taken) == (Code.UNCONFIRMED, before)


def test_shares_of_all_channels_and_reasons_together() -> None:
    budget = Budget(100)
    budget.take("young", ONE, 40)
    budget.take("alone", ONE, 30)
    budget.take("young", OTHER, 30)
    full(budget, "alone", OTHER, 1)
    assert budget.taken == 100


def test_a_share_is_raised_and_never_falls_by_taking() -> None:
    budget = Budget(100)
    for amount in (40, 60, 20):
        budget.take("young", ONE, amount)
    assert budget.share("young", ONE) == budget.taken == 60
    full(budget, "young", ONE, 101)


def test_what_is_given_back_can_be_taken_again() -> None:
    budget = Budget(100)
    budget.take("young", ONE, 100)
    budget.lower("young", ONE, 30)
    budget.take("young", OTHER, 70)
    budget.lower("young", ONE, 50)
    assert budget.share("young", ONE) == 30
    budget.lower("young", ONE, 0)
    budget.take("alone", ONE, 30)
    budget.clear("young")
    assert budget.taken == 30


def test_nothing_at_all_where_the_limit_is_nothing() -> None:
    full(Budget(0), "young", ONE, 1)
