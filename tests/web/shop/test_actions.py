"""What can happen to the market's state."""

from __future__ import annotations

import dataclasses

from tallystick_web.reduce import reduce
from tallystick_web.shop import actions as a
from tallystick_web.shop.state import ROWS, Filters, Shop, Sight, Speed, Standing
from tallystick_web.state import State

ONE, OTHER = b"\x01" * 20, b"\x02" * 20
SIGHT = Sight(Standing.READY, 1.0)


def after(*actions: object) -> Shop:
    state = State()
    for action in actions:
        state = reduce(state, action)
    assert dataclasses.replace(state, shop=Shop()) == State(), "nothing else of the state moves"
    return state.shop


def test_every_action_has_a_rule() -> None:
    made = {kind for kind in vars(a).values() if dataclasses.is_dataclass(kind) and kind.__module__ == a.__name__}
    assert made == set(a.RULES)


def test_another_filter_starts_at_the_top_again() -> None:
    assert after(a.MoreRows(), a.MoreRows()).rows == 3 * ROWS
    shop = after(a.MoreRows(), a.Filtered(Filters("x")))
    assert (shop.rows, shop.filters.text) == (ROWS, "x")


def test_who_was_seen_is_no_longer_asked() -> None:
    shop = after(a.Asking(frozenset([ONE, OTHER])), a.Seen(ONE, SIGHT))
    assert (shop.asking, dict(shop.sights)) == (frozenset([OTHER]), {ONE: SIGHT})


def test_speeds_and_the_open_sheet() -> None:
    speed = Speed(1, 2, 3.0, 4.0)
    shop = after(a.SpeedsRead({"x": speed}), a.Looked("x"))
    assert (dict(shop.speeds), shop.shown) == ({"x": speed}, "x")
