"""Our Noise against two others that have never seen it: noiseprotocol and dissononce, each as either side.

Both are unmaintained and serve here alone. In the long form 500 handshakes of each with ours, each way.
"""

from __future__ import annotations

from importlib import import_module
from itertools import product
from random import Random
from typing import Any

import pytest
from dissononce.cipher.chachapoly import ChaChaPolyCipher
from dissononce.dh.x25519.keypair import KeyPair
from dissononce.dh.x25519.public import PublicKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.processing.impl import cipherstate, handshakestate, symmetricstate
from dissononce.processing.modifiers.psk import PSKPatternModifier
from noise.connection import Keypair, NoiseConnection

from tallystick_shared import kem
from tallystick_shared.messages import ServerInfo
from tallystick_shared.noise import HASHES, PATTERNS, HandshakeState
from tallystick_shared.records import HELLO_SIZE, SUITE, Frame, Record, Type, decode_record, encode_record
from tallystick_shared.session import events as ev
from tallystick_shared.session.greeting import SUITES, pack_info
from tallystick_shared.session.tickets import NO_TICKET
from tests.shared.pair import NODE_KEY, Pair

NAMES = [f"Noise_{pattern}_25519_ChaChaPoly_{hash_name}" for pattern, hash_name in product(PATTERNS, HASHES)]
DISSONONCE_HASHES = {"BLAKE2s": "Blake2sHash", "BLAKE2b": "Blake2bHash", "SHA256": "SHA256Hash"}
SHORT, FULL = 2 * len(NAMES), 500


class Keys:
    """The keys of one side; None where the pattern has none for it."""

    def __init__(self, crypto, static, remote, psk, prologue, initiator) -> None:
        self.static, self.remote, self.psk = static, remote, psk
        self.prologue, self.initiator = prologue, initiator
        self.public = crypto.x25519_public(static) if static else None


class NoiseProtocol:
    """noiseprotocol 0.3.1."""

    def __init__(self, name: str, keys: Keys) -> None:
        self._noise = NoiseConnection.from_name(name.encode())
        (self._noise.set_as_initiator if keys.initiator else self._noise.set_as_responder)()
        self._noise.set_prologue(keys.prologue)
        if keys.psk:
            self._noise.set_psks(psks=[keys.psk])
        if keys.static:
            self._noise.set_keypair_from_private_bytes(Keypair.STATIC, keys.static)
        if keys.remote:
            self._noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, keys.remote)
        self._noise.start_handshake()

    def set_psk(self, psk: bytes) -> None:
        self._noise.noise_protocol.psks = [psk]

    def write_message(self, payload: bytes) -> bytes:
        return bytes(self._noise.write_message(payload))

    def read_message(self, message: bytes) -> bytes:
        return bytes(self._noise.read_message(message))

    def name(self) -> bytes:
        return self._noise.get_handshake_hash()

    def seal(self, plaintext: bytes) -> bytes:
        return self._noise.encrypt(plaintext)

    def open(self, ciphertext: bytes) -> bytes:
        return self._noise.decrypt(ciphertext)

    def rekey(self) -> None:
        self._noise.rekey_outbound_cipher()
        self._noise.rekey_inbound_cipher()


class Dissononce:
    """dissononce 0.34.3. Its rekey sets the counter back to zero, which the specification does not."""

    def __init__(self, name: str, keys: Keys) -> None:
        _, pattern, _, _, hash_name = name.split("_")
        base, _, place = pattern.partition("psk")
        found = import_module(f"dissononce.processing.handshakepatterns.interactive.{base}")
        shape = getattr(found, f"{base}HandshakePattern")()
        shape = PSKPatternModifier(int(place)).modify(shape) if place else shape
        hashes = import_module(f"dissononce.hash.{hash_name.lower()}")
        cipher = cipherstate.CipherState(ChaChaPolyCipher())
        symmetric = symmetricstate.SymmetricState(cipher, getattr(hashes, DISSONONCE_HASHES[hash_name])())
        self._noise = handshakestate.HandshakeState(symmetric, X25519DH())
        self._noise.initialize(
            shape,
            keys.initiator,
            keys.prologue,
            s=KeyPair.from_bytes(keys.static + keys.public) if keys.static else None,
            rs=PublicKey(keys.remote) if keys.remote else None,
            psks=[keys.psk] if keys.psk else None,
        )
        self._initiator = keys.initiator
        self._ciphers: Any = None

    def set_psk(self, psk: bytes) -> None:
        self._noise._psks = [psk]

    def write_message(self, payload: bytes) -> bytes:
        buffer = bytearray()
        self._ciphers = self._noise.write_message(payload, buffer)
        return bytes(buffer)

    def read_message(self, message: bytes) -> bytes:
        buffer = bytearray()
        self._ciphers = self._noise.read_message(message, buffer)
        return bytes(buffer)

    def name(self) -> bytes:
        return self._noise.symmetricstate.get_handshake_hash()

    def seal(self, plaintext: bytes) -> bytes:
        return self._ciphers[not self._initiator].encrypt_with_ad(b"", plaintext)

    def open(self, ciphertext: bytes) -> bytes:
        return self._ciphers[self._initiator].decrypt_with_ad(b"", ciphertext)


ORACLES = [NoiseProtocol, Dissononce]


class Ours:
    """The same over ours."""

    def __init__(self, crypto, name: str, keys: Keys) -> None:
        self._noise = HandshakeState(
            crypto, name, initiator=keys.initiator, prologue=keys.prologue, s=keys.static, rs=keys.remote, psk=keys.psk
        )
        self._ciphers: Any = None
        self.write_message, self.read_message = self._noise.write_message, self._noise.read_message

    @property
    def finished(self) -> bool:
        return self._noise.finished

    def name(self) -> bytes:
        return self._noise.get_handshake_hash()

    def split(self) -> None:
        self._ciphers = self._noise.split()

    def seal(self, plaintext: bytes) -> bytes:
        return self._ciphers[0].encrypt_with_ad(b"", plaintext)

    def open(self, ciphertext: bytes) -> bytes:
        return self._ciphers[1].decrypt_with_ad(b"", ciphertext)

    def rekey(self) -> None:
        for cipher in self._ciphers:
            cipher.rekey()


def keys_for(crypto, name: str, chance: Random) -> tuple[Keys, Keys]:
    """Fresh keys for both sides, as far as the pattern wants them: the initiator's, the responder's."""
    pattern = PATTERNS[name.split("_")[1]]
    mutual = any("s" in message for message in pattern.messages[::2])
    one, other = chance.randbytes(32) if mutual else None, chance.randbytes(32)
    psk = chance.randbytes(32) if pattern.has_psk else None
    prologue = chance.randbytes(chance.choice((0, 1, 56, 500)))
    known = crypto.x25519_public(other) if pattern.responder_known else None
    return Keys(crypto, one, known, psk, prologue, True), Keys(crypto, other, None, psk, prologue, False)


def shake_hands(ours: Ours, theirs: Any, initiator: bool, chance: Random) -> None:
    """Every message with some payload, then a few records each way; both agree on all of it."""
    turn = initiator
    while not ours.finished:
        payload = chance.randbytes(chance.choice((0, 1, 32, 256, 1216)))
        writer, reader = (ours, theirs) if turn else (theirs, ours)
        assert reader.read_message(writer.write_message(payload)) == payload
        turn = not turn
    ours.split()
    assert ours.name() == theirs.name()
    records(ours, theirs, chance)


def records(ours: Any, theirs: Any, chance: Random) -> None:
    for _ in range(3):
        text = chance.randbytes(chance.choice((0, 1, 256, 4096)))
        assert theirs.open(ours.seal(text)) == text
        assert ours.open(theirs.seal(text)) == text


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.__name__)
@pytest.mark.parametrize("initiator", [True, False], ids=["we begin", "they begin"])
def test_handshakes(crypto, full, oracle, initiator):
    chance = Random(f"{oracle.__name__} {initiator}")
    for number in range(FULL if full else SHORT):
        name = NAMES[number % len(NAMES)]
        keys = keys_for(crypto, name, chance)
        ours, theirs = Ours(crypto, name, keys[not initiator]), oracle(name, keys[initiator])
        shake_hands(ours, theirs, initiator, chance)


def test_rekey(crypto):
    chance = Random("rekey")
    keys = keys_for(crypto, NAMES[0], chance)
    ours, theirs = Ours(crypto, NAMES[0], keys[0]), NoiseProtocol(NAMES[0], keys[1])
    shake_hands(ours, theirs, True, chance)
    for _ in range(3):
        ours.rekey(), theirs.rekey()
        records(ours, theirs, chance)


# -- suite 2 as it is on the wire, with another's Noise at one end


def node_keys(crypto, pair: Pair, hello: bytes, initiator: bool) -> Keys:
    known = crypto.x25519_public(NODE_KEY)
    return Keys(crypto, *((None, known) if initiator else (NODE_KEY, None)), bytes(32), hello, initiator)


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.__name__)
def test_anothers_client_speaks_to_our_provider(crypto, oracle):
    pair = Pair(crypto)
    hello = pair.hello.encode()
    theirs = oracle(SUITES[SUITE], node_keys(crypto, pair, hello, True))
    private, public = crypto.kem_keypair()
    pair.provider.receive(bytes([Frame.HELLO]) + hello + theirs.write_message(public + NO_TICKET), 0.0)
    (answer,) = pair.provider.outgoing()
    ciphertext, message = answer[1 : 1 + kem.CIPHERTEXT_SIZE], answer[1 + kem.CIPHERTEXT_SIZE :]
    theirs.set_psk(kem.psk_of(crypto.kem_decapsulate(private, ciphertext), public, ciphertext))
    assert theirs.read_message(message) == pack_info(ServerInfo(pair.provider._wall, 8, 1 << 20, 0))
    (keyed,) = pair.provider.events()
    assert keyed.handshake_hash == theirs.name()
    ping = encode_record(Record(Type.PING, 0, b"\x91\xc4\x0812345678"))
    pair.provider.receive(bytes([Frame.RECORD]) + theirs.seal(ping), 0.0)
    (pong,) = pair.provider.outgoing()
    assert decode_record(theirs.open(pong[1:])).type == Type.PONG


@pytest.mark.parametrize("oracle", ORACLES, ids=lambda oracle: oracle.__name__)
def test_our_client_speaks_to_anothers_provider(crypto, oracle):
    pair = Pair(crypto)
    pair.client.start()
    (first,) = pair.client.outgoing()
    hello, message = first[1 : 1 + HELLO_SIZE], first[1 + HELLO_SIZE :]
    theirs = oracle(SUITES[SUITE], node_keys(crypto, pair, hello, False))
    public = theirs.read_message(message)[: kem.KEY_SIZE]
    ciphertext, secret = crypto.kem_encapsulate(public)
    theirs.set_psk(kem.psk_of(secret, public, ciphertext))
    info = ServerInfo(7, 8, 9, 10)
    pair.client.receive(bytes([Frame.HANDSHAKE]) + ciphertext + theirs.write_message(pack_info(info)), 0.0)
    (keyed,) = pair.client.events()
    assert keyed == ev.Keyed(theirs.name(), info)
    pair._client_driver(keyed)
    (auth,) = pair.client.outgoing()
    assert decode_record(theirs.open(auth[1:])).type == Type.AUTH
