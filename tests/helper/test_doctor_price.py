"""Prices beside the market's."""

from __future__ import annotations

import pytest

from tallystick_helper.doctor import State
from tallystick_helper.doctor.price import FAR, Range, _one, range_of
from tallystick_helper.doctor.reach import is_local
from tallystick_shared.profile import Offer, Profile, sum_bytes


def offer(model: str, price: int, unit: str = "token") -> Offer:
    return Offer(model, "chat", sum_bytes(1), sum_bytes(price), unit, 16, 64, 2048, bytes(32))


def profile(*offers: Offer) -> Profile:
    return Profile(
        1, ("ws://192.0.2.1",), bytes(32), bytes(20), bytes(20), (bytes(20),), b"", 900, b"", b"", 2, 1, offers
    )


def test_the_same_model_counts_before_others() -> None:
    others = [profile(offer("a", 10)), profile(offer("a", 30), offer("b", 1)), profile(offer("c", 5, "image"))]
    assert range_of(offer("a", 7), others) == Range(2, 10, 20, 30, True)
    assert range_of(offer("x", 7), others) == Range(3, 1, 10, 30, False)
    assert range_of(offer("x", 7, "second"), others) is None


@pytest.mark.parametrize(
    ("price", "state"), [(100, State.OK), (100 * FAR, State.OK), (100 * FAR + 1, State.DOUBT), (24, State.DOUBT)]
)
def test_far_from_the_market_is_worth_a_look(price: int, state: State) -> None:
    mine = offer("a", price)
    assert _one(mine, range_of(mine, [profile(offer("a", 100))]), "ETH").state is state
    assert _one(mine, range_of(mine, [profile(offer("b", 100))]), "ETH").state is State.OK
    assert _one(mine, None, "ETH").values["others"] == 0


def test_one_other_is_one_figure() -> None:
    mine, one, two = offer("a", 6 * 10**18), offer("a", 6 * 10**18), offer("a", 8 * 10**18)

    def says(*others: Offer) -> str:
        return _one(mine, range_of(mine, [profile(*others)]), "ETH").says.split("; ")[1]

    assert says(one) == "one other asks 6 ETH for the same model."
    assert says(offer("b", 10**18)) == "one other asks 1 ETH for another model."
    assert says(one, one) == "others ask 6 ETH for the same model."
    assert says(one, two) == "others ask 6 ETH to 8 ETH for the same model."


LOCAL = ("127.0.0.1", "192.168.1.4", "::1", "fe80::1", "100.64.0.1", "box.local", "localhost")


@pytest.mark.parametrize(
    ("host", "local"), [*((host, True) for host in LOCAL), ("1.1.1.1", False), ("node.example.org", False)]
)
def test_which_addresses_lead_nowhere(host: str, local: bool) -> None:
    assert is_local(host) is local
