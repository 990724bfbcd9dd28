"""Both ends of the handshake, and what AUTH proves: who the provider is, and whose channel this is.

HELLO is the prologue, so a suite that somebody changed on the way breaks the handshake; nobody tries a lower one after
a refusal. Message 1's payload is the KEM key (suite 2) and a ticket, zeros where there is none.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tallystick_shared import kem
from tallystick_shared.channel import NO_SALT, Config, channels_domain, leaf, root_of
from tallystick_shared.crypto import Crypto, InvalidTag
from tallystick_shared.errors import Code, LocalError, PeerError, code_of
from tallystick_shared.messages import Auth, ServerInfo, decode, encode
from tallystick_shared.noise import HandshakeState
from tallystick_shared.records import HELLO_SIZE, PLAIN_SUITE, SUITE, Frame, Hello
from tallystick_shared.voucher import Payment, auth_digest, is_signed_by_session

from .tickets import NO_TICKET

SUITES = {PLAIN_SUITE: "Noise_NK_25519_ChaChaPoly_BLAKE2s", SUITE: "Noise_NKpsk2_25519_ChaChaPoly_BLAKE2s"}
INFO_SIZE = 256
AUTH_LIFETIME = 120


def has_kem(suite: int) -> bool:
    """Does this suite take its psk from an ML-KEM exchange?"""
    return suite == SUITE


@dataclass(frozen=True)
class ProviderIdentity:
    """Who this provider is, on chain and on the wire: addresses 20 bytes, private keys 32. `least_suite` as its profile
    states it.
    """

    chain_id: int
    registry: bytes
    channels: bytes
    provider: bytes
    payee: bytes
    operator: bytes
    node_key: bytes
    operator_key: bytes
    price_epoch: int = 0
    least_suite: int = SUITE


@dataclass(frozen=True)
class Proof:
    """A channel that this client may spend from, for AUTH at one provider: contract 20 bytes, session key 32, and
    the provider's payee and operator, 20 each. Where it is the only payee the root is its leaf: no salt, no path.
    """

    contract: bytes
    config: Config
    key: bytes
    payee: bytes
    operator: bytes
    leaf_salt: bytes = NO_SALT
    path: tuple[bytes, ...] = ()


# -- the client's


@dataclass(frozen=True)
class Opening:
    """A client's handshake on its way: Noise, and the ephemeral KEM pair where the suite has one."""

    noise: HandshakeState
    kem_private: bytes = b""
    kem_public: bytes = b""


def write_hello(crypto: Crypto, hello: Hello, node_key: bytes, ticket: bytes = NO_TICKET) -> tuple[Opening, bytes]:
    """The handshake begun, and the body of the first frame. `ticket` (32) comes from an earlier AUTH_OK of the same
    channel. Raises LocalError BAD_PROFILE where the key is none.
    """
    prologue = hello.encode()
    pair = crypto.kem_keypair() if has_kem(hello.suite) else (b"", b"")
    noise = HandshakeState(crypto, SUITES[hello.suite], initiator=True, prologue=prologue, rs=node_key)
    try:
        return Opening(noise, *pair), prologue + noise.write_message(pair[1] + ticket)
    except ValueError:
        raise LocalError(Code.BAD_PROFILE, reason="node key") from None


def read_answer(crypto: Crypto, opening: Opening, kind: int, body: bytes) -> ServerInfo:
    """The provider's part. Raises PeerError with the reason of its refusal; HANDSHAKE_FAILED unless it holds the key
    that the chain names.
    """
    if kind == Frame.REFUSED and len(body) == 2:
        raise PeerError(code_of(struct.unpack(">H", body)[0]))
    if kind != Frame.HANDSHAKE:
        raise PeerError(Code.HANDSHAKE_FAILED, frame=kind)
    try:
        if opening.kem_private:
            ciphertext, body = body[: kem.CIPHERTEXT_SIZE], body[kem.CIPHERTEXT_SIZE :]
            secret = crypto.kem_decapsulate(opening.kem_private, ciphertext)
            opening.noise.set_psk(kem.psk_of(secret, opening.kem_public, ciphertext))
        payload = opening.noise.read_message(body)
    except (InvalidTag, ValueError):
        raise PeerError(Code.HANDSHAKE_FAILED) from None
    size = int.from_bytes(payload[:2], "big")
    return decode(ServerInfo, payload[2 : 2 + size])


def make_auth(crypto: Crypto, hello: Hello, handshake_hash: bytes, proof: Proof, wall: int) -> tuple[Auth, Payment]:
    """AUTH for this very connection, and what its vouchers are signed for. `wall` is Unix time in seconds."""
    domain = channels_domain(hello.chain_id, proof.contract)
    channel_id = proof.config.channel_id(crypto, domain)
    expiry = wall + AUTH_LIFETIME
    digest = auth_digest(crypto, domain, handshake_hash, channel_id, hello.provider, expiry)
    signature = crypto.secp256k1_sign(proof.key, digest)
    auth = Auth(proof.contract, proof.config.body(), proof.leaf_salt, proof.path, signature, expiry)
    return auth, Payment(domain, channel_id, proof.payee, proof.config.signer)


# -- the provider's


@dataclass(frozen=True)
class Greeted:
    """What a client's first message said: its HELLO, its KEM key (empty where the suite has none) and its ticket."""

    hello: Hello
    noise: HandshakeState
    kem_public: bytes
    ticket: bytes


def greets(me: ProviderIdentity, message: bytes) -> bool:
    """Is this WebSocket message a greeting for this provider, as far as its clear fields tell? No cryptography."""
    if message[:1] != bytes([Frame.HELLO]):
        return False
    try:
        hello = Hello.decode(message[1 : 1 + HELLO_SIZE])
    except PeerError:
        return False
    return (hello.chain_id, hello.registry, hello.provider) == (me.chain_id, me.registry, me.provider)


def read_hello(crypto: Crypto, me: ProviderIdentity, body: bytes) -> Greeted:
    """A greeting meant for this provider, with the handshake's first message. Raises PeerError with the reason."""
    hello = Hello.decode(body[:HELLO_SIZE])
    if hello.suite not in SUITES or hello.suite < me.least_suite:
        raise PeerError(Code.BAD_SUITE, suite=hello.suite)
    if (hello.chain_id, hello.registry, hello.provider) != (me.chain_id, me.registry, me.provider):
        raise PeerError(Code.WRONG_PROVIDER)
    noise = HandshakeState(crypto, SUITES[hello.suite], initiator=False, prologue=body[:HELLO_SIZE], s=me.node_key)
    size = kem.KEY_SIZE if has_kem(hello.suite) else 0
    try:
        payload = noise.read_message(body[HELLO_SIZE:])
    except (InvalidTag, ValueError):
        raise PeerError(Code.HANDSHAKE_FAILED) from None
    if len(payload) != size + len(NO_TICKET):
        raise PeerError(Code.HANDSHAKE_FAILED, size=len(payload))
    return Greeted(hello, noise, payload[:size], payload[size:])


def pack_info(info: ServerInfo) -> bytes:
    """The payload of message 2, of one length for all."""
    packed = encode(info)
    return (struct.pack(">H", len(packed)) + packed).ljust(INFO_SIZE, b"\0")


def write_answer(crypto: Crypto, greeted: Greeted, payload: bytes) -> bytes:
    """The body of the second frame. Raises PeerError HANDSHAKE_FAILED where the client's KEM key is none."""
    ciphertext = b""
    if greeted.kem_public:
        try:
            ciphertext, secret = crypto.kem_encapsulate(greeted.kem_public)
        except ValueError:
            raise PeerError(Code.HANDSHAKE_FAILED) from None
        greeted.noise.set_psk(kem.psk_of(secret, greeted.kem_public, ciphertext))
    return ciphertext + greeted.noise.write_message(payload)


def check_auth(
    crypto: Crypto, me: ProviderIdentity, handshake_hash: bytes, body: Auth, wall: int
) -> tuple[Config, Payment]:
    """Checks all of AUTH that needs no chain: contract, root, signature over this handshake, expiry. Raises PeerError
    BAD_PROOF, AUTH_EXPIRED, BAD_SIGNATURE.
    """
    if body.contract != me.channels:
        raise PeerError(Code.BAD_PROOF, reason="contract")
    config = Config.from_body(body.config)
    if not body.proof and any(body.leaf_salt):
        raise PeerError(Code.BAD_PROOF, reason="salt")
    mine = leaf(crypto, me.payee, me.operator, body.leaf_salt)
    if root_of(crypto, mine, body.proof) != config.root:
        raise PeerError(Code.BAD_PROOF, reason="root")
    if body.expiry < wall:
        raise PeerError(Code.AUTH_EXPIRED)
    domain = channels_domain(me.chain_id, me.channels)
    channel_id = config.channel_id(crypto, domain)
    digest = auth_digest(crypto, domain, handshake_hash, channel_id, me.provider, body.expiry)
    if not is_signed_by_session(crypto, digest, body.signature, config.signer):
        raise PeerError(Code.BAD_SIGNATURE)
    return config, Payment(domain, channel_id, me.payee, config.signer)
