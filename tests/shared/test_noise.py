"""The six patterns of Noise against vectors that others made (tests/vectors), and what a handshake must refuse."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from tallystick_shared.crypto import InvalidTag
from tallystick_shared.noise import HASHES, MAX_NONCE, PATTERNS, CipherState, HandshakeState
from tests.shared.tools import flipped

VECTORS = Path(__file__).parent.parent / "vectors" / "noise.txt"
NAMES = [f"Noise_{pattern}_25519_ChaChaPoly_{hash_name}" for pattern, hash_name in product(PATTERNS, HASHES)]
NK = "Noise_NK_25519_ChaChaPoly_BLAKE2s"
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


def test_there_are_four_vectors_of_each():
    assert sorted(vector["handshake"] for vector in read_vectors()) == sorted(NAMES * 4)


def sides_of(crypto, name: str, raw: dict[str, bytes]) -> tuple[HandshakeState, HandshakeState]:
    """Both ends, with the keys of a vector."""
    known = crypto.x25519_public(raw["resp_static"]) if PATTERNS[name.split("_")[1]].responder_known else None
    prologue, psk = raw.get("prologue", b""), raw.get("preshared_key")
    initiator = HandshakeState(
        crypto, name, initiator=True, prologue=prologue, s=raw.get("init_static"), rs=known, psk=psk,
        e=raw["gen_init_ephemeral"],
    )  # fmt: skip
    responder = HandshakeState(
        crypto, name, initiator=False, prologue=prologue, s=raw["resp_static"], psk=psk, e=raw["gen_resp_ephemeral"]
    )
    return initiator, responder


@pytest.mark.parametrize("name", NAMES)
def test_vectors(crypto, name):
    for vector in read_vectors():
        if vector["handshake"] == name:
            check_vector(crypto, name, {key: bytes.fromhex(of) for key, of in vector.items() if key != "handshake"})


def check_vector(crypto, name: str, raw: dict[str, bytes]) -> None:
    """Every message is the vector's, byte for byte, and the other end reads it."""
    sides = sides_of(crypto, name, raw)
    turn = 0
    while not sides[0].finished:
        writer, reader = sides[turn % 2], sides[1 - turn % 2]
        message = writer.write_message(raw[f"msg_{turn}_payload"])
        assert message == raw[f"msg_{turn}_ciphertext"]
        assert reader.read_message(message) == raw[f"msg_{turn}_payload"]
        turn += 1
    assert sides[0].get_handshake_hash() == sides[1].get_handshake_hash()
    if "init_static" in raw:
        assert sides[1].remote_static == crypto.x25519_public(raw["init_static"])
    ciphers = [side.split() for side in sides]
    payloads = [key for key in raw if key.endswith("_payload")]
    assert len(payloads) == turn + 2, "two transport messages follow, the initiator's first"
    for (sender, receiver), at in zip((ciphers, ciphers[::-1]), (turn, turn + 1), strict=True):
        sealed = sender[0].encrypt_with_ad(b"", raw[f"msg_{at}_payload"])
        assert sealed == raw[f"msg_{at}_ciphertext"]
        assert receiver[1].decrypt_with_ad(b"", sealed) == raw[f"msg_{at}_payload"]


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


@pytest.mark.parametrize(
    "name", ["Noise_NK_448_ChaChaPoly_BLAKE2s", "Noise_NK_25519_AESGCM_BLAKE2s", "Noise_NK_25519_ChaChaPoly"]
)
def test_other_protocols_are_not_spoken(crypto, name):
    with pytest.raises(ValueError):
        HandshakeState(crypto, name, initiator=True, rs=bytes(32))


def test_a_psk_that_differs_or_is_missing(crypto):
    public, name = crypto.x25519_public(STATIC), "Noise_NKpsk2_25519_ChaChaPoly_BLAKE2s"
    initiator = HandshakeState(crypto, name, initiator=True, rs=public)
    responder = HandshakeState(crypto, name, initiator=False, s=STATIC)
    responder.read_message(initiator.write_message(b""))
    with pytest.raises(ValueError):
        responder.set_psk(bytes(31))
    responder.set_psk(b"\x01" * 32)
    answer = responder.write_message(b"")
    with pytest.raises(ValueError):
        initiator.read_message(answer)
    initiator = HandshakeState(crypto, name, initiator=True, rs=public, psk=b"\x02" * 32)
    initiator.write_message(b"")
    with pytest.raises(InvalidTag):
        initiator.read_message(answer)


def test_messages_have_a_largest_size(crypto):
    with pytest.raises(ValueError):
        handshake(crypto)[1].read_message(bytes(65_536))


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
    with pytest.raises(ValueError):
        CipherState(crypto).rekey()


def test_a_cipher_without_a_key_passes_on(crypto):
    cipher = CipherState(crypto)
    assert not cipher.has_key() and cipher.encrypt_with_ad(b"x", b"open") == cipher.decrypt_with_ad(b"x", b"open")
    assert cipher.nonce == 0


def test_the_largest_nonce_is_never_used(crypto):
    cipher = CipherState(crypto, bytes(32))
    cipher.nonce = MAX_NONCE - 1
    cipher.encrypt_with_ad(b"", b"last")
    with pytest.raises(OverflowError):
        cipher.encrypt_with_ad(b"", b"one more")
    with pytest.raises(OverflowError):
        cipher.decrypt_with_ad(b"", bytes(16))
