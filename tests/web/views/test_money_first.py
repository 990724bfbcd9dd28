"""The parts of the money bar add up to the deposit, also where the first payment is more than what was used."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.flows.opening import FIRSTS, suggested
from tests.web.views.states import CHOICE, DEPOSIT


def test_what_was_paid_ahead_is_in_no_other_part() -> None:
    for owed in (0, 1, 700, 5000):
        held = replace(DEPOSIT, owed=owed, first=1000)
        assert held.due + held.rest == held.amount


def test_a_suggested_amount_is_many_times_what_the_first_question_pays() -> None:
    dear = replace(CHOICE, first=7 * 10**15)
    assert suggested(dear) >= FIRSTS * dear.first
    assert suggested(CHOICE) >= CHOICE.minimum
