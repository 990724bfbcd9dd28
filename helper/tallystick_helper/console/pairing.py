"""How a browser comes to speak for the person at this machine (protocol.md, section 8).

The node prints an address with a secret behind its `#`, which no log and no Referer ever has: 128 bits, good once and
for a minute. The console exchanges it for a bearer of 256 bits, which it keeps in its memory alone. Nothing of this is
written to a disk: a restart of the node and a reload of the page both end it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from tallystick_shared.errors import Code, LocalError

SECRET_BYTES, BEARER_BYTES = 16, 32
SECRET_LIFE = 60.0
"""Seconds for which a pairing secret is good."""
BEARER_LIFE = 12 * 3600.0
"""Seconds after which a console has to pair again."""
OWNER_LIFE = 30 * 60.0
"""Seconds for which a sign-in by the owner counts."""
MOST_SECRETS, MOST_BEARERS = 8, 16
"""One more makes the oldest one worthless."""


@dataclass
class Session:
    """One paired console. `owners` has, by chain, who signed in as its provider's owner and until when (by the clock of
    the pairing).
    """

    digest: bytes
    until: float
    owners: dict[str, tuple[bytes, float]]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class Pairing:
    """Secrets and bearers, as digests. `clock` gives seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._secrets: list[tuple[bytes, float]] = []
        self._sessions: list[Session] = []

    def offer(self) -> str:
        """A new secret, as text for an address."""
        text = secrets.token_urlsafe(SECRET_BYTES)
        self._sweep()
        self._secrets = [*self._secrets, (_digest(text), self.clock() + SECRET_LIFE)][-MOST_SECRETS:]
        return text

    def redeem(self, secret: str) -> str:
        """A bearer for a secret, which is worth nothing from here on. Raises LocalError PAIRING_OVER."""
        self._sweep()
        given, found = _digest(secret), None
        for entry in self._secrets:  # all of them, so that the time tells nothing
            if hmac.compare_digest(entry[0], given):
                found = entry
        if found is None:
            raise LocalError(Code.PAIRING_OVER)
        self._secrets.remove(found)
        bearer = secrets.token_urlsafe(BEARER_BYTES)
        session = Session(_digest(bearer), self.clock() + BEARER_LIFE, {})
        self._sessions = [*self._sessions, session][-MOST_BEARERS:]
        return bearer

    def session(self, authorization: str | None) -> Session:
        """Whose `Authorization` header this is. Raises LocalError NOT_PAIRED."""
        self._sweep()
        scheme, _, given = (authorization or "").partition(" ")
        digest, found = _digest(given.strip()), None
        for session in self._sessions:
            if hmac.compare_digest(session.digest, digest):
                found = session
        if found is None or scheme.lower() != "bearer":
            raise LocalError(Code.NOT_PAIRED)
        return found

    def leave(self, session: Session) -> None:
        """Its bearer opens nothing any more."""
        self._sessions = [other for other in self._sessions if other is not session]

    @property
    def paired(self) -> int:
        """Consoles that are paired now."""
        self._sweep()
        return len(self._sessions)

    def _sweep(self) -> None:
        now = self.clock()
        self._secrets = [entry for entry in self._secrets if entry[1] > now]
        self._sessions = [session for session in self._sessions if session.until > now]
