"""The crypto seat, filled in the page: libsodium-wrappers for X25519, ML-KEM-768 and ChaCha20-Poly1305, @noble for
the rest.

The JavaScript is handed in, so that this module runs wherever a Pyodide does (the page, and node in the tests) and is
part of the memory snapshot. `web/boot/modules.mjs` makes the two objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tallystick_shared.crypto import InvalidTag

_KEY, _NONCE, _DIGEST, _SIGNATURE, _TAG = 32, 12, 32, 65, 16
_SEED, _ENCAPSULATION_KEY, _ENCAPSULATED = 64, 1184, 1088


def _sized(name: str, value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise ValueError(f"{name} has {len(value)} bytes instead of {size}")
    return value


class BrowserCrypto:
    """`tallystick_shared.crypto.Crypto` over JavaScript.

    `sodium` is libsodium-wrappers, ready; `noble` has keccak256, address, sign, recover, p256; `to_js` is
    pyodide.ffi.to_js and turns bytes into a Uint8Array; `failure` is pyodide.ffi.JsException, what a throwing
    JavaScript function becomes in Python.
    """

    def __init__(self, sodium: Any, noble: Any, to_js: Callable[[bytes], Any], failure: type[Exception]) -> None:
        self._sodium = sodium
        self._noble = noble
        self._js = to_js
        self._failure = failure
        # Looked up once: each look-up by attribute makes a new proxy.
        self._encrypt = sodium.crypto_aead_chacha20poly1305_ietf_encrypt
        self._decrypt = sodium.crypto_aead_chacha20poly1305_ietf_decrypt
        self._keccak = noble.keccak256

    def random(self, size: int) -> bytes:
        return self._take(self._sodium.randombytes_buf(size))

    def x25519_keypair(self) -> tuple[bytes, bytes]:
        private = self.random(_KEY)
        return private, self.x25519_public(private)

    def x25519_public(self, private: bytes) -> bytes:
        return self._take(self._sodium.crypto_scalarmult_base(self._js(_sized("private key", private, _KEY))))

    def x25519(self, private: bytes, public: bytes) -> bytes:
        keys = self._js(_sized("private key", private, _KEY)), self._js(_sized("public key", public, _KEY))
        try:
            secret = self._take(self._sodium.crypto_scalarmult(*keys))
        except self._failure as fault:
            raise ValueError("the shared secret would be zero") from fault
        if not any(secret):
            raise ValueError("the shared secret is zero")
        return secret

    def kem_keypair(self) -> tuple[bytes, bytes]:
        private = self.random(_SEED)
        return private, self.kem_public(private)

    def kem_public(self, private: bytes) -> bytes:
        return self._take(self._kem_pair(private).publicKey)

    def kem_encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        key = self._js(_sized("encapsulation key", public, _ENCAPSULATION_KEY))
        try:
            made = self._sodium.crypto_kem_mlkem768_enc(key)
        except self._failure as fault:
            raise ValueError("not an encapsulation key") from fault
        return self._take(made.ciphertext), self._take(made.sharedSecret)

    def kem_decapsulate(self, private: bytes, ciphertext: bytes) -> bytes:
        """libsodium wants the expanded key, so it is made again from the seed: a quarter of a millisecond."""
        sealed = self._js(_sized("ciphertext", ciphertext, _ENCAPSULATED))
        return self._take(self._sodium.crypto_kem_mlkem768_dec(sealed, self._kem_pair(private).privateKey))

    def _kem_pair(self, private: bytes) -> Any:
        """libsodium's {publicKey, privateKey}."""
        return self._sodium.crypto_kem_mlkem768_seed_keypair(self._js(_sized("seed", private, _SEED)))

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        _sized("key", key, _KEY), _sized("nonce", nonce, _NONCE)
        js = self._js
        return self._take(self._encrypt(js(plaintext), js(aad), None, js(nonce), js(key)))

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        _sized("key", key, _KEY), _sized("nonce", nonce, _NONCE)
        if len(ciphertext) < _TAG:
            raise InvalidTag
        js = self._js
        try:
            return self._take(self._decrypt(None, js(ciphertext), js(aad), js(nonce), js(key)))
        except self._failure as fault:
            raise InvalidTag from fault

    def keccak256(self, data: bytes) -> bytes:
        return self._take(self._keccak(self._js(data)))

    def secp256k1_address(self, private: bytes) -> bytes:
        try:
            return self._take(self._noble.address(self._js(_sized("private key", private, _KEY))))
        except self._failure as fault:
            raise ValueError("not a private key") from fault

    def secp256k1_sign(self, private: bytes, digest: bytes) -> bytes:
        arguments = self._js(_sized("private key", private, _KEY)), self._js(_sized("digest", digest, _DIGEST))
        try:
            return self._take(self._noble.sign(*arguments))
        except self._failure as fault:
            raise ValueError("not a private key") from fault

    def secp256k1_recover(self, digest: bytes, signature: bytes) -> bytes:
        arguments = self._js(_sized("digest", digest, _DIGEST)), self._js(_sized("signature", signature, _SIGNATURE))
        try:
            return self._take(self._noble.recover(*arguments))
        except self._failure as fault:
            raise ValueError("not a signature over this digest") from fault

    def p256_verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        if len(public) != 64 or len(signature) != 64:
            return False
        return bool(self._noble.p256(self._js(public), self._js(message), self._js(signature)))

    @staticmethod
    def _take(array: Any) -> bytes:
        """The bytes of a Uint8Array."""
        data: bytes = array.to_bytes()
        return data
