"""Sign-in by the provider's owner (EIP-4361), before anything that moves money or changes the offer.

The node makes the message and keeps it; the owner's wallet signs it. What comes back is read line by line and held
against what was made: its domain and URI must be this listener's own, because a wallet warns of another one but lets
the person go on. A nonce is good once, for five minutes, and for the console alone that asked for it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import checksum, to_bytes

from .pairing import OWNER_LIFE, Session

NONCE_BYTES = 16
LIFE = 5 * 60
"""Seconds for which a message can be signed."""
MOST_WAITING = 64
STATEMENT = "Sign in to this node's console as the owner of the provider. This sends no transaction and costs nothing."
_SHAPE = re.compile(
    r"(?P<domain>[^\s]+) wants you to sign in with your Ethereum account:\n(?P<account>0x[0-9a-fA-F]{40})\n\n"
    r"(?P<statement>[^\n]*)\n\nURI: (?P<uri>[^\n]+)\nVersion: (?P<version>[^\n]+)\nChain ID: (?P<chain>[0-9]{1,20})\n"
    r"Nonce: (?P<nonce>[0-9A-Za-z]{8,64})\nIssued At: (?P<issued>[^\n]+)\nExpiration Time: (?P<until>[^\n]+)"
)


class Owners(Protocol):
    """Who the owner is, on each chain by its name here."""

    def chains(self) -> list[str]:
        """The names of all chains in the settings; the first one's is empty."""

    def announced(self, chain: str) -> tuple[int, bytes] | None:
        """The chain's id and the provider's address, as announced by this node; None where it was not yet. Raises
        LocalError BAD_SETTINGS where there is no such chain.
        """

    async def registered(self, chain: str, owner: bytes) -> bool:
        """Does the registry on chain have this provider now? Raises TallystickError, RpcError."""


@dataclass(frozen=True)
class _Asked:
    """A message that waits for its signature. `until` is Unix seconds."""

    text: str
    chain: str
    chain_id: int
    owner: bytes
    session: bytes
    until: int


class SignIn:
    """`now` gives Unix seconds, for the message; a sign-in's own time runs by `clock`, the pairing's."""

    def __init__(
        self,
        crypto: Crypto,
        owners: Owners,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._crypto, self._owners, self._clock, self._now = crypto, owners, clock, now
        self._asked: dict[str, _Asked] = {}

    async def message(self, session: Session, domain: str, chain: str, account: str) -> str:
        """What `account` has to sign to be taken for the owner on that chain. `domain` is the Host of the request,
        which is one of the listener's own. Raises LocalError NOT_OWNER, NOT_REGISTERED.
        """
        found = self._owners.announced(chain)
        if found is None:
            raise LocalError(Code.NOT_REGISTERED, reason="this node is not announced there yet")
        chain_id, owner = found
        if _address(account) != owner or not await self._owners.registered(chain, owner):
            raise LocalError(Code.NOT_OWNER, owner="0x" + owner.hex())
        now, nonce = int(self._now()), secrets.token_hex(NONCE_BYTES)
        text = (
            f"{domain} wants you to sign in with your Ethereum account:\n{checksum(self._crypto.keccak256, owner)}\n\n"
            f"{STATEMENT}\n\nURI: http://{domain}/\nVersion: 1\nChain ID: {chain_id}\nNonce: {nonce}\n"
            f"Issued At: {_stamp(now)}\nExpiration Time: {_stamp(now + LIFE)}"
        )
        self._sweep(now)
        while len(self._asked) >= MOST_WAITING:
            del self._asked[next(iter(self._asked))]
        self._asked[nonce] = _Asked(text, chain, chain_id, owner, session.digest, now + LIFE)
        return text

    async def accept(self, session: Session, domain: str, text: str, signature: str) -> str:
        """Signs the session in; returns the chain's name. Raises LocalError BAD_SIGN_IN with the reason, NOT_OWNER."""
        said = _SHAPE.fullmatch(text)
        if said is None:
            raise _bad("message")
        asked = self._asked.pop(said["nonce"], None)  # whatever is wrong with it, it is not tried twice
        self._check(said, asked, session, domain)
        assert asked is not None
        if self._signer(text, signature) != asked.owner:
            raise _bad("signature")
        # It may have left, or another one been announced, meanwhile.
        same = self._owners.announced(asked.chain) == (asked.chain_id, asked.owner)
        if not same or not await self._owners.registered(asked.chain, asked.owner):
            raise LocalError(Code.NOT_OWNER, owner="0x" + asked.owner.hex())
        session.owners[asked.chain] = (asked.owner, self._clock() + OWNER_LIFE)
        return asked.chain

    def _check(self, said: re.Match[str], asked: _Asked | None, session: Session, domain: str) -> None:
        if said["domain"] != domain:
            raise _bad("domain")
        if said["uri"] != f"http://{domain}/":
            raise _bad("uri")
        if asked is None or asked.session != session.digest:
            raise _bad("nonce")
        if asked.until <= self._now():
            raise _bad("time")
        if said["chain"] != str(asked.chain_id):
            raise _bad("chain")
        if said["account"].lower() != "0x" + asked.owner.hex():
            raise _bad("account")
        if said[0] != asked.text:
            raise _bad("message")

    def _signer(self, text: str, signature: str) -> bytes | None:
        """By EIP-191, version 0x45. Some wallets count v from 0."""
        data = text.encode()
        digest = self._crypto.keccak256(b"\x19Ethereum Signed Message:\n%d" % len(data) + data)
        try:
            given = to_bytes(signature)
            if len(given) == 65 and given[64] < 2:
                given = given[:64] + bytes([given[64] + 27])
            return self._crypto.secp256k1_recover(digest, given)
        except ValueError:
            return None

    def check(self, session: Session, chain: str | None) -> None:
        """Is this console signed in as the owner on that chain? Where this node is not announced there, and for what
        concerns the whole process (None), the owner on the first chain that it is announced on has to be. A node that
        is announced nowhere has no owner yet, and its bearer is enough. Raises LocalError OWNER_NEEDED, BAD_SETTINGS
        where there is no such chain.
        """
        if chain is None or self._owners.announced(chain) is None:
            chain = next((name for name in self._owners.chains() if self._owners.announced(name)), None)
        found = self._owners.announced(chain) if chain is not None else None
        if found is not None and chain is not None and not self.signed_in(session, chain):
            raise LocalError(Code.OWNER_NEEDED, chain=chain, owner="0x" + found[1].hex())

    def rules(self, session: Session) -> bool:
        """May this console change what all chains share, as `check` with None has it?"""
        try:
            self.check(session, None)
        except LocalError:
            return False
        return True

    def signed_in(self, session: Session, chain: str) -> bool:
        """As the owner that is announced on that chain now."""
        found = self._owners.announced(chain)
        owner, until = session.owners.get(chain, (b"", 0.0))
        return found is not None and owner == found[1] and until > self._clock()

    def owners_of(self, session: Session) -> dict[str, bytes]:
        """As whom this console is signed in, by chain."""
        return {name: session.owners[name][0] for name in self._owners.chains() if self.signed_in(session, name)}

    def _sweep(self, now: int) -> None:
        self._asked = {nonce: asked for nonce, asked in self._asked.items() if asked.until > now}


def _bad(reason: str) -> LocalError:
    return LocalError(Code.BAD_SIGN_IN, reason=reason)


def _address(text: str) -> bytes | None:
    try:
        return to_bytes(text)
    except ValueError:
        return None


def _stamp(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
