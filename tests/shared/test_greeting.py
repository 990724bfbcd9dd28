"""The handshake of both suites, message by message, and what either side refuses in it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tallystick_shared import kem
from tallystick_shared.channel import channels_domain
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.messages import ServerInfo, encode
from tallystick_shared.noise import HandshakeState
from tallystick_shared.records import HELLO_SIZE, MAX_MESSAGE, PLAIN_SUITE, SUITE, Frame, Hello
from tallystick_shared.session import events as ev
from tallystick_shared.session.greeting import (
    INFO_SIZE,
    SUITES,
    pack_info,
    read_answer,
    read_hello,
    write_answer,
    write_hello,
)
from tallystick_shared.session.tickets import NO_TICKET
from tallystick_shared.voucher import auth_digest, is_signed_by_session
from tests.shared.pair import CHAIN, CHANNELS, NODE_KEY, Pair
from tests.shared.tools import refused

INFO = ServerInfo(1_800_000_000, 8, 1 << 20, 3)
TICKET = b"\x07" * 32


def greeted(crypto, suite=SUITE, ticket=NO_TICKET):
    """A greeting on its way: the pair it is of, the client's half, and the body of the first frame."""
    pair = Pair(crypto, suite=suite)
    return pair, *write_hello(crypto, pair.hello, crypto.x25519_public(NODE_KEY), ticket)


def first_with(crypto, pair: Pair, payload: bytes) -> bytes:
    """The first frame's body of a client that puts this into message 1."""
    prologue = pair.hello.encode()
    noise = HandshakeState(
        crypto, SUITES[pair.suite], initiator=True, prologue=prologue, rs=crypto.x25519_public(NODE_KEY)
    )
    return prologue + noise.write_message(payload)


@pytest.mark.parametrize("suite", SUITES)
def test_both_sides_come_to_the_same(crypto, suite):
    pair, opening, first = greeted(crypto, suite, TICKET)
    got = read_hello(crypto, pair.identity, first)
    assert (got.hello, got.ticket, got.kem_public) == (pair.hello, TICKET, opening.kem_public)
    assert read_answer(crypto, opening, Frame.HANDSHAKE, write_answer(crypto, got, pack_info(INFO))) == INFO
    assert opening.noise.finished and got.noise.finished
    assert opening.noise.get_handshake_hash() == got.noise.get_handshake_hash()
    (sending, receiving), (answering, hearing) = opening.noise.split(), got.noise.split()
    assert hearing.decrypt_with_ad(b"", sending.encrypt_with_ad(b"", b"up")) == b"up"
    assert receiving.decrypt_with_ad(b"", answering.encrypt_with_ad(b"", b"down")) == b"down"


@pytest.mark.parametrize(("suite", "up", "down"), [(PLAIN_SUITE, 136, 304), (SUITE, 1320, 1392)])
def test_sizes(crypto, suite, up, down):
    """Without the frame's byte; always the same, with or without a ticket, whatever the provider tells."""
    sizes = set()
    for ticket, info in ((NO_TICKET, INFO), (TICKET, INFO), (TICKET, ServerInfo(2**40, 65535, 2**31, 2**62))):
        pair, _, first = greeted(crypto, suite, ticket)
        sizes.add((len(first), len(write_answer(crypto, read_hello(crypto, pair.identity, first), pack_info(info)))))
    assert sizes == {(up, down)} and max(up, down) < MAX_MESSAGE


def test_nothing_of_one_handshake_comes_again(crypto):
    """Ephemeral keys of both kinds, the ciphertext and the connection's name."""
    seen = set()
    for _ in range(3):
        pair, opening, first = greeted(crypto)
        got = read_hello(crypto, pair.identity, first)
        answer = write_answer(crypto, got, pack_info(INFO))
        ciphertext, ephemeral = answer[: kem.CIPHERTEXT_SIZE], answer[kem.CIPHERTEXT_SIZE :][:32]
        name = got.noise.get_handshake_hash()
        seen |= {opening.kem_private, opening.kem_public, first[HELLO_SIZE:][:32], ciphertext, ephemeral, name}
    assert len(seen) == 18


def test_the_kem_key_and_the_ticket_are_not_on_the_wire(crypto):
    _, opening, first = greeted(crypto, ticket=TICKET)
    assert opening.kem_public[:16] not in first and TICKET not in first


def test_the_answer_to_another_greeting(crypto):
    """Its KEM key is another, and so is its transcript."""
    pair, _, first = greeted(crypto)
    answer = write_answer(crypto, read_hello(crypto, pair.identity, first), pack_info(INFO))
    _, other, _ = greeted(crypto)
    with refused(Code.HANDSHAKE_FAILED, PeerError):
        read_answer(crypto, other, Frame.HANDSHAKE, answer)


def test_a_ciphertext_of_the_attackers(crypto):
    """Somebody on the way who knows the KEM key (he has the node's key by now) still cannot choose the psk."""
    pair, opening, first = greeted(crypto)
    answer = write_answer(crypto, read_hello(crypto, pair.identity, first), pack_info(INFO))
    ciphertext, _ = crypto.kem_encapsulate(opening.kem_public)
    with refused(Code.HANDSHAKE_FAILED, PeerError):
        read_answer(crypto, opening, Frame.HANDSHAKE, ciphertext + answer[kem.CIPHERTEXT_SIZE :])


@pytest.mark.parametrize("size", [0, 1, 1087, 1088, 1088 + 31, 1088 + 47, 1391])
def test_a_short_answer(crypto, size):
    pair, opening, first = greeted(crypto)
    answer = write_answer(crypto, read_hello(crypto, pair.identity, first), pack_info(INFO))
    with refused(Code.HANDSHAKE_FAILED, PeerError):
        read_answer(crypto, opening, Frame.HANDSHAKE, answer[:size])


@pytest.mark.parametrize("key", [b"\xff" * kem.KEY_SIZE, b"\x01\x0d" + bytes(kem.KEY_SIZE - 2)], ids=["ones", "q"])
def test_a_kem_key_that_is_none(crypto, key):
    """Its coefficients are not below 3329 (FIPS 203, 7.2). The client hears that the handshake failed, nothing else."""
    pair = Pair(crypto)
    pair.provider.receive(bytes([Frame.HELLO]) + first_with(crypto, pair, key + NO_TICKET), 0.0)
    assert pair.provider.outgoing() == [bytes([Frame.REFUSED, 0, Code.HANDSHAKE_FAILED])]
    (closed,) = pair.provider.events()
    assert closed == ev.Closed(closed.error) and closed.error.code is Code.HANDSHAKE_FAILED


@pytest.mark.parametrize(
    ("suite", "size"), [(PLAIN_SUITE, 0), (PLAIN_SUITE, 1216), (SUITE, 0), (SUITE, 32), (SUITE, 1184), (SUITE, 1217)]
)
def test_a_payload_of_another_size(crypto, suite, size):
    pair = Pair(crypto, suite=suite)
    with refused(Code.HANDSHAKE_FAILED, PeerError):
        read_hello(crypto, pair.identity, first_with(crypto, pair, bytes(size)))


@pytest.mark.parametrize(
    ("suite", "least"), [(1, 1), (2, 1), (1, 2), (2, 2), (2, 3), (0, 1), (3, 1), (255, 2)], ids=str
)
def test_suites(crypto, suite, least):
    pair, _, first = greeted(crypto, suite if suite in SUITES else SUITE)
    identity = replace(pair.identity, least_suite=least)
    first = first[:5] + bytes([suite]) + first[6:]
    if suite in SUITES and suite >= least:
        assert read_hello(crypto, identity, first).hello.suite == suite
    else:
        with refused(Code.BAD_SUITE, PeerError):
            read_hello(crypto, identity, first)


def test_suite_2_holds_where_nothing_is_stated(crypto):
    profiles = [msgspec.structs.replace(Pair(crypto).profile(), minimum_suite=stated) for stated in range(4)]
    assert [profile.least_suite for profile in profiles] == [2, 1, 2, 3]
    assert Hello(1, bytes(20), bytes(20)).suite == SUITE == 2


def test_a_node_key_that_is_none(crypto):
    with refused(Code.BAD_PROFILE, LocalError):
        write_hello(crypto, Pair(crypto).hello, bytes(32))


@pytest.mark.parametrize("suite", SUITES)
def test_auth_is_over_the_final_hash_of_this_handshake(crypto, suite):
    pair = Pair(crypto, suite=suite).connect()
    auth = pair.seen(ev.AuthOffered, "provider")[0].auth
    domain = channels_domain(CHAIN, CHANNELS)

    def signed(name: bytes) -> bool:
        digest = auth_digest(crypto, domain, name, pair.provider.channel_id, pair.owner, auth.expiry)
        return is_signed_by_session(crypto, digest, auth.signature, pair.config.signer)

    assert pair.client.handshake_hash == pair.provider.handshake_hash
    assert signed(pair.client.handshake_hash)
    assert not signed(Pair(crypto, suite=suite).connect().client.handshake_hash)


def test_server_info_has_room(crypto):
    assert len(encode(ServerInfo(2**63 - 1, 0xFFFF, 0xFFFFFFFF, 2**63 - 1))) + 2 < INFO_SIZE
    assert {len(pack_info(INFO)), len(pack_info(ServerInfo(0, 0, 0, 0)))} == {INFO_SIZE}
