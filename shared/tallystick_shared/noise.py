"""The Noise protocol framework, revision 34, for 25519 and ChaChaPoly.

Names follow the specification: `CipherState` (section 5.1), `SymmetricState` (5.2), `HandshakeState` (5.3). A protocol
is named as in section 8, `Noise_NKpsk2_25519_ChaChaPoly_BLAKE2s` for one: its pattern is a row of `PATTERNS`, its
hash a row of `HASHES`. Nothing here knows Tallystick.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .crypto import Crypto

Token = Literal["e", "s", "ee", "es", "se", "ss", "psk"]
Message = tuple[Token, ...]

KEY_SIZE = DH_SIZE = 32
TAG_SIZE = 16
MAX_NONCE = 2**64 - 1
MAX_MESSAGE = 65_535  # section 3

HASHES = {"BLAKE2s": "blake2s", "BLAKE2b": "blake2b", "SHA256": "sha256"}
"""The specification's name of a hash, and hashlib's."""


@dataclass(frozen=True)
class Pattern:
    """A handshake pattern (section 7): whose static keys the other side knows beforehand, then the messages in turn,
    the initiator's first.
    """

    responder_known: bool
    messages: tuple[Message, ...]

    @property
    def has_psk(self) -> bool:
        return any("psk" in message for message in self.messages)


PATTERNS: dict[str, Pattern] = {
    "NK": Pattern(True, (("e", "es"), ("e", "ee"))),
    "NKpsk0": Pattern(True, (("psk", "e", "es"), ("e", "ee"))),
    "NKpsk2": Pattern(True, (("e", "es"), ("e", "ee", "psk"))),
    "IK": Pattern(True, (("e", "es", "s", "ss"), ("e", "ee", "se"))),
    "XK": Pattern(True, (("e", "es"), ("e", "ee"), ("s", "se"))),
    "XX": Pattern(False, (("e",), ("e", "ee", "s", "es"), ("s", "se"))),
}


class CipherState:
    """One direction of encryption: a key (32, or none yet) and a counter that is the nonce."""

    def __init__(self, crypto: Crypto, key: bytes | None = None) -> None:
        self._crypto = crypto
        self.initialize_key(key)

    def initialize_key(self, key: bytes | None) -> None:
        self._key = key
        self.nonce = 0

    def has_key(self) -> bool:
        return self._key is not None

    @staticmethod
    def _format(nonce: int) -> bytes:
        """ChaChaPoly's 96 bits (section 12.3)."""
        return b"\0\0\0\0" + struct.pack("<Q", nonce)

    def encrypt_with_ad(self, ad: bytes, plaintext: bytes) -> bytes:
        """Ciphertext, 16 bytes longer; the plaintext itself while there is no key. Raises OverflowError when the
        counter is used up.
        """
        if self._key is None:
            return plaintext
        if self.nonce >= MAX_NONCE:
            raise OverflowError("nonce exhausted")
        sealed = self._crypto.seal(self._key, self._format(self.nonce), ad, plaintext)
        self.nonce += 1
        return sealed

    def decrypt_with_ad(self, ad: bytes, ciphertext: bytes) -> bytes:
        """Plaintext. Raises InvalidTag, and then leaves the counter where it was."""
        if self._key is None:
            return ciphertext
        if self.nonce >= MAX_NONCE:
            raise OverflowError("nonce exhausted")
        opened = self._crypto.open(self._key, self._format(self.nonce), ad, ciphertext)
        self.nonce += 1
        return opened

    def rekey(self) -> None:
        """Section 4.2: the new key is the encryption of zeros under the largest nonce. The counter goes on."""
        if self._key is None:
            raise ValueError("there is no key to renew")
        self._key = self._crypto.seal(self._key, self._format(MAX_NONCE), b"", bytes(KEY_SIZE))[:KEY_SIZE]


class SymmetricState:
    """The chaining key, the transcript hash and a cipher."""

    def __init__(self, crypto: Crypto, protocol_name: str, hash_name: str) -> None:
        """`initialize_symmetric` of the specification."""
        self._hash_name = HASHES[hash_name]
        self._size = hashlib.new(self._hash_name).digest_size
        name = protocol_name.encode("ascii")
        self._crypto = crypto
        self._h = name.ljust(self._size, b"\0") if len(name) <= self._size else self._hash(name)
        self._ck = self._h
        self.cipher = CipherState(crypto)

    def _hash(self, data: bytes) -> bytes:
        return hashlib.new(self._hash_name, data).digest()

    def _hkdf(self, material: bytes, outputs: int) -> Iterator[bytes]:
        """HKDF (section 4.3) over the chaining key."""
        secret = hmac.digest(self._ck, material, self._hash_name)
        block = b""
        for number in range(1, outputs + 1):
            block = hmac.digest(secret, block + bytes([number]), self._hash_name)
            yield block

    def mix_key(self, material: bytes) -> None:
        self._ck, key = self._hkdf(material, 2)
        self.cipher.initialize_key(key[:KEY_SIZE])

    def mix_hash(self, data: bytes) -> None:
        self._h = self._hash(self._h + data)

    def mix_key_and_hash(self, material: bytes) -> None:
        """For a psk: key, chaining key and transcript all follow from it."""
        self._ck, seen, key = self._hkdf(material, 3)
        self.mix_hash(seen)
        self.cipher.initialize_key(key[:KEY_SIZE])

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        sealed = self.cipher.encrypt_with_ad(self._h, plaintext)
        self.mix_hash(sealed)
        return sealed

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        opened = self.cipher.decrypt_with_ad(self._h, ciphertext)
        self.mix_hash(ciphertext)
        return opened

    def split(self) -> tuple[CipherState, CipherState]:
        first, second = self._hkdf(b"", 2)
        return CipherState(self._crypto, first[:KEY_SIZE]), CipherState(self._crypto, second[:KEY_SIZE])

    def get_handshake_hash(self) -> bytes:
        return self._h


class HandshakeState:
    """One side of a handshake. `write_message` and `read_message` alternate until `finished`, then `split`. After an
    error it is of no further use.

    `s` is this side's static private key, `rs` the remote static public key where the pattern knows it beforehand. A
    `psk` (32) may come as late as the message that uses it, by `set_psk`. `e` hands in an ephemeral private key: for
    test vectors only.
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
        psk: bytes | None = None,
        e: bytes | None = None,
    ) -> None:
        _, pattern, dh, cipher, hash_name = protocol_name.split("_")
        if (dh, cipher) != ("25519", "ChaChaPoly"):
            raise ValueError(f"{protocol_name} is not spoken here")
        self._pattern = PATTERNS[pattern]
        self._crypto = crypto
        self._initiator = initiator
        self._s, self._rs, self._e, self._psk = s, rs, e, psk
        self._re: bytes | None = None
        self._turn = 0
        self._symmetric = SymmetricState(crypto, protocol_name, hash_name)
        self._symmetric.mix_hash(prologue)
        if self._pattern.responder_known:
            known = self._needed(rs) if initiator else crypto.x25519_public(self._needed(s))
            self._symmetric.mix_hash(known)

    @staticmethod
    def _needed(key: bytes | None) -> bytes:
        if key is None:
            raise ValueError("a key that the pattern needs is missing")
        return key

    @property
    def finished(self) -> bool:
        return self._turn == len(self._pattern.messages)

    def set_psk(self, psk: bytes) -> None:
        """The secret (32) that both sides got elsewhere."""
        if len(psk) != KEY_SIZE:
            raise ValueError(f"a psk has {KEY_SIZE} bytes")
        self._psk = psk

    def _next(self, mine: bool) -> Message:
        if self.finished or (self._turn % 2 == 0) != (self._initiator == mine):
            raise ValueError("not this side's turn in the handshake")
        self._turn += 1
        return self._pattern.messages[self._turn - 1]

    def _mix_ephemeral(self, public: bytes) -> None:
        """In a handshake with a psk the ephemeral keys count as key material too (section 9.2)."""
        self._symmetric.mix_hash(public)
        if self._pattern.has_psk:
            self._symmetric.mix_key(public)

    def _mix(self, token: Token) -> None:
        """A token that puts nothing on the wire. `es` means the initiator's ephemeral with the responder's static; each
        side uses the half it holds.
        """
        if token == "psk":
            self._symmetric.mix_key_and_hash(self._needed(self._psk))
            return
        mine, theirs = (token[0], token[1]) if self._initiator else (token[1], token[0])
        private = self._needed(self._e if mine == "e" else self._s)
        public = self._needed(self._re if theirs == "e" else self._rs)
        self._symmetric.mix_key(self._crypto.x25519(private, public))

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
                self._mix_ephemeral(public)
            elif token == "s":
                out += self._symmetric.encrypt_and_hash(self._crypto.x25519_public(self._needed(self._s)))
            else:
                self._mix(token)
        return out + self._symmetric.encrypt_and_hash(payload)

    def read_message(self, message: bytes) -> bytes:
        """The payload of the peer's next message. Raises InvalidTag or ValueError; the handshake is dead then."""
        if len(message) > MAX_MESSAGE:
            raise ValueError("handshake message too long")
        for token in self._next(mine=False):
            if token == "e":
                self._re, message = self._take(message, DH_SIZE)
                self._mix_ephemeral(self._re)
            elif token == "s":
                size = DH_SIZE + (TAG_SIZE if self._symmetric.cipher.has_key() else 0)
                sealed, message = self._take(message, size)
                self._rs = self._symmetric.decrypt_and_hash(sealed)
            else:
                self._mix(token)
        return self._symmetric.decrypt_and_hash(message)

    @staticmethod
    def _take(message: bytes, size: int) -> tuple[bytes, bytes]:
        if len(message) < size:
            raise ValueError("handshake message too short")
        return message[:size], message[size:]

    def split(self) -> tuple[CipherState, CipherState]:
        """(sending, receiving) ciphers of this side."""
        if not self.finished:
            raise ValueError("handshake is not finished")
        first, second = self._symmetric.split()
        return (first, second) if self._initiator else (second, first)

    def get_handshake_hash(self) -> bytes:
        """The transcript hash, a name for this very connection (channel binding, section 11.2)."""
        return self._symmetric.get_handshake_hash()

    @property
    def remote_static(self) -> bytes | None:
        """The other side's static public key, once it is known."""
        return self._rs
