"""An attacker on the wire, and one who comes later with the keys."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from tallystick_shared import kem
from tallystick_shared.crypto import Crypto, InvalidTag
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Auth
from tallystick_shared.noise import CipherState, HandshakeState
from tallystick_shared.records import HELLO_SIZE, PLAIN_SUITE, SUITE, Frame, Record, Type, decode_record
from tallystick_shared.session import ClientLimits, ClientSession, ProviderSession
from tallystick_shared.session import events as ev
from tallystick_shared.session.greeting import SUITES, pack_info
from tallystick_shared.session.tables import ConnectionState
from tests.shared.pair import NODE_KEY, OPERATOR_KEY, WALL, WINDOW, Pair
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


SIZES = {PLAIN_SUITE: (1 + HELLO_SIZE + 32 + 32 + 16, 1 + 32 + 256 + 16)}
SIZES[SUITE] = (SIZES[PLAIN_SUITE][0] + 1184, SIZES[PLAIN_SUITE][1] + 1088)


@pytest.mark.parametrize("suite", SIZES)
def test_every_byte_of_the_greeting(crypto, suite):
    pair = Pair(crypto, suite=suite)
    pair.client.start()
    (first,) = pair.client.outgoing()
    assert len(first) == SIZES[suite][0]
    for at in range(len(first)):
        provider = ProviderSession(crypto, pair.identity, WALL)
        provider.receive(flipped(first, at), 0.0)
        (closed,) = provider.events()
        assert closed.error is not None
        assert all(message[0] == Frame.REFUSED and len(message) == 3 for message in provider.outgoing())


@pytest.mark.parametrize("suite", SIZES)
def test_every_byte_of_the_answer(crypto, suite):
    """The KEM's ciphertext too: an altered one gives a psk that only the attacker's victim has."""
    pair = Pair(Seeded(crypto), suite=suite).connect()
    answer, node_key = pair.wire[1][1], crypto.x25519_public(NODE_KEY)
    assert len(answer) == SIZES[suite][1]
    for at in range(len(answer)):
        client = ClientSession(Seeded(crypto), pair.hello, node_key, ClientLimits(WINDOW, WINDOW))
        client.start()
        assert client.outgoing() == [pair.wire[0][1]]
        client.receive(flipped(answer, at), 0.0)
        (closed,) = client.events()
        assert closed.error is not None and client.handshake_hash == b""
        assert client.outgoing() == [], "nothing follows an answer that is not good"


def test_a_suite_that_was_lowered_on_the_way(crypto):
    """Also where the provider takes suite 1: HELLO is the prologue, and the name of the protocol its first hash."""
    pair = Pair(crypto)
    pair.provider = ProviderSession(crypto, replace(pair.identity, least_suite=PLAIN_SUITE), WALL)
    pair.tamper = lambda _, message: flipped(message, 6, SUITE ^ PLAIN_SUITE) if message[0] == Frame.HELLO else message
    pair.connect()
    assert pair.seen(ev.Closed, "provider")[0].error.code is Code.HANDSHAKE_FAILED
    assert not [event for event in pair.client_events + pair.provider_events if isinstance(event, (*PLAIN, ev.Keyed))]


def test_a_client_with_the_suite_for_tests_is_refused(crypto):
    pair = Pair(crypto, suite=PLAIN_SUITE)
    pair.provider = ProviderSession(crypto, Pair(crypto).identity, WALL)
    pair.connect()
    assert pair.seen(ev.Closed)[0].error.code is Code.BAD_SUITE
    assert [message[0] for _, message in pair.wire] == [Frame.HELLO, Frame.REFUSED], "and tries no other"


@pytest.mark.parametrize("at", [0, 1, 17, 200, 272])
def test_a_byte_of_a_record_in_a_session(crypto, at):
    for number in (2, 3):
        pair = flip_message(crypto, number, at)
        refusal(pair)
        side = "provider" if number == 2 else "client"
        events = pair.provider_events if number == 2 else pair.client_events
        assert not [event for event in events if isinstance(event, PLAIN)], side


def test_every_byte_of_one_record_of_each_type(crypto):
    """Before each record is delivered, each of its bytes is turned and tried (of 4 KiB, some): none opens, and the
    session goes on.
    """
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
            for at in (*range(1, min(len(message), 600)), *range(600, len(message), 16)):
                with pytest.raises(InvalidTag):
                    receiving.decrypt_with_ad(b"", flipped(message, at)[1:])
        return message

    pair.tamper = try_all
    story(pair)
    down = {Type.PAD, Type.AUTH_OK, Type.ACCEPT, Type.DATA, Type.VOUCHER_OK, Type.END, Type.ERROR, Type.CLOSE_OK}
    up = {Type.PAD, Type.AUTH, Type.OPEN, Type.INPUT, Type.VOUCHER, Type.CANCEL, Type.CLOSE}
    assert tried == {("provider", kind) for kind in down} | {("client", kind) for kind in up}


@pytest.mark.parametrize("suite", SIZES)
@pytest.mark.parametrize("kind", [*Type, 0x7F, 0x80], ids=str)
def test_every_byte_of_a_record_of_any_type(crypto, suite, kind):
    """Either way, also of types that the story above does not have: refused as it arrives, whatever is in it."""
    for side, other in (("client", "provider"), ("provider", "client")):
        pair = Pair(crypto, suite=suite).connect()
        sender, receiver = getattr(pair, side), getattr(pair, other)
        sender._seal(Record(kind, 1, SECRET), 256)
        (message,) = sender.outgoing()
        for at in range(1, len(message)):
            with pytest.raises(InvalidTag):
                receiver._receiving.decrypt_with_ad(b"", flipped(message, at)[1:])
        receiver.receive(flipped(message, 200), 0.0)
        (closed,) = receiver.events()
        assert closed.error.code is Code.TAMPERED


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


@pytest.mark.parametrize("altered", ["client", "provider", None])
def test_a_stream_whose_connection_was_altered_is_not_kept(crypto, altered):
    """Its client does not come back by itself, so its slot must be free for whoever asks next. The control: a cut."""
    pair = Pair(crypto).connect()
    stream = pair.ask()
    pair.pass_time(0.3)
    pair.engine(stream, 40)
    pair.pass_time(0.3)
    assert pair.seen(ev.Output)
    if altered is None:
        pair.provider.lost()
    pair.tamper = lambda sender, message: flipped(message, 99) if sender == altered else message
    pair.pass_time(0.6)
    assert pair.provider.closed and len(pair.shelf) == (altered is None)


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


def captured_auth(crypto, suite=SUITE) -> tuple[Pair, Auth]:
    pair = Pair(crypto, suite=suite).connect()
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


@pytest.mark.parametrize("suite", SIZES)
@pytest.mark.parametrize("elsewhere", SIZES)
def test_auth_on_another_connection(crypto, suite, elsewhere):
    _, auth = captured_auth(crypto, suite)
    assert offer_auth(Pair(crypto, suite=elsewhere), auth) is Code.BAD_SIGNATURE


@pytest.mark.parametrize("suite", SIZES)
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
def test_auth_at_another_provider_chain_or_contract(crypto, suite, where, code):
    _, auth = captured_auth(crypto, suite)
    pair = Pair(crypto, suite=suite)
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
    """Looked for: what is too long to turn up in noise by chance."""
    pair = story(Pair(crypto))
    assert any(SECRET in event.data for event in pair.seen(ev.Output))
    recorded = b"".join(message for _, message in pair.wire)
    for text in (SECRET, SECRET[:8], b"word word", pair.session_key, pair.config.signer, pair.config.root):
        assert text not in recorded


class Leaky(Seeded):
    """A crypto seat that tells its ephemeral keys."""

    def __init__(self, crypto: Crypto) -> None:
        super().__init__(crypto, crypto.random(16))
        self.ephemeral: list[bytes] = []
        self.kem: list[bytes] = []

    def x25519_keypair(self) -> tuple[bytes, bytes]:
        pair = super().x25519_keypair()
        self.ephemeral.append(pair[0])
        return pair

    def kem_keypair(self) -> tuple[bytes, bytes]:
        pair = super().kem_keypair()
        self.kem.append(pair[0])
        return pair


class Thief:
    """Somebody who recorded a session and came by keys later. `opened` counts the records that they open."""

    def __init__(self, crypto: Crypto, pair: Pair) -> None:
        self._crypto, self._pair = crypto, pair
        hello, answer = (message[1:] for _, message in pair.wire[:2])
        self._prologue, self._first = hello[:HELLO_SIZE], hello[HELLO_SIZE:]
        size = 1088 if pair.suite == SUITE else 0
        self._ciphertext, self._second = answer[:size], answer[size:]
        records = [(sender, message[1:]) for sender, message in pair.wire if message[0] == Frame.RECORD]
        sides = [[sealed for sender, sealed in records if sender == side][:6] for side in ("client", "provider")]
        self._records = [(nonce, sealed) for side in sides for nonce, sealed in enumerate(side)]
        self._info = pack_info(pair.seen(ev.Keyed)[0].info)

    def opened(self, ephemeral: list[bytes], secrets: list[bytes]) -> int:
        """Tries each pair of an X25519 key of one side's and a KEM secret, after the other."""
        return sum(self._try(one, psk) for one in ephemeral for psk in self._psks(secrets))

    def _psks(self, secrets: list[bytes]) -> list[bytes | None]:
        if not self._ciphertext:
            return [None]
        return [kem.psk_of(secret, self._kem_key(), self._ciphertext) for secret in secrets]

    def _kem_key(self) -> bytes:
        """Message 1's payload is sealed to the node's key alone, so its owner reads it: a public key, a ticket."""
        return self._handshake(NODE_KEY, None).read_message(self._first)[:1184]

    def _handshake(self, ephemeral: bytes, psk: bytes | None) -> HandshakeState:
        return HandshakeState(
            self._crypto, SUITES[self._pair.suite], initiator=False, prologue=self._prologue, s=NODE_KEY, psk=psk,
            e=ephemeral,
        )  # fmt: skip

    def _try(self, ephemeral: bytes, psk: bytes | None) -> int:
        noise = self._handshake(ephemeral, psk)
        noise.read_message(self._first)
        written = noise.write_message(self._info)
        shared = [self._crypto.x25519(ephemeral, public) for public in (self._first[:32], self._second[:32])]
        keys = [*(cipher._key for cipher in noise.split()), *shared, ephemeral, *([psk] if psk else [])]
        right = written == self._second
        opened = sum(self._opens(key, *record) for record in self._records for key in keys)
        assert right == bool(opened)
        return opened

    def _opens(self, key: bytes, nonce: int, record: bytes) -> bool:
        cipher = CipherState(self._crypto, key)
        cipher.nonce = nonce
        try:
            cipher.decrypt_with_ad(b"", record)
        except InvalidTag:
            return False
        return True


def recorded(crypto: Crypto, suite: int) -> tuple[Pair, Leaky, Leaky]:
    """A session in which both ends tell their ephemeral keys."""
    pair = Pair(crypto, suite=suite)
    pair.client.crypto, pair.provider.crypto = client, provider = Leaky(crypto), Leaky(crypto)
    return story(pair), client, provider


def kept(crypto: Crypto, pair: Pair) -> list[bytes]:
    """Every key that outlives the session, and one that does not exist."""
    return [NODE_KEY, pair.session_key, OPERATOR_KEY, crypto.x25519_keypair()[0]]


@pytest.mark.parametrize("suite", SIZES)
def test_recorded_sessions_stay_shut_with_every_long_term_key(crypto, suite):
    """With the node's key, the operator's and the session key message 1's payload opens, nothing else."""
    pair, _, _ = recorded(crypto, suite)
    held = kept(crypto, pair)
    thief = Thief(crypto, pair)
    seeds = [crypto.kem_decapsulate(key + other, thief._ciphertext) for key in held for other in held[:1] if suite == 2]
    assert thief.opened(held, [*held, *seeds, bytes(32)]) == 0


@pytest.mark.parametrize("suite", SIZES)
def test_the_control_opens_with_the_ephemeral_keys(crypto, suite):
    """The same thief, given what is never kept: now records open. So the test above can fail."""
    pair, client, provider = recorded(crypto, suite)
    thief = Thief(crypto, pair)
    secrets = [crypto.kem_decapsulate(seed, thief._ciphertext) for seed in client.kem]
    assert len(secrets) == (suite == SUITE)
    assert thief.opened(provider.ephemeral, secrets) > 4


def test_either_half_of_the_hybrid_keeps_it_shut(crypto):
    """Who breaks X25519 one day lacks the KEM's secret; who breaks ML-KEM lacks the ephemeral keys."""
    pair, client, provider = recorded(crypto, SUITE)
    thief, held = Thief(crypto, pair), kept(crypto, pair)
    secrets = [crypto.kem_decapsulate(seed, thief._ciphertext) for seed in client.kem]
    assert thief.opened([*provider.ephemeral, *client.ephemeral], [*held, bytes(32)]) == 0
    assert thief.opened(held, secrets) == 0
