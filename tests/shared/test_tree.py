"""tree.py: every payee can prove its place, the caps fit the deposit, and nobody learns of the others."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_shared.channel import MAX_DEPTH, leaf, root_of
from tallystick_shared.crypto import Crypto
from tallystick_shared.tree import WHOLE, Seat, depths, grow
from tests.shared.tools import Seeded


def seats(levels: list[int]) -> list[Seat]:
    """A payee and a closer of its own for each."""
    return [
        Seat((number + 1).to_bytes(20, "big"), (number + 1001).to_bytes(20, "big"), level)
        for number, level in enumerate(levels)
    ]


def given_out(levels: list[int]) -> int:
    """The sum of all caps, in shares of which the deposit has WHOLE."""
    return sum(WHOLE >> level for level in levels)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1], [0]),
        ([1, 1], [1, 1]),
        ([1, 1, 1], [1, 2, 2]),
        ([1] * 4, [2] * 4),
        ([1] * 10, [3] * 6 + [4] * 4),
        ([1] * 16, [4] * 16),
        ([8, 4, 2, 1, 1], [1, 2, 3, 4, 4]),
        ([1] * 256, [8] * 256),
    ],
)
def test_depths_follow_the_weights(weights: list[int], expected: list[int]) -> None:
    assert depths(weights) == expected


@given(st.lists(st.integers(1, 100), min_size=1, max_size=60))
def test_depths_fit_and_are_fair(weights: list[int]) -> None:
    total = sum(weights)
    if min(weights) * WHOLE < total:
        with pytest.raises(ValueError):
            depths(weights)
        return
    found = depths(weights)
    assert given_out(found) <= WHOLE
    assert all(2 * (WHOLE >> depth) * total > WHOLE * weight for depth, weight in zip(found, weights, strict=True))
    for (one, heavy), (other, light) in itertools.permutations(zip(found, weights, strict=True), 2):
        assert not (heavy > light and one > other), "a heavier payee sits deeper"


@pytest.mark.parametrize("weights", [[], [0], [1, -1], [1] * 257, [1, 300]])
def test_weights_that_do_not_do(weights: list[int]) -> None:
    with pytest.raises(ValueError):
        depths(weights)


@given(st.lists(st.integers(1, MAX_DEPTH), min_size=1, max_size=40))
def test_every_leaf_leads_to_the_root_unless_they_do_not_fit(crypto: Crypto, levels: list[int]) -> None:
    """Kraft's inequality decides, and nothing else."""
    wanted = seats(levels)
    if given_out(levels) > WHOLE:
        with pytest.raises(ValueError):
            grow(crypto, wanted)
        return
    root, leaves = grow(crypto, wanted)
    for seat, place in zip(wanted, leaves, strict=True):
        assert len(place.path) == seat.depth
        assert root_of(crypto, leaf(crypto, seat.payee, seat.closer, place.salt), place.path) == root


def test_a_place_is_good_for_its_own_payee_only(crypto: Crypto) -> None:
    one, other = seats([1, 1])
    root, (place, _) = grow(crypto, [one, other])
    for payee, closer in ((other.payee, one.closer), (one.payee, other.closer), (other.payee, other.closer)):
        assert root_of(crypto, leaf(crypto, payee, closer, place.salt), place.path) != root


def test_two_seats_of_one_payee_are_refused(crypto: Crypto) -> None:
    """The contract pays him the larger cap only, and the smaller one would be nobody's."""
    one = seats([1])[0]
    with pytest.raises(ValueError, match="one place"):
        grow(crypto, [one, Seat(one.payee, bytes(20), 2)])


@pytest.mark.parametrize("levels", [[], [0], [MAX_DEPTH + 1], [1, 0]])
def test_depths_out_of_bounds_are_refused(crypto: Crypto, levels: list[int]) -> None:
    with pytest.raises(ValueError, match="1 to 8"):
        grow(crypto, seats(levels))


def test_salts_differ_and_fillers_are_random(crypto: Crypto) -> None:
    """Three of four places: whoever guesses the payees cannot tell from a path who sits where, or that one is empty."""
    wanted = seats([2, 2, 2])
    _, leaves = grow(crypto, wanted)
    assert len({place.salt for place in leaves}) == 3 and bytes(32) not in {place.salt for place in leaves}
    seen = {sibling for place in leaves for sibling in place.path}
    assert not any(leaf(crypto, seat.payee, seat.closer) in seen for seat in wanted)
    again, _ = grow(crypto, wanted)
    assert again != grow(crypto, wanted)[0]


def test_the_same_randomness_gives_the_same_tree(crypto: Crypto) -> None:
    assert grow(Seeded(crypto), seats([1, 2, 3])) == grow(Seeded(crypto), seats([1, 2, 3]))
