"""The quantum-safe half of a handshake: an ephemeral ML-KEM-768 exchange (FIPS 203) that makes a psk for Noise.

The client's encapsulation key travels in message 1's encrypted payload, the ciphertext beside message 2. Whoever alters
either gets another psk, and so another key for message 2's payload and another transcript hash.
"""

from __future__ import annotations

import hashlib

KEY_SIZE = 1184
CIPHERTEXT_SIZE = 1088
LABEL = b"Tallystick 1 ML-KEM-768"


def psk_of(secret: bytes, key: bytes, ciphertext: bytes) -> bytes:
    """The psk (32) of an exchange: the shared secret, bound to the key and the ciphertext that it came from."""
    parts = (LABEL, secret, hashlib.blake2s(key).digest(), hashlib.blake2s(ciphertext).digest())
    return hashlib.blake2s(b"".join(parts)).digest()
