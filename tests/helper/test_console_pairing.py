"""Secrets that are good once and for a minute, and the bearers that they become."""

from __future__ import annotations

import base64

import pytest

from tallystick_helper.console.pairing import BEARER_LIFE, MOST_BEARERS, MOST_SECRETS, SECRET_LIFE, Pairing
from tallystick_shared.errors import Code

from ..shared.tools import refused


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pairing(clock: Clock) -> Pairing:
    return Pairing(clock)


def size_of(text: str) -> int:
    return len(base64.urlsafe_b64decode(text + "=="))


def test_a_secret_of_128_bits_becomes_a_bearer_of_256_once(pairing: Pairing) -> None:
    secret = pairing.offer()
    assert size_of(secret) == 16
    bearer = pairing.redeem(secret)
    assert size_of(bearer) == 32
    assert pairing.session(f"Bearer {bearer}").owners == {}
    with refused(Code.PAIRING_OVER):
        pairing.redeem(secret)
    assert pairing.session(f"bearer {bearer}")  # whoever tries it again takes nothing away


def test_a_secret_is_good_for_a_minute(pairing: Pairing, clock: Clock) -> None:
    secret = pairing.offer()
    clock.now += SECRET_LIFE
    with refused(Code.PAIRING_OVER):
        pairing.redeem(secret)


def test_a_wrong_secret_takes_no_right_one_away(pairing: Pairing) -> None:
    secret = pairing.offer()
    for wrong in ("", secret[:-1], secret + "x", secret.swapcase(), "ö"):
        with refused(Code.PAIRING_OVER):
            pairing.redeem(wrong)
    assert pairing.redeem(secret)


def test_a_bearer_ends(pairing: Pairing, clock: Clock) -> None:
    bearer = pairing.redeem(pairing.offer())
    for given in (None, "", "Bearer", bearer, f"Basic {bearer}", f"Bearer {bearer}x", "Bearer ö"):
        with refused(Code.NOT_PAIRED):
            pairing.session(given)
    clock.now += BEARER_LIFE
    with refused(Code.NOT_PAIRED):
        pairing.session(f"Bearer {bearer}")


def test_whoever_leaves_is_out(pairing: Pairing) -> None:
    bearer, other = (pairing.redeem(pairing.offer()) for _ in range(2))
    pairing.leave(pairing.session(f"Bearer {bearer}"))
    with refused(Code.NOT_PAIRED):
        pairing.session(f"Bearer {bearer}")
    assert pairing.session(f"Bearer {other}")


def test_there_are_never_many_of_either(pairing: Pairing) -> None:
    secrets = [pairing.offer() for _ in range(MOST_SECRETS + 1)]
    with refused(Code.PAIRING_OVER):
        pairing.redeem(secrets[0])
    bearers = [pairing.redeem(secrets[1])] + [pairing.redeem(pairing.offer()) for _ in range(MOST_BEARERS)]
    assert pairing.paired == MOST_BEARERS
    with refused(Code.NOT_PAIRED):
        pairing.session(f"Bearer {bearers[0]}")
    assert pairing.session(f"Bearer {bearers[-1]}")


def test_neither_is_kept_as_it_is(pairing: Pairing) -> None:
    secret = pairing.offer()
    assert secret not in repr(vars(pairing))
    bearer = pairing.redeem(secret)
    assert bearer not in repr(vars(pairing))
