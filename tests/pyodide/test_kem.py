"""The node's ML-KEM-768 and the page's open each other's ciphertexts, alone and inside suite 2's handshake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.session import ClientSession
from tests.pyodide.test_shared_inside import run_module
from tests.shared.pair import Pair
from tests.shared.tools import Seeded

CRYPTO = NativeCrypto()


def begun(name: str) -> tuple[ClientSession, bytes]:
    """A client whose keys follow from `name`, and its first message."""
    client = Pair(Seeded(CRYPTO, name.encode())).client
    client.start()
    (first,) = client.outgoing()
    return client, first


def test_each_opens_what_the_other_sealed(page: Path, tmp_path: Path, full: bool) -> None:
    """1,000 each way in the long form, with a key of its own each; 10 handshakes with each at either end."""
    exchanges, ours, greetings, answered = [], [], [], []
    for _ in range(1000 if full else 50):
        seed, public = CRYPTO.kem_keypair()
        ciphertext, secret = CRYPTO.kem_encapsulate(public)
        private, wanted = CRYPTO.kem_keypair()
        ours.append((private, public, secret))
        exchanges.append({"seed": seed.hex(), "ciphertext": ciphertext.hex(), "public": wanted.hex()})
    for number in range(10):
        _, first = begun(f"page {number}")
        provider = Pair(CRYPTO).provider
        provider.receive(first, 0.0)
        (answer,) = provider.outgoing()
        answered.append((first, provider.handshake_hash))
        greetings.append({"name": f"page {number}", "answer": answer.hex(), "first": begun(f"node {number}")[1].hex()})
    tasks = [json.dumps(exchanges), json.dumps(greetings)]
    (exchanged, greeted), _ = run_module(page, tmp_path, "tests.pyodide.kem_inside", tasks)
    for (private, public, secret), theirs in zip(ours, map(raw, exchanged), strict=True):
        assert (theirs["own"], theirs["opened"]) == (public, secret)
        assert CRYPTO.kem_decapsulate(private, theirs["ciphertext"]) == theirs["secret"]
    for number, ((first, name), theirs) in enumerate(zip(answered, map(raw, greeted), strict=True)):
        assert (theirs["first"], theirs["hash"]) == (first, name)
        client, _ = begun(f"node {number}")
        client.receive(theirs["answer"], 0.0)
        assert client.handshake_hash == theirs["served"] != b""


def raw(values: dict[str, str]) -> dict[str, Any]:
    return {name: bytes.fromhex(value) for name, value in values.items()}
