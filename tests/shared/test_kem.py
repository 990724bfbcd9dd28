"""The psk of an exchange: every part of it counts, and it is what it was."""

from __future__ import annotations

import hashlib

import pytest

from tallystick_shared.kem import CIPHERTEXT_SIZE, KEY_SIZE, psk_of
from tests.shared.tools import flipped

SECRET, KEY, CIPHERTEXT = b"\x01" * 32, b"\x02" * KEY_SIZE, b"\x03" * CIPHERTEXT_SIZE


def test_known_answer():
    """BLAKE2s(label ‖ secret ‖ BLAKE2s(key) ‖ BLAKE2s(ciphertext)), section 3 of the protocol."""
    hashes = [hashlib.blake2s(part).digest() for part in (KEY, CIPHERTEXT)]
    parts = [b"Tallystick 1 ML-KEM-768", SECRET, *hashes]
    assert psk_of(SECRET, KEY, CIPHERTEXT) == hashlib.blake2s(b"".join(parts)).digest()
    assert psk_of(SECRET, KEY, CIPHERTEXT).hex() == "395988b5a45fbb9702c10d5d4cf22f914611f5b8cdb6b633638ee5ff7d92e11d"


@pytest.mark.parametrize("at", [0, 31])
def test_every_part_counts(at):
    psk = psk_of(SECRET, KEY, CIPHERTEXT)
    others = {
        psk_of(flipped(SECRET, at), KEY, CIPHERTEXT),
        psk_of(SECRET, flipped(KEY, at), CIPHERTEXT),
        psk_of(SECRET, KEY, flipped(CIPHERTEXT, at)),
        psk_of(SECRET, CIPHERTEXT, KEY),
    }
    assert len(others | {psk}) == 5


def test_sizes_are_those_of_the_seat(crypto):
    _, public = crypto.kem_keypair()
    assert (len(public), len(crypto.kem_encapsulate(public)[0])) == (KEY_SIZE, CIPHERTEXT_SIZE)
