"""Ethereum keystores, version 3 (the "Web3 Secret Storage Definition"), as wallets export and read them."""

from __future__ import annotations

import hashlib
import hmac
import os
import uuid
from typing import Annotated, Literal

import msgspec
from Crypto.Cipher import AES
from Crypto.Hash import keccak

_KEY_BYTES = 32
_MOST_MEMORY = 1 << 31
_MOST_ROUNDS = 50_000_000
_COST, _BLOCK = 1 << 17, 8


_Positive = Annotated[int, msgspec.Meta(ge=1, le=2**40)]


class KeystoreError(Exception):
    """Says in plain words what is wrong; quotes nothing of the file."""


class _Scrypt(msgspec.Struct, frozen=True):
    dklen: Literal[32]
    n: _Positive
    r: _Positive
    p: _Positive
    salt: str


class _Pbkdf2(msgspec.Struct, frozen=True):
    dklen: Literal[32]
    c: _Positive
    prf: Literal["hmac-sha256"]
    salt: str


class _CipherParams(msgspec.Struct, frozen=True):
    iv: str


class _Crypto(msgspec.Struct, frozen=True):
    cipher: Literal["aes-128-ctr"]
    cipherparams: _CipherParams
    ciphertext: str
    kdf: Literal["scrypt", "pbkdf2"]
    kdfparams: msgspec.Raw
    mac: str


class _Keystore(msgspec.Struct, frozen=True):
    version: Literal[3]
    crypto: _Crypto


def decrypt_keystore(text: str, passphrase: str) -> bytes:
    """The private key (32). Raises KeystoreError."""
    try:
        return _decrypt(msgspec.json.decode(_lower_crypto(text), type=_Keystore).crypto, passphrase.encode())
    except (ValueError, msgspec.MsgspecError):
        raise KeystoreError("it is not a keystore of version 3") from None


def encrypt_keystore(key: bytes, passphrase: str) -> str:
    """A keystore of a private key (32), by scrypt of 128 MiB."""
    salt, iv = os.urandom(32), os.urandom(16)
    derived = _scrypt(passphrase.encode(), salt, _COST, _BLOCK, 1)
    ciphertext = AES.new(derived[:16], AES.MODE_CTR, nonce=b"", initial_value=iv).encrypt(key)
    parts = {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": iv.hex()},
        "ciphertext": ciphertext.hex(),
        "kdf": "scrypt",
        "kdfparams": {"dklen": 32, "n": _COST, "r": _BLOCK, "p": 1, "salt": salt.hex()},
        "mac": keccak.new(digest_bits=256, data=derived[16:32] + ciphertext).hexdigest(),
    }
    return msgspec.json.encode({"version": 3, "id": str(uuid.uuid4()), "crypto": parts}).decode()


def _scrypt(passphrase: bytes, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    memory = 128 * block * (cost + lanes + 2)
    return hashlib.scrypt(passphrase, salt=salt, n=cost, r=block, p=lanes, maxmem=memory, dklen=32)


def _decrypt(store: _Crypto, passphrase: bytes) -> bytes:
    derived = _derive(store, passphrase)
    ciphertext = bytes.fromhex(store.ciphertext)
    mac = keccak.new(digest_bits=256, data=derived[16:32] + ciphertext).digest()
    if not hmac.compare_digest(mac, bytes.fromhex(store.mac)):
        raise KeystoreError("the passphrase is wrong")
    iv = bytes.fromhex(store.cipherparams.iv)
    key = AES.new(derived[:16], AES.MODE_CTR, nonce=b"", initial_value=iv).decrypt(ciphertext)
    if len(key) != _KEY_BYTES:
        raise KeystoreError("it does not hold one key")
    return key


def _lower_crypto(text: str) -> bytes:
    """Some wallets write `Crypto`."""
    found = msgspec.json.decode(text)
    if isinstance(found, dict) and "Crypto" in found:
        found["crypto"] = found.pop("Crypto")
    return msgspec.json.encode(found)


def _derive(store: _Crypto, passphrase: bytes) -> bytes:
    if store.kdf == "scrypt":
        scrypt = msgspec.json.decode(store.kdfparams, type=_Scrypt)
        memory = 128 * scrypt.r * (scrypt.n + scrypt.p + 2)
        if memory > _MOST_MEMORY:
            raise KeystoreError("its key derivation is out of bounds")
        salt = bytes.fromhex(scrypt.salt)
        return _scrypt(passphrase, salt, scrypt.n, scrypt.r, scrypt.p)
    pbkdf2 = msgspec.json.decode(store.kdfparams, type=_Pbkdf2)
    if pbkdf2.c > _MOST_ROUNDS:
        raise KeystoreError("its key derivation is out of bounds")
    return hashlib.pbkdf2_hmac("sha256", passphrase, bytes.fromhex(pbkdf2.salt), pbkdf2.c, 32)
