"""An attacker on the wire, and one who comes later with the keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tallystick_shared.crypto import Crypto, InvalidTag
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Auth, encode
from tallystick_shared.noise import NK, CipherState, HandshakeState
from tallystick_shared.records import HELLO_SIZE, Frame, Type, decode_record
from tallystick_shared.session import ProviderSession
from tallystick_shared.session import events as ev
from tallystick_shared.session.tables import ConnectionState
from tests.shared.pair import NODE_KEY, OPERATOR_KEY, WALL, Pair
from tests.shared.tools import Seeded, flipped

SECRET = b"the canary sings at midnight"
PLAIN = (ev.Ready, ev.Accepted, ev.Output, ev.VoucherDurable, ev.Finished, ev.AuthOffered, ev.RequestOffered)
PLAIN = (*PLAIN, ev.InputComplete, ev.VoucherReceived, ev.CloseAsked, ev.CloseAccepted)


def story(pair: Pair) -> Pair:
    """A whole session, from the greeting to the close. Both texts hold the canary."""
    pair.connect()
    stream = pair.ask(SECRET * 8)
    pair.engine(stream, 12, SECRET)
    pair.pass_time(1.2)
    pair.provider.finish(stream, "stop")
    pair.pass_time(0.3)
    stopped = pair.ask(SECRET)
    pair.engine(stopped, 5)
    pair.pass_time(0.7)
    pair.client.cancel(stopped)
    pair.settle()
    failing = pair.ask(SECRET)
    pair.provider.fail(failing, PeerError(Code.ENGINE_FAILED))
    pair.pass_time(12)
    pair.client.close()
    pair.settle()
    pair.provider.close_ok(b"\x09" * 32)
    pair.settle()
    assert pair.client.closed and pair.provider.closed
    return pair


def refusal(pair: Pair) -> None:
    """Some side closed with an error, and nothing that was altered came through as if it were not."""
    errors = [event.error for event in (*pair.seen(ev.Closed), *pair.seen(ev.Closed, "provider")) if event.error]
    assert errors


# -- one byte on the wire


def flip_message(crypto, number: int, at: int) -> Pair:
    """A connection whose message `number` has a bit of byte `at` turned."""
    pair = Pair(crypto)
    count = iter(range(10**6))
    pair.tamper = lambda _, message: flipped(message, at) if next(count) == number else message
    return pair.connect()


def test_every_byte_of_the_greeting(crypto):
    size = 1 + HELLO_SIZE + 48
    assert len(Pair(crypto).connect().wire[0][1]) == size
    for at in range(size):
        pair = flip_message(crypto, 0, at)
        refusal(pair)
        assert not [
            event for event in pair.client_events + pair.provider_events if isinstance(event, (*PLAIN, ev.Keyed))
        ]


def test_every_byte_of_the_answer(crypto):
    size = len(Pair(crypto).connect().wire[1][1])
    assert size == 1 + 32 + 256 + 16
    for at in range(size):
        pair = flip_message(crypto, 1, at)
        refusal(pair)
        assert not [event for event in pair.client_events if isinstance(event, (*PLAIN, ev.Keyed))]
        assert [sender for sender, _ in pair.wire].count("client") == 1, "nothing follows an answer that is not good"


@pytest.mark.parametrize("at", [0, 1, 17, 200, 272])
def test_a_byte_of_a_record_in_a_session(crypto, at):
    for number in (2, 3):
        pair = flip_message(crypto, number, at)
        refusal(pair)
        side = "provider" if number == 2 else "client"
        events = pair.provider_events if number == 2 else pair.client_events
        assert not [event for event in events if isinstance(event, PLAIN)], side


def test_every_byte_of_one_record_of_each_type(crypto):
    """Before each record is delivered, each of its bytes is turned and tried: none opens, and the session goes on."""
    pair = Pair(crypto)
    tried: set[tuple[str, int]] = set()

    def try_all(sender, message):
        target = pair.provider if sender == "client" else pair.client
        if message[0] != Frame.RECORD:
            return message
        receiving = target._receiving
        nonce = receiving.nonce
        kind = decode_record(receiving.decrypt_with_ad(b"", message[1:])).type
        receiving.nonce = nonce
        if (sender, kind) not in tried:
            tried.add((sender, kind))
            for at in range(1, len(message)):
                with pytest.raises(InvalidTag):
                    receiving.decrypt_with_ad(b"", flipped(message, at)[1:])
        return message

    pair.tamper = try_all
    story(pair)
    down = {Type.PAD, Type.AUTH_OK, Type.ACCEPT, Type.DATA, Type.VOUCHER_OK, Type.END, Type.ERROR, Type.CLOSE_OK}
    up = {Type.PAD, Type.AUTH, Type.OPEN, Type.INPUT, Type.VOUCHER, Type.CANCEL, Type.CLOSE}
    assert tried == {("provider", kind) for kind in down} | {("client", kind) for kind in up}


def alter(pair: Pair, change) -> Pair:
    """A session in which `change` gets each list of messages that is about to be delivered."""
    deliver = pair._deliver
    pair._deliver = lambda sender, messages: deliver(sender, change(sender, messages))
    return pair


@pytest.mark.parametrize(
    "change",
    [
        lambda sender, messages: messages[:1] * 2 + messages[1:] if len(messages) > 1 else messages,
        lambda sender, messages: messages[::-1],
        lambda sender, messages: messages[1:] if len(messages) > 1 else messages,
    ],
    ids=["repeated", "reversed", "dropped"],
)
def test_records_repeated_reordered_or_dropped(crypto, change):
    pair = Pair(crypto).connect()
    alter(pair, change)
    pair.ask(SECRET * 400)
    assert pair.provider.closed and pair.seen(ev.Closed, "provider")[0].error.code is Code.TAMPERED
    assert not pair.seen(ev.InputComplete, "provider")


@pytest.mark.parametrize("size", [0, 1, 2, 17, 272, 274, 16448, 16449, 10**6])
def test_messages_of_any_size_and_junk(crypto, size):
    for side in ("client", "provider"):
        pair = Pair(crypto).connect()
        peer = getattr(pair, side)
        peer.receive(b"\x02" * size, 0.0)
        pair.settle()
        assert peer.closed and len(pair.seen(ev.Closed, side)) == 1


def test_a_record_sent_back_to_its_sender(crypto):
    pair = Pair(crypto).connect()
    pair.client._send(decode_record(bytes(256)))
    (message,) = pair.client.outgoing()
    pair.client.receive(message, 0.0)
    pair.settle()
    assert pair.seen(ev.Closed)[0].error.code is Code.TAMPERED


def test_a_record_of_another_connection(crypto):
    one, other = Pair(crypto).connect(), Pair(crypto).connect()
    one.client._send(decode_record(bytes(256)))
    other.provider.receive(one.client.outgoing()[0], 0.0)
    other.settle()
    assert other.seen(ev.Closed, "provider")[0].error.code is Code.TAMPERED


# -- AUTH used elsewhere


def captured_auth(crypto) -> tuple[Pair, Auth]:
    pair = Pair(crypto).connect()
    return pair, pair.seen(ev.AuthOffered, "provider")[0].auth


def offer_auth(pair: Pair, auth: Auth) -> Code:
    """A thief who can make connections of its own presents an AUTH that it saw."""
    pair._client_driver = lambda event: None
    pair.connect()
    pair.client._post(auth, at_once=True)
    pair.client.state = ConnectionState.AUTHING
    pair.settle()
    assert not pair.seen(ev.AuthOffered, "provider")
    return pair.seen(ev.Closed, "provider")[0].error.code


def test_auth_on_another_connection(crypto):
    _, auth = captured_auth(crypto)
    assert offer_auth(Pair(crypto), auth) is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ({"provider": b"\x66" * 20}, Code.BAD_SIGNATURE),
        ({"chain_id": 1}, Code.BAD_SIGNATURE),
        ({"registry": b"\x66" * 20}, Code.BAD_SIGNATURE),
        ({"channels": b"\x66" * 20}, Code.BAD_PROOF),
        ({"payee": b"\x66" * 20}, Code.BAD_PROOF),
        ({"operator": b"\x66" * 20}, Code.BAD_PROOF),
    ],
)
def test_auth_at_another_provider_chain_or_contract(crypto, where, code):
    _, auth = captured_auth(crypto)
    pair = Pair(crypto)
    identity = replace(pair.identity, **where)
    pair.client.hello = replace(
        pair.hello, chain_id=identity.chain_id, registry=identity.registry, provider=identity.provider
    )
    pair.provider = ProviderSession(crypto, identity, WALL)
    assert offer_auth(pair, auth) is code


def test_auth_for_another_contract_with_its_address_rewritten(crypto):
    _, auth = captured_auth(crypto)
    pair = Pair(crypto)
    pair.provider = ProviderSession(crypto, replace(pair.identity, channels=b"\x66" * 20), WALL)
    assert offer_auth(pair, msgspec.structs.replace(auth, contract=b"\x66" * 20)) is Code.BAD_SIGNATURE


def test_auth_that_is_too_old(crypto):
    pair = Pair(crypto)
    pair.provider = ProviderSession(crypto, pair.identity, WALL + 121)
    pair.connect()
    assert pair.seen(ev.Closed)[0].error.code is Code.AUTH_EXPIRED


def test_the_same_connection_forwarded_is_still_only_that_connection(crypto):
    """A relay that passes every message on gains nothing: it never gets a key, and the two ends agree on the name."""
    pair = Pair(crypto).connect()
    assert pair.client.handshake_hash == pair.provider.handshake_hash
    assert pair.config.channel_id(crypto, pair.provider._payment.domain) == pair.provider.channel_id


def test_hello_for_another_provider_is_refused_before_any_key(crypto):
    pair = Pair(crypto)
    pair.provider = ProviderSession(crypto, replace(pair.identity, provider=b"\x66" * 20), WALL)
    pair.connect()
    assert pair.seen(ev.Closed)[0].error.code is Code.WRONG_PROVIDER
    assert [message[0] for _, message in pair.wire] == [Frame.HELLO, Frame.REFUSED]


# -- deliveries


def told(crypto, *, late: bool) -> Pair:
    """A story with AUTH, OPEN, the first voucher and the whole prompt in one flight behind message 2. The provider's
    driver acts after each message, or (`late`) only when the whole flight has arrived.
    """
    pair = Pair(Seeded(crypto))
    pair.client.start()
    pair._deliver("client", pair.client.outgoing())
    pair._deliver("provider", pair.provider.outgoing())
    for event in pair.client.events():
        pair.client_events.append(event)
        pair._client_driver(event)
    request = pair.request(SECRET * 10)
    pair.client.open(request, pair.client.first_amount(request))
    flight = pair.client.outgoing()
    assert len(flight) == 4
    for message in flight:
        pair.provider.receive(message, 0.0)
        if not late:
            pair.settle()
    pair.settle()
    pair.pass_time(1)
    pair.engine(1, 30)
    pair.provider.finish(1, "stop")
    pair.pass_time(12)
    return pair


def test_one_flight_or_one_by_one_is_the_same_story(crypto):
    one_by_one, flight = told(crypto, late=False), told(crypto, late=True)
    assert one_by_one.client_events == flight.client_events
    assert one_by_one.provider_events == flight.provider_events
    assert flight.seen(ev.Finished)[0].units == 30
    assert one_by_one.account == flight.account


def test_a_flight_that_waits_for_auth_is_bounded(crypto):
    pair = Pair(crypto)
    pair._provider_driver = lambda event: None
    pair.connect()
    for _ in range(20):
        pair.client._send(decode_record(bytes(256)), 4096)
    pair.settle()
    assert pair.seen(ev.Closed, "provider")[0].error.code is Code.TOO_LARGE


def test_a_repeated_run_is_the_same_byte_for_byte(crypto):
    wires = [story(Pair(Seeded(crypto))).wire for _ in range(2)]
    assert wires[0] == wires[1]


# -- what is recorded


def test_nothing_readable_crosses(crypto):
    pair = story(Pair(crypto))
    assert any(SECRET in event.data for event in pair.seen(ev.Output))
    recorded = b"".join(message for _, message in pair.wire)
    for text in (SECRET, SECRET[:8], b"chat", b"word", b"toy", pair.session_key, pair.config.signer, pair.config.root):
        assert text not in recorded


def test_recorded_sessions_stay_shut_with_every_long_term_key(crypto):
    """With the node's key, the operator's and the session key the first message's empty payload opens, nothing else."""
    pair = story(Pair(crypto))
    hello, answer = pair.wire[0][1], pair.wire[1][1]
    records = [message[1:] for _, message in pair.wire if message[0] == Frame.RECORD]
    client_e, server_e = hello[1 + HELLO_SIZE :][:32], answer[1:33]
    held = [NODE_KEY, pair.session_key, OPERATOR_KEY, crypto.x25519_keypair()[0]]
    for guess in held:
        thief = HandshakeState(crypto, NK, initiator=False, prologue=hello[1 : 1 + HELLO_SIZE], s=NODE_KEY, e=guess)
        assert thief.read_message(hello[1 + HELLO_SIZE :]) == b""
        thief.write_message(b"")
        shared = [crypto.x25519(guess, public) for public in (client_e, server_e)]
        keys = [cipher._key for cipher in thief.split()] + shared + [guess]
        for key in keys:
            for nonce, record in enumerate(records[:8]):
                for at in (0, nonce, nonce // 2):
                    cipher = CipherState(crypto, key)
                    cipher.nonce = at
                    with pytest.raises(InvalidTag):
                        cipher.decrypt_with_ad(b"", record)


def test_the_control_opens_with_the_ephemeral_key(crypto):
    """The same thief, given what is never kept: now the first record opens. So the test above can fail."""
    leaked: list[bytes] = []
    pair = Pair(crypto)
    pair.provider.crypto = Leaky(crypto, leaked)
    pair.connect()
    hello, prologue = pair.wire[0][1], pair.wire[0][1][1 : 1 + HELLO_SIZE]
    thief = HandshakeState(crypto, NK, initiator=False, prologue=prologue, s=NODE_KEY, e=leaked[0])
    thief.read_message(hello[1 + HELLO_SIZE :])
    info = encode(pair.seen(ev.Keyed)[0].info)
    assert thief.write_message((len(info).to_bytes(2, "big") + info).ljust(256, b"\0")) == pair.wire[1][1][1:]
    record = decode_record(thief.split()[1].decrypt_with_ad(b"", pair.wire[2][1][1:]))
    assert record.type == Type.AUTH


class Leaky:
    """A crypto seat that tells its ephemeral keys."""

    def __init__(self, crypto: Crypto, leaked: list[bytes]) -> None:
        self._crypto, self._leaked = crypto, leaked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._crypto, name)

    def x25519_keypair(self) -> tuple[bytes, bytes]:
        private, public = self._crypto.x25519_keypair()
        self._leaked.append(private)
        return private, public
