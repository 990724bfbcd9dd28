"""The page's half of `test_kem`, inside Pyodide: its library's ML-KEM-768, and both ends of suite 2 over it."""

from __future__ import annotations

import json

from tallystick_shared.session import events as ev
from tallystick_web import browser_boot
from tests.shared.pair import Pair
from tests.shared.tools import Seeded


def exchange(crypto, task: dict[str, str]) -> dict[str, str]:
    """Opens what the node sealed to the key of a seed, and seals to a key of the node's."""
    seed = bytes.fromhex(task["seed"])
    opened = crypto.kem_decapsulate(seed, bytes.fromhex(task["ciphertext"]))
    ciphertext, secret = crypto.kem_encapsulate(bytes.fromhex(task["public"]))
    made = {"own": crypto.kem_public(seed), "opened": opened, "ciphertext": ciphertext, "secret": secret}
    return {name: value.hex() for name, value in made.items()}


def greet(crypto, task: dict[str, str]) -> dict[str, str]:
    """A client of the page reads the node's answer; a provider of the page answers the node's client."""
    client = Pair(Seeded(crypto, task["name"].encode())).client
    client.start()
    (first,) = client.outgoing()
    client.receive(bytes.fromhex(task["answer"]), 0.0)
    (keyed,) = client.events()
    assert isinstance(keyed, ev.Keyed), keyed
    provider = Pair(crypto).provider
    provider.receive(bytes.fromhex(task["first"]), 0.0)
    (answer,) = provider.outgoing()
    made = {"first": first, "hash": keyed.handshake_hash, "answer": answer, "served": provider.handshake_hash}
    return {name: value.hex() for name, value in made.items()}


def run(arguments: list[str]) -> str:
    """Answers to `arguments`: JSON of the exchanges, JSON of the greetings."""
    crypto = browser_boot.crypto()
    exchanges, greetings = (json.loads(argument) for argument in arguments)
    return json.dumps([[exchange(crypto, task) for task in exchanges], [greet(crypto, task) for task in greetings]])
