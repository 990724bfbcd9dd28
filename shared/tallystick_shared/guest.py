"""Asking a provider for what it gives to anybody: a snapshot of the market, the channels that a payer opened, its
advert.

Runs over the same seats as `user`, in the page and at a terminal. The connection leads to the key that the provider's
checked profile names, or nothing is asked. What comes back is still only that provider's word.
"""

from __future__ import annotations

from .advert import MAX_ADVERT, Advert, AdvertBook
from .advert import SERVICE as ADVERT
from .chains import Deployment
from .crypto import Crypto
from .errors import Code, PeerError, TallystickError
from .market import Listing
from .messages import encode
from .profile import Profile
from .reach import MAX_ANSWER as MAX_REACH
from .reach import SERVICE as REACH
from .reach import ReachAnswer, ReachAsk
from .reach import read_answer as read_reach
from .records import Hello
from .recovery import MAX_BYTES, OpenedAsk, OpenedRecord, read_opened
from .recovery import SERVICE as OPENED
from .session.guest import GuestSession, Question, Signer
from .snapshot import SERVICE as SNAPSHOT
from .snapshot import SnapshotAsk
from .user_seats import Host, Socket, SocketClosed

TIMEOUT = 30.0
SILENCE = 10.0
MAX_ANSWERS = 4


async def fetch(
    crypto: Crypto, host: Host, where: Deployment, listing: Listing, question: Question, timeout: float = TIMEOUT
) -> bytes:
    """The answer's bytes, at most `question.most`, within so many seconds. Raises PeerError with the provider's or
    the network's reason; BAD_PROFILE, BAD_SUITE where the listing cannot be used.
    """
    profile = listing.usable()
    hello = Hello(where.chain_id, where.registry, listing.provider)
    session = GuestSession(crypto, hello, profile.node_key, question, Signer(profile.operator, where.channels))
    if profile.least_suite > hello.suite:
        raise PeerError(Code.BAD_SUITE, suite=profile.least_suite)
    session.start()
    socket = await _dial(host, profile)
    try:
        await _drive(session, socket, host, timeout)
    finally:
        await socket.close()
    if session.answer is None:
        raise session.error or PeerError(Code.TRUNCATED)
    return session.answer


async def _dial(host: Host, profile: Profile) -> Socket:
    error: TallystickError = PeerError(Code.PROVIDER_GONE)
    for endpoint in profile.endpoints:
        try:
            return await host.dial(endpoint)
        except TallystickError as failed:
            error = failed
    raise error


async def _drive(session: GuestSession, socket: Socket, host: Host, timeout: float) -> None:
    """Until the session is over, or time is."""
    end = host.monotonic() + timeout
    try:
        while True:
            for message in session.outgoing():
                await socket.send(message)
            if session.closed:
                return
            now = host.monotonic()
            answer = await socket.receive(max(0.0, min(SILENCE, end - now)))
            if answer is None:
                session.lost(PeerError(Code.TIMED_OUT))
            else:
                session.receive(answer, host.monotonic())
            if host.monotonic() > end:
                session.lost(PeerError(Code.TIMED_OUT))
    except SocketClosed:
        session.lost(PeerError(Code.TRUNCATED))


async def fetch_snapshot(
    crypto: Crypto, host: Host, where: Deployment, listing: Listing, ask: SnapshotAsk, most: int
) -> bytes:
    """A snapshot's bytes, for `market_reader`. Raises PeerError like `fetch`."""
    return await fetch(crypto, host, where, listing, Question(SNAPSHOT, encode(ask), most))


async def fetch_opened(
    crypto: Crypto, host: Host, where: Deployment, listing: Listing, payer: bytes
) -> list[OpenedRecord]:
    """What a provider's node knows of a payer's channels, newest first, at most 2,000; for `recovery.recover`, which
    checks them. It learns who asks. Raises PeerError like `fetch`.
    """
    records: list[OpenedRecord] = []
    for _ in range(MAX_ANSWERS):
        question = Question(OPENED, encode(OpenedAsk(payer, len(records))), MAX_BYTES)
        answer = read_opened(await fetch(crypto, host, where, listing, question), where, payer)
        records += answer.records
        if not answer.records or len(records) >= answer.count:
            break
    return records


async def fetch_advert(crypto: Crypto, host: Host, where: Deployment, listing: Listing, book: AdvertBook) -> Advert:
    """What a provider says of its load now. Raises PeerError like `fetch` and `AdvertBook.read`."""
    blob = await fetch(crypto, host, where, listing, Question(ADVERT, b"", MAX_ADVERT))
    return book.read(listing.provider, listing.usable(), blob, host.wall())


async def fetch_reach(crypto: Crypto, host: Host, where: Deployment, listing: Listing, ask: ReachAsk) -> ReachAnswer:
    """Whether that provider's node can reach whom `ask` names. Raises PeerError like `fetch`."""
    return read_reach(await fetch(crypto, host, where, listing, Question(REACH, encode(ask), MAX_REACH)))
