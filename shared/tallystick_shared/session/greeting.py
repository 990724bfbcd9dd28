"""Both ends of the handshake, and what AUTH proves: who the provider is, and whose channel this is."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tallystick_shared.channel import NO_SALT, Config, channels_domain, leaf, root_of
from tallystick_shared.crypto import Crypto, InvalidTag
from tallystick_shared.errors import Code, LocalError, PeerError, code_of
from tallystick_shared.messages import Auth, ServerInfo, decode, encode
from tallystick_shared.noise import NK, HandshakeState
from tallystick_shared.records import HELLO_SIZE, Frame, Hello
from tallystick_shared.voucher import Payment, auth_digest, is_signed_by_session

INFO_SIZE = 256
AUTH_LIFETIME = 120


@dataclass(frozen=True)
class ProviderIdentity:
    """Who this provider is, on chain and on the wire: addresses 20 bytes, private keys 32."""

    chain_id: int
    registry: bytes
    channels: bytes
    provider: bytes
    payee: bytes
    operator: bytes
    node_key: bytes
    operator_key: bytes
    price_epoch: int = 0


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


def write_hello(crypto: Crypto, hello: Hello, node_key: bytes) -> tuple[HandshakeState, bytes]:
    """The handshake begun, and the body of the first frame. Raises LocalError BAD_PROFILE where the key is none."""
    prologue = hello.encode()
    handshake = HandshakeState(crypto, NK, initiator=True, prologue=prologue, rs=node_key)
    try:
        return handshake, prologue + handshake.write_message(b"")
    except ValueError:
        raise LocalError(Code.BAD_PROFILE, reason="node key") from None


def read_answer(handshake: HandshakeState, kind: int, body: bytes) -> ServerInfo:
    """The provider's part. Raises PeerError with the reason of its refusal; HANDSHAKE_FAILED unless it holds the key
    that the chain names.
    """
    if kind == Frame.REFUSED and len(body) == 2:
        raise PeerError(code_of(struct.unpack(">H", body)[0]))
    if kind != Frame.HANDSHAKE:
        raise PeerError(Code.HANDSHAKE_FAILED, frame=kind)
    try:
        payload = handshake.read_message(body)
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


def read_hello(crypto: Crypto, me: ProviderIdentity, body: bytes) -> tuple[Hello, HandshakeState]:
    """A greeting meant for this provider, with the handshake's first message. Raises PeerError with the reason."""
    hello = Hello.decode(body[:HELLO_SIZE])
    if hello.suite != 1:
        raise PeerError(Code.BAD_SUITE, suite=hello.suite)
    if (hello.chain_id, hello.registry, hello.provider) != (me.chain_id, me.registry, me.provider):
        raise PeerError(Code.WRONG_PROVIDER)
    handshake = HandshakeState(crypto, NK, initiator=False, prologue=body[:HELLO_SIZE], s=me.node_key)
    try:
        handshake.read_message(body[HELLO_SIZE:])
    except (InvalidTag, ValueError):
        raise PeerError(Code.HANDSHAKE_FAILED) from None
    return hello, handshake


def write_answer(handshake: HandshakeState, info: ServerInfo) -> bytes:
    """The body of the second frame; its payload has one length for all."""
    packed = encode(info)
    return handshake.write_message((struct.pack(">H", len(packed)) + packed).ljust(INFO_SIZE, b"\0"))


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
