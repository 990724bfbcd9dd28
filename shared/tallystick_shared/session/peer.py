"""What both ends of a connection share: frames, records, the cadence, and how it all ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Protocol, TypeVar

from tallystick_shared import limits
from tallystick_shared.crypto import Crypto, InvalidTag
from tallystick_shared.errors import WIRE_CODES_END, Code, PeerError, TallystickError, code_of
from tallystick_shared.messages import BODIES, TYPES, Body, Bye, Error, Ping, amount_bytes, decode, encode_body
from tallystick_shared.noise import CipherState, HandshakeState
from tallystick_shared.records import MAX_MESSAGE, Frame, Record, Type, decode_record, encode_record, size_for

from .events import Closed, Event
from .greeting import Opening
from .rekey import KeyAge
from .shape import Beat, Cadence
from .tables import ANY_TIME, ENDED, ConnectionState, StreamState, advance

PAD = Record(Type.PAD, 0, b"")
KEPT_STREAMS = 64
MAX_QUEUE = limits.RECORD_QUEUE.value  # records that wait for a beat; only a peer that floods brings so many about


class HasState(Protocol):
    state: StreamState


Stream = TypeVar("Stream", bound=HasState)


def forget_ended(streams: dict[int, Stream], keep: int) -> list[Stream]:
    """Drops the oldest ended streams beyond 64, and returns them; the newest are kept for records that arrive late."""
    ended = [number for number, held in streams.items() if held.state in ENDED and number != keep]
    return [streams.pop(number) for number in ended[:-KEPT_STREAMS]]


class Peer:
    """One end of a connection. The roles derive from it."""

    connection_table: Mapping[tuple[ConnectionState, Type], ConnectionState]
    stream_table: Mapping[tuple[StreamState, Type], StreamState]

    def __init__(self, crypto: Crypto, beat: Beat) -> None:
        self.crypto = crypto
        self.state = ConnectionState.NEW
        self.handshake_hash = b""
        self.now = 0.0
        self._opening: Opening | None = None
        self.heard = 0.0
        """When the last record came that said anything: PAD, PING, PONG and REKEY do not."""
        self._sending: CipherState | None = None
        self._receiving: CipherState | None = None
        self._sent, self._received = KeyAge(), KeyAge()
        self._cadence = Cadence(beat)
        self._queue: deque[Record] = deque()
        self._out: list[bytes] = []
        self._events: list[Event] = []

    # -- the driver's side

    @property
    def closed(self) -> bool:
        return self.state is ConnectionState.CLOSED

    def outgoing(self) -> list[bytes]:
        """WebSocket messages to send now, in this order."""
        out, self._out = self._out, []
        return out

    def events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def receive(self, message: bytes, now: float) -> None:
        """One WebSocket message from the peer. A fault of the peer ends the session with a `Closed` event; nothing
        is raised for it.
        """
        self.now = now
        if self.closed:
            return
        try:
            if not message or len(message) > MAX_MESSAGE:
                raise PeerError(Code.TOO_LARGE if message else Code.BAD_MESSAGE, size=len(message))
            self._frame(message[0], message[1:])
            if len(self._queue) > MAX_QUEUE:
                raise PeerError(Code.TOO_LARGE, queue=len(self._queue))
        except PeerError as error:
            self._fault(error)

    def tick(self, now: float) -> None:
        """Lets time pass: sends what is due at this beat."""
        self.now = now
        if not self.closed:
            try:
                self._time_passed()
            except PeerError as error:
                self._fault(error)

    def next_deadline(self) -> float | None:
        """When `tick` is wanted next; None where nothing waits for time."""
        return self._cadence.next if self._cadence.running and not self.closed else None

    def lost(self, error: TallystickError | None = None) -> None:
        """The socket is gone without a goodbye."""
        if not self.closed:
            self._end(error or PeerError(Code.TRUNCATED))

    def bye(self, code: int = 0) -> None:
        """Says goodbye, where a key exists, and closes."""
        if not self.closed:
            if self._sending is not None:
                self._post(Bye(code), at_once=True)
            self._end(None)

    # -- frames

    def _frame(self, kind: int, body: bytes) -> None:
        if kind == Frame.RECORD and self._receiving is not None:
            try:
                plaintext = self._receiving.decrypt_with_ad(b"", body)
            except InvalidTag:
                raise PeerError(Code.TAMPERED) from None
            self._received.records += 1
            if self._received.overdue:
                raise PeerError(Code.PROTOCOL, records=self._received.records)
            self._record(decode_record(plaintext))
        else:
            self._greeting(kind, body)

    def _greeting(self, kind: int, body: bytes) -> None:
        raise PeerError(Code.PROTOCOL, frame=kind)

    def _record(self, record: Record) -> None:
        try:
            kind = Type(record.type)
        except ValueError:
            if record.type >= 0x80:
                return
            raise PeerError(Code.PROTOCOL, type=record.type) from None
        self.state = advance(self.connection_table, self.state, kind)
        if kind is Type.PAD:
            return
        if kind not in ANY_TIME:
            self.heard = self.now
        if kind is Type.REKEY:
            self._renew_receiving(record)
            return
        known = BODIES.get(kind)
        if known is None:
            raise PeerError(Code.PROTOCOL, type=kind.name)
        body = decode(known, record.body)
        if kind is Type.PING and isinstance(body, Ping):
            self._later(Record(Type.PONG, 0, record.body))
        elif isinstance(body, Bye):
            self._end(PeerError(code_of(body.code)) if body.code else None)
        elif kind is not Type.PONG:
            self._handle(record.stream, body)

    def _renew_receiving(self, record: Record) -> None:
        assert self._receiving is not None
        if record.stream or record.body:
            raise PeerError(Code.BAD_MESSAGE, type=Type.REKEY.name)
        self._receiving.rekey()
        self._received = KeyAge(self.now)

    def _handle(self, stream: int, body: Body) -> None:
        raise PeerError(Code.PROTOCOL, type=type(body).__name__)

    # -- sending

    def _start_transport(self, handshake: HandshakeState) -> None:
        self._sending, self._receiving = handshake.split()
        self._sent, self._received = KeyAge(self.now), KeyAge(self.now)
        self.handshake_hash = handshake.get_handshake_hash()
        self._opening = None

    def _post(self, body: Body, stream: int = 0, *, at_once: bool = False, size: int = 0) -> None:
        """Sends a body now, or at the next beat while the cadence runs."""
        record = Record(TYPES[type(body)], stream, encode_body(body))
        if at_once:
            self._send(record, size)
        else:
            self._later(record, size)

    def _later(self, record: Record, size: int = 0) -> None:
        """Sends at the next beat that is free; at once where the cadence rests."""
        if self._cadence.running:
            self._queue.append(record)
        else:
            self._send(record, size)

    def _send(self, record: Record, size: int = 0) -> None:
        """Sends now. Whatever leaves while the cadence runs has at least its size. Before it goes a REKEY that looks
        the same, where the key has served long enough.
        """
        size = max(size, size_for(len(record.body)), self._cadence.beat.size if self._cadence.running else 0)
        if self._sent.due(self.now):
            self._rekey(size)
        self._seal(record, size)

    def _seal(self, record: Record, size: int) -> None:
        assert self._sending is not None
        sealed = self._sending.encrypt_with_ad(b"", encode_record(record, size))
        self._out.append(bytes([Frame.RECORD]) + sealed)
        self._sent.records += 1

    def _rekey(self, size: int) -> None:
        """The last record under this key."""
        assert self._sending is not None
        self._seal(Record(Type.REKEY, 0, b""), size)
        self._sending.rekey()
        self._sent = KeyAge(self.now)

    def _time_passed(self) -> None:
        if not self._cadence.due(self.now):
            return
        if self._sent.due(self.now):
            self._rekey(self._cadence.beat.size)
        else:
            self._send(self._next_record() or PAD)

    def more(self, now: float) -> bool:
        """For a driver whose send queue has room: sends one record ahead of its beat where the class goes at full
        rate and one is full. True if it did.
        """
        return False

    def _next_record(self) -> Record | None:
        """What leaves at this beat: what waits in order, else a filler."""
        return self._queue.popleft() if self._queue else self._filler()

    def _filler(self) -> Record | None:
        """Something to send at a beat for which no record waits; None sends an empty one."""
        return None

    def _flush(self) -> None:
        """Sends what waits, ahead of its beat: only when the connection ends."""
        while self._queue:
            self._send(self._queue.popleft())

    # -- endings

    def _refuse_with(self, stream: int, error: TallystickError, owed: int, *, retry_after_ms: int = 0) -> None:
        self._post(self._refusal_body(error, owed, retry_after_ms), stream)

    @staticmethod
    def _refusal_body(error: TallystickError, owed: int, retry_after_ms: int) -> Error:
        retryable = retry_after_ms > 0 or error.code in RETRYABLE
        wire = error.code if error.code < WIRE_CODES_END else Code.ENGINE_FAILED
        return Error(wire, retryable, retry_after_ms, amount_bytes(owed), error.says[:200])

    def _fault(self, error: PeerError) -> None:
        """The peer broke a rule: tell it, if a key exists, and close."""
        if self._sending is not None:
            self._refuse_with(0, error, 0)
        self._end(error)

    def _end(self, error: TallystickError | None) -> None:
        if self._sending is not None:
            self._flush()
        self.state = ConnectionState.CLOSED
        self._cadence.stop()
        self._events.append(Closed(error))


RETRYABLE = frozenset(
    {Code.UNKNOWN_CHANNEL, Code.UNCONFIRMED, Code.BUSY, Code.TOO_MANY_CONNECTIONS, Code.TIMED_OUT, Code.ENGINE_FAILED}
)
