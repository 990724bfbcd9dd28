"""The crypto seat against vectors that others made (tests/vectors): ML-KEM-768, X25519, ChaCha20-Poly1305.

Noise's own are in `test_noise`. All of it runs on CPython over the node's libraries and in Pyodide over the page's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tallystick_shared.crypto import Crypto, InvalidTag
from tests.shared.tools import flipped

FOLDER = Path(__file__).parent.parent / "vectors"
BORING = ("KEY", "NONCE", "AD", "IN", "CT", "TAG")


def entries(name: str, first: str) -> list[dict[str, str]]:
    """The entries of a file of `key = value` lines, each of which begins with the key `first`."""
    found: list[dict[str, str]] = []
    for line in (FOLDER / name).read_text().splitlines():
        if "=" not in line or line.startswith("#"):
            continue
        key, value = (part.strip() for part in line.split("=", 1))
        if key == first:
            found.append({})
        found[-1][key] = value
    return found


def raw(value: str) -> bytes:
    """Text in quotes, or hex."""
    return value[1:-1].encode() if value.startswith('"') else bytes.fromhex(value)


@pytest.mark.parametrize("entry", entries("mlkem768.txt", "count"), ids=lambda entry: entry["count"])
def test_ml_kem_768(crypto: Crypto, entry: dict[str, str]) -> None:
    """Key generation, decapsulation, and what an altered ciphertext gives (`ct_n`); the page's library also lets
    encapsulation's randomness be handed in.
    """
    seed, public = raw(entry["d"]) + raw(entry["z"]), raw(entry["pk"])
    assert crypto.kem_public(seed) == public
    assert crypto.kem_decapsulate(seed, raw(entry["ct"])) == raw(entry["ss"])
    assert crypto.kem_decapsulate(seed, raw(entry["ct_n"])) == raw(entry["ss_n"])
    ciphertext, secret = crypto.kem_encapsulate(public)
    assert crypto.kem_decapsulate(seed, ciphertext) == secret
    if sys.platform == "emscripten":
        page = crypto
        made = page._sodium.crypto_kem_mlkem768_enc_deterministic(page._js(public), page._js(raw(entry["msg"])))
        assert (made.ciphertext.to_bytes(), made.sharedSecret.to_bytes()) == (raw(entry["ct"]), raw(entry["ss"]))


@pytest.mark.parametrize("entry", entries("x25519.txt", "COUNT"), ids=lambda entry: entry["COUNT"])
def test_x25519(crypto: Crypto, entry: dict[str, str]) -> None:
    assert crypto.x25519(raw(entry["INPUT_SCALAR"]), raw(entry["INPUT_U"])) == raw(entry["OUTPUT_U"])


def test_x25519_a_thousand_times(crypto: Crypto) -> None:
    """RFC 7748, 5.2: each result is the next scalar, each scalar the next point."""
    scalar = point = b"\x09" + bytes(31)
    for _ in range(1000):
        scalar, point = crypto.x25519(scalar, point), scalar
    assert scalar.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def sealed(crypto: Crypto, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes, ciphertext: bytes) -> None:
    """Seals to that, opens to this, and not with a bit of its tag changed."""
    assert crypto.seal(key, nonce, aad, plaintext) == ciphertext
    assert crypto.open(key, nonce, aad, ciphertext) == plaintext
    with pytest.raises(InvalidTag):
        crypto.open(key, nonce, aad, flipped(ciphertext, len(ciphertext) - 1))


def test_chacha20_poly1305_of_boringssl(crypto: Crypto) -> None:
    found = entries("chacha20poly1305_boringssl.txt", "COUNT")
    assert len(found) == 66
    for entry in found:
        key, nonce, aad, plaintext, ciphertext, tag = (raw(entry[name]) for name in BORING)
        sealed(crypto, key, nonce, aad, plaintext, ciphertext + tag)


def test_chacha20_poly1305_of_openssl(crypto: Crypto) -> None:
    """The second entry's tag is wrong by one bit."""
    found = entries("chacha20poly1305_openssl.txt", "COUNT")
    assert len(found) == 5
    for entry in found:
        key, nonce, aad, plaintext = (raw(entry[name]) for name in ("Key", "IV", "AAD", "Plaintext"))
        ciphertext = raw(entry["Ciphertext"]) + raw(entry["Tag"])
        if "Result" in entry:
            with pytest.raises(InvalidTag):
                crypto.open(key, nonce, aad, ciphertext)
        else:
            sealed(crypto, key, nonce, aad, plaintext, ciphertext)
