"""Noise NK against vectors that others made (tests/vectors), and what a handshake must refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick_shared.crypto import InvalidTag
from tallystick_shared.noise import MAX_NONCE, NK, CipherState, HandshakeState
from tests.shared.tools import flipped

VECTORS = Path(__file__).parent.parent / "vectors" / "noise_nk.txt"
STATIC = b"\x07" * 32


def read_vectors() -> list[dict[str, str]]:
    blocks = VECTORS.read_text().strip().split("\n\n")
    return [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]


def handshake(crypto, *, prologue=b"", expect=None, meant=b""):
    """Both ends before a handshake; `meant` is the prologue that the responder believes in, if another."""
    public = expect or crypto.x25519_public(STATIC)
    initiator = HandshakeState(crypto, NK, initiator=True, prologue=prologue, rs=public)
    return initiator, HandshakeState(crypto, NK, initiator=False, prologue=meant or prologue, s=STATIC)


def connected(crypto):
    initiator, responder = handshake(crypto)
    responder.read_message(initiator.write_message(b""))
    initiator.read_message(responder.write_message(b""))
    return initiator.split(), responder.split()


def test_there_are_four_vectors():
    assert [vector["handshake"] for vector in read_vectors()] == [NK] * 4


@pytest.mark.parametrize("number", range(4))
def test_vector(crypto, number):
    vector = read_vectors()[number]
    raw = {key: bytes.fromhex(value) for key, value in vector.items() if key != "handshake"}
    prologue, static = raw.get("prologue", b""), raw["resp_static"]
    sides = (
        HandshakeState(
            crypto, NK, initiator=True, prologue=prologue, rs=crypto.x25519_public(static), e=raw["gen_init_ephemeral"]
        ),
        HandshakeState(crypto, NK, initiator=False, prologue=prologue, s=static, e=raw["gen_resp_ephemeral"]),
    )
    for turn in range(2):
        writer, reader = sides[turn], sides[1 - turn]
        message = writer.write_message(raw[f"msg_{turn}_payload"])
        assert message == raw[f"msg_{turn}_ciphertext"]
        assert reader.read_message(message) == raw[f"msg_{turn}_payload"]
    ciphers = [side.split() for side in sides]
    for turn in range(2, len([key for key in raw if key.endswith("_payload")])):
        sender, receiver = ciphers[turn % 2], ciphers[1 - turn % 2]
        sealed = sender[0].encrypt_with_ad(b"", raw[f"msg_{turn}_payload"])
        assert sealed == raw[f"msg_{turn}_ciphertext"]
        assert receiver[1].decrypt_with_ad(b"", sealed) == raw[f"msg_{turn}_payload"]


def test_both_sides_name_the_connection_alike_and_each_anew(crypto):
    names = set()
    for _ in range(3):
        initiator, responder = handshake(crypto, prologue=b"same")
        responder.read_message(initiator.write_message(b""))
        initiator.read_message(responder.write_message(b""))
        assert initiator.get_handshake_hash() == responder.get_handshake_hash()
        names.add(initiator.get_handshake_hash())
    assert len(names) == 3


def test_another_prologue(crypto):
    initiator, responder = handshake(crypto, prologue=b"one", meant=b"two")
    with pytest.raises(InvalidTag):
        responder.read_message(initiator.write_message(b""))


def test_another_static_key(crypto):
    initiator, responder = handshake(crypto, expect=crypto.x25519_public(b"\x08" * 32))
    with pytest.raises(InvalidTag):
        responder.read_message(initiator.write_message(b""))


@pytest.mark.parametrize("size", [0, 1, 31, 32, 47])
def test_short_messages(crypto, size):
    initiator, responder = handshake(crypto)
    with pytest.raises((InvalidTag, ValueError)):
        responder.read_message(initiator.write_message(b"")[:size])


def test_every_byte_of_both_messages_counts(crypto):
    first = handshake(crypto)[0].write_message(b"ab")
    for at in range(len(first)):
        with pytest.raises((InvalidTag, ValueError)):
            handshake(crypto)[1].read_message(flipped(first, at))
    for at in range(32 + 2 + 16):
        initiator, responder = handshake(crypto)
        responder.read_message(initiator.write_message(b""))
        with pytest.raises((InvalidTag, ValueError)):
            initiator.read_message(flipped(responder.write_message(b"cd"), at))


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_ephemeral_key_of_small_order(crypto, point):
    _, responder = handshake(crypto)
    with pytest.raises(ValueError):
        responder.read_message(point + bytes(16))


def test_static_key_of_small_order(crypto):
    with pytest.raises(ValueError):
        handshake(crypto, expect=bytes(32))[0].write_message(b"")


def test_turns_are_kept(crypto):
    initiator, responder = handshake(crypto)
    with pytest.raises(ValueError):
        responder.write_message(b"")
    with pytest.raises(ValueError):
        initiator.read_message(bytes(48))
    initiator, responder = handshake(crypto)
    with pytest.raises(ValueError):
        initiator.split()
    with pytest.raises(ValueError):
        HandshakeState(crypto, NK, initiator=True)


def test_directions_have_keys_of_their_own(crypto):
    (sending, _), (answering, receiving) = connected(crypto)
    sealed = sending.encrypt_with_ad(b"", b"hello")
    with pytest.raises(InvalidTag):
        answering.decrypt_with_ad(b"", sealed)
    assert receiving.decrypt_with_ad(b"", sealed) == b"hello"


def test_a_replayed_dropped_or_swapped_message_does_not_open(crypto):
    (sending, _), (_, receiving) = connected(crypto)
    one, two, three = (sending.encrypt_with_ad(b"", bytes([n])) for n in range(3))
    with pytest.raises(InvalidTag):
        receiving.decrypt_with_ad(b"", two)
    assert receiving.decrypt_with_ad(b"", one) == b"\0"
    with pytest.raises(InvalidTag):
        receiving.decrypt_with_ad(b"", one)
    with pytest.raises(InvalidTag):
        receiving.decrypt_with_ad(b"", three)
    assert receiving.decrypt_with_ad(b"", two) == b"\1"


def test_rekey_on_both_sides(crypto):
    (sending, _), (_, receiving) = connected(crypto)
    old = CipherState(crypto, sending._key)
    sending.rekey()
    receiving.rekey()
    sealed = sending.encrypt_with_ad(b"", b"after")
    assert receiving.decrypt_with_ad(b"", sealed) == b"after"
    with pytest.raises(InvalidTag):
        old.decrypt_with_ad(b"", sealed)


def test_the_largest_nonce_is_never_used(crypto):
    cipher = CipherState(crypto, bytes(32))
    cipher.nonce = MAX_NONCE - 1
    cipher.encrypt_with_ad(b"", b"last")
    with pytest.raises(OverflowError):
        cipher.encrypt_with_ad(b"", b"one more")
    with pytest.raises(OverflowError):
        cipher.decrypt_with_ad(b"", bytes(16))
