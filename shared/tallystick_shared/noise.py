"""The Noise protocol framework, revision 34, as far as Tallystick uses it.

Names follow the specification: `CipherState` (section 5.1), `SymmetricState` (5.2), `HandshakeState` (5.3). The
handshake is read from a
table of message patterns, so that a pattern is a row and not code. Suite 1 is `Noise_NK_25519_ChaChaPoly_BLAKE2s`:
the initiator is
anonymous, the responder's static key is known beforehand (from the chain).
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Literal

from .crypto import Crypto

Token = Literal["e", "s", "ee", "es", "se", "ss"]

NK = "Noise_NK_25519_ChaChaPoly_BLAKE2s"

# pattern name -> (pre-message of the responder, message patterns alternating initiator, responder, …)
PATTERNS: dict[str, tuple[tuple[Token, ...], tuple[tuple[Token, ...], ...]]] = {
    NK: (("s",), (("e", "es"), ("e", "ee"))),
}

MAX_NONCE = 2**64 - 1


def _hash(data: bytes) -> bytes:
    return hashlib.blake2s(data).digest()


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "blake2s")


def _hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """HKDF with two outputs (section 4.3)."""
    secret = _hmac(chaining_key, material)
    first = _hmac(secret, b"\x01")
    return first, _hmac(secret, first + b"\x02")


class CipherState:
    """One direction of encryption: a key (32) and a counter that is the nonce."""

    def __init__(self, crypto: Crypto, key: bytes) -> None:
        self._crypto = crypto
        self._key = key
        self.nonce = 0

    @staticmethod
    def _format(nonce: int) -> bytes:
        return b"\0\0\0\0" + struct.pack("<Q", nonce)

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        """Ciphertext, 16 bytes longer. Raises OverflowError when the counter is used up."""
        if self.nonce >= MAX_NONCE:
            raise OverflowError("nonce exhausted")
        sealed = self._crypto.seal(self._key, self._format(self.nonce), ad, plaintext)
        self.nonce += 1
        return sealed

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        """Plaintext. Raises InvalidTag, and then leaves the counter where it was."""
        if self.nonce >= MAX_NONCE:
            raise OverflowError("nonce exhausted")
        opened = self._crypto.open(self._key, self._format(self.nonce), ad, ciphertext)
        self.nonce += 1
        return opened

    def rekey(self) -> None:
        """Section 4.2: the new key is the encryption of zeros under the largest nonce."""
        self._key = self._crypto.seal(self._key, self._format(MAX_NONCE), b"", bytes(32))[:32]


class SymmetricState:
    """The chaining key, the transcript hash and, once keys are mixed, a cipher."""

    def __init__(self, crypto: Crypto, protocol_name: str) -> None:
        name = protocol_name.encode("ascii")
        self._crypto = crypto
        self._h = name.ljust(32, b"\0") if len(name) <= 32 else _hash(name)
        self._ck = self._h
        self._cipher: CipherState | None = None

    def mix_hash(self, data: bytes) -> None:
        self._h = _hash(self._h + data)

    def mix_key(self, material: bytes) -> None:
        self._ck, key = _hkdf(self._ck, material)
        self._cipher = CipherState(self._crypto, key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        sealed = self._cipher.encrypt_with_ad(self._h, plaintext) if self._cipher else plaintext
        self.mix_hash(sealed)
        return sealed

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        opened = self._cipher.decrypt_with_ad(self._h, ciphertext) if self._cipher else ciphertext
        self.mix_hash(ciphertext)
        return opened

    def split(self) -> tuple[CipherState, CipherState]:
        first, second = _hkdf(self._ck, b"")
        return CipherState(self._crypto, first), CipherState(self._crypto, second)

    def get_handshake_hash(self) -> bytes:
        return self._h


class HandshakeState:
    """One side of a handshake. `write_message` and `read_message` alternate until `finished`, then `split`.

    `s` is this side's static private key, `rs` the remote static public key where the pattern knows it beforehand.
    `e` hands in an
    ephemeral private key: for test vectors only.
    """

    def __init__(
        self,
        crypto: Crypto,
        protocol_name: str,
        *,
        initiator: bool,
        prologue: bytes = b"",
        s: bytes | None = None,
        rs: bytes | None = None,
        e: bytes | None = None,
    ) -> None:
        pre_message, self._messages = PATTERNS[protocol_name]
        self._crypto = crypto
        self._initiator = initiator
        self._s, self._rs, self._e = s, rs, e
        self._re: bytes | None = None
        self._turn = 0
        self._symmetric = SymmetricState(crypto, protocol_name)
        self._symmetric.mix_hash(prologue)
        if "s" in pre_message:
            self._symmetric.mix_hash(self._known(rs) if initiator else crypto.x25519_public(self._known(s)))

    @staticmethod
    def _known(key: bytes | None) -> bytes:
        if key is None:
            raise ValueError("a key that the pattern needs is missing")
        return key

    @property
    def finished(self) -> bool:
        return self._turn == len(self._messages)

    def _dh(self, token: Token) -> bytes:
        """`es` means the initiator's ephemeral with the responder's static; each side uses the half it holds."""
        mine, theirs = (token[0], token[1]) if self._initiator else (token[1], token[0])
        private = self._known(self._e if mine == "e" else self._s)
        public = self._known(self._re if theirs == "e" else self._rs)
        return self._crypto.x25519(private, public)

    def _next(self, mine: bool) -> tuple[Token, ...]:
        if self.finished or (self._turn % 2 == 0) != (self._initiator == mine):
            raise ValueError("not this side's turn in the handshake")
        self._turn += 1
        return self._messages[self._turn - 1]

    def write_message(self, payload: bytes) -> bytes:
        """The next handshake message of this side, with `payload` encrypted as far as keys exist."""
        out = b""
        for token in self._next(mine=True):
            if token == "e":
                if self._e is None:
                    self._e, public = self._crypto.x25519_keypair()
                else:
                    public = self._crypto.x25519_public(self._e)
                out += public
                self._symmetric.mix_hash(public)
            elif token == "s":
                out += self._symmetric.encrypt_and_hash(self._crypto.x25519_public(self._known(self._s)))
            else:
                self._symmetric.mix_key(self._dh(token))
        return out + self._symmetric.encrypt_and_hash(payload)

    def read_message(self, message: bytes) -> bytes:
        """The payload of the peer's next message. Raises InvalidTag or ValueError; the handshake is dead then."""
        for token in self._next(mine=False):
            if token == "e":
                self._re, message = message[:32], message[32:]
                if len(self._re) != 32:
                    raise ValueError("handshake message too short")
                self._symmetric.mix_hash(self._re)
            elif token == "s":
                size = 48 if self._symmetric._cipher else 32
                self._rs = self._symmetric.decrypt_and_hash(message[:size])
                message = message[size:]
            else:
                self._symmetric.mix_key(self._dh(token))
        return self._symmetric.decrypt_and_hash(message)

    def split(self) -> tuple[CipherState, CipherState]:
        """(sending, receiving) ciphers of this side."""
        if not self.finished:
            raise ValueError("handshake is not finished")
        first, second = self._symmetric.split()
        return (first, second) if self._initiator else (second, first)

    def get_handshake_hash(self) -> bytes:
        """The transcript hash (32), a name for this very connection (channel binding, section 11.2)."""
        return self._symmetric.get_handshake_hash()
