"""The amount that is suggested before anybody has typed one."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.flows.opening import FIRSTS, suggested
from tests.web.views.states import CHOICE


def test_it_is_many_times_what_the_first_question_pays() -> None:
    dear = replace(CHOICE, first=7 * 10**15)
    assert suggested(dear) == FIRSTS * dear.first == 7 * 10**16
    assert suggested(replace(dear, minimum=10**18)) == 10**18
