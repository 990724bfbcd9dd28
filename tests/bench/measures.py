"""What the protocol costs, measured alike on CPython and inside Pyodide: handshakes, records, codec, two wired peers.

A measure is a pair of functions, ours and what it is held against; both run in turn, each sample long enough for the
clock. `run` is called by `protocol` in this process, and by node inside Pyodide; its samples are microseconds.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec
from msgspec import inspect

from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import TallystickError
from tallystick_shared.messages import BODIES, MAX_INPUT, Body, amount_bytes, decode, encode_body
from tallystick_shared.noise import CipherState
from tallystick_shared.records import HEADER, SIZES, Type
from tallystick_shared.session import ClientSession, ProviderSession
from tallystick_shared.session import events as ev
from tests.shared.pair import OFFER, Pair

SAMPLES = 7
SAMPLE_SECONDS = 0.01
WARM_SECONDS = 0.1 if sys.platform == "emscripten" else 0.01
"""An engine that compiles as it goes has done so by then."""
RECORD_SIZES = {"64": 64, "1k": 1024, "16k": 16 * 1024}
SUITES = (1, 2)
Timed = Callable[[int], float]
"""Does something so many times; seconds."""
PAGE = sys.platform == "emscripten"
clock = time.perf_counter if PAGE else time.process_time
"""Natively the processor's own time: what else the machine does is not counted."""


@dataclass(frozen=True)
class Measure:
    """`ours` beside `floor`, which is told in words by `against`."""

    name: str
    ours: Timed
    floor: Timed
    against: str


def times(work: Callable[[], object]) -> Timed:
    """That work, timed from outside."""

    def timed(count: int) -> float:
        started = clock()
        for _ in range(count):
            work()
        return clock() - started

    return timed


def seat() -> Crypto:
    """The crypto seat of this runtime."""
    if PAGE:
        from tallystick_web.browser_boot import crypto

        return crypto()
    from tallystick_helper.crypto import NativeCrypto

    return NativeCrypto()


# -- handshakes


def handshakes(crypto: Crypto) -> Iterator[Measure]:
    """Both ends of a handshake, from nothing to two keyed sessions, beside its bare key exchanges."""
    pair = Pair(crypto)
    node = crypto.x25519_public(pair.identity.node_key)
    least = {"least_suite": 1} if "least_suite" in {field.name for field in fields(pair.identity)} else {}
    identity = replace(pair.identity, **least)
    for suite in SUITES:
        hello = replace(pair.hello, suite=suite)

        def whole(hello: Any = hello) -> None:
            client = ClientSession(crypto, hello, node, pair.client.purse.limits)
            provider = ProviderSession(crypto, identity, 0)
            client.start()
            provider.receive(client.outgoing()[0], 0.0)
            client.receive(provider.outgoing()[0], 0.0)
            if client.closed or not client.handshake_hash:
                raise RuntimeError("no handshake")

        def bare(suite: int = suite) -> None:
            private, public = crypto.x25519_keypair()
            crypto.x25519_keypair()
            for _ in range(4):
                crypto.x25519(private, public)
            if suite == 2:
                kem_private, kem_public = crypto.kem_keypair()
                crypto.kem_decapsulate(kem_private, crypto.kem_encapsulate(kem_public)[0])

        try:
            whole()
        except (RuntimeError, TallystickError, KeyError):
            continue
        kem = ", one ML-KEM-768 exchange" if suite == 2 else ""
        yield Measure(f"handshake_{suite}", times(whole), times(bare), f"its 6 X25519 operations{kem}, bare")


# -- records


def records(crypto: Crypto) -> Iterator[Measure]:
    """Seal and open of one plaintext, beside libsodium itself."""
    key = bytes(range(32))
    against = "libsodium.js, from JavaScript" if PAGE else "libsodium through PyNaCl, bare"
    for name, size in RECORD_SIZES.items():
        plaintext = bytes(size)
        sealing = CipherState(crypto, key)
        opening = CipherState(crypto, key)
        sealed = CipherState(crypto, key).encrypt_with_ad(b"", plaintext)

        def seal(sealing: CipherState = sealing, plaintext: bytes = plaintext) -> None:
            sealing.encrypt_with_ad(b"", plaintext)

        def open_(opening: CipherState = opening, sealed: bytes = sealed) -> None:
            opening.nonce = 0
            opening.decrypt_with_ad(b"", sealed)

        bare = (bare_page if PAGE else bare_native)(key, size)
        yield Measure(f"seal_{name}", times(seal), bare[0], against)
        yield Measure(f"open_{name}", times(open_), bare[1], against)


def bare_native(key: bytes, size: int) -> tuple[Timed, Timed]:
    """libsodium as PyNaCl binds it."""
    from nacl import bindings

    plaintext, nonce = bytes(size), bytes(12)
    sealed = bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, b"", nonce, key)
    return (
        times(lambda: bindings.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, b"", nonce, key)),
        times(lambda: bindings.crypto_aead_chacha20poly1305_ietf_decrypt(sealed, b"", nonce, key)),
    )


JAVASCRIPT = """
(sodium, size) => {
  const key = new Uint8Array(32).map((_, at) => at), nonce = new Uint8Array(12), plaintext = new Uint8Array(size);
  const seal = () => sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, null, null, nonce, key);
  const sealed = seal();
  const open = () => sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, null, nonce, key);
  const timed = (work) => (count) => {
    const started = performance.now();
    for (let done = 0; done < count; done++) work();
    return (performance.now() - started) / 1000;
  };
  return [timed(seal), timed(open)];
}
"""


def bare_page(key: bytes, size: int) -> tuple[Timed, Timed]:
    """libsodium.js without the bridge to Python."""
    from pyodide.code import run_js
    from tallystick_js import sodium

    seal, open_ = run_js(JAVASCRIPT)(sodium, size)
    return (lambda count: float(seal(count))), (lambda count: float(open_(count)))


# -- messages


LONG = {("Data", "data"): 480, ("Input", "data"): 4073, ("Open", "params"): 40}
"""Usual lengths of fields that may be empty."""


def typical(kind: type[Body]) -> Body:
    """A message with values of usual size in every field."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return kind(*(_value(field.type, LONG.get((kind.__name__, field.name), 16)) for field in info.fields))


def _value(kind: inspect.Type, size: int) -> Any:
    """A value of a field's type; `size` where its length is free."""
    if isinstance(kind, inspect.BytesType):
        return (b"word " * 1000)[: kind.min_length or min(size, kind.max_length or size)]
    if isinstance(kind, inspect.StrType):
        return "stop"
    if isinstance(kind, inspect.BoolType):
        return True
    if isinstance(kind, inspect.IntType):
        return min(1000, kind.le if kind.le is not None else 1000)
    if isinstance(kind, inspect.VarTupleType):
        return (_value(kind.item_type, size),) * 2
    if isinstance(kind, inspect.TupleType):
        return tuple(_value(item, size) for item in kind.item_types)
    if isinstance(kind, inspect.StructType):
        return typical(kind.cls)
    raise TypeError(f"no usual value for {kind}")


def as_text(value: Any) -> Any:
    """The same for JSON: fields by name, bytes as base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, msgspec.Struct):
        return {name: as_text(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [as_text(item) for item in value]
    return value


def messages(crypto: Crypto) -> Iterator[Measure]:
    """Encode and decode of every message, checked by its schema, beside json of the same values."""
    for kind, schema in BODIES.items():
        if kind is Type.PONG:
            continue
        body, name = typical(schema), kind.name.lower()
        packed, values = encode_body(body), as_text(body)
        text = json.dumps(values)
        against = f"json, {len(text):,} B instead of {len(packed):,}"
        yield Measure(
            f"encode_{name}", times(lambda b=body: encode_body(b)), times(lambda v=values: json.dumps(v)), against
        )
        decoded = times(lambda s=schema, p=packed: decode(s, p))
        yield Measure(f"decode_{name}", decoded, times(lambda t=text: json.loads(t)), against)


# -- two peers


def peers(crypto: Crypto) -> Iterator[Measure]:
    """DATA from the engine's piece to the client's event, through both sessions, at 512 bytes a record."""
    offer = msgspec.structs.replace(OFFER, price_in=amount_bytes(0), price_out=amount_bytes(0))
    pair = Pair(crypto).connect()
    request = replace(pair.request(b"question"), offer=offer, max_units=2**31)
    stream = pair.client.open(request, 0)
    pair.settle()
    pair.provider.outgoing()

    def carry() -> None:
        pair.now += 0.1
        pair.provider.data(stream, b"word " * 4, 4)
        pair.provider.tick(pair.now)
        for message in pair.provider.outgoing():
            pair.client.receive(message, pair.now)
        if pair.client.closed or pair.provider.closed:
            raise RuntimeError("the connection ended")

    plaintext = bytes(SIZES[1])
    sealing, opening = CipherState(crypto, bytes(32)), CipherState(crypto, bytes(32))

    def bare() -> None:
        opening.decrypt_with_ad(b"", sealing.encrypt_with_ad(b"", plaintext))

    while not any(isinstance(event, ev.Output) for event in pair.client.events()):
        carry()
    yield Measure("records_per_second", times(carry), times(bare), "seal and open of 512 B")


GROUPS = {"handshakes": handshakes, "records": records, "messages": messages, "peers": peers}
assert HEADER.size + 4073 + 16 <= SIZES[2] and MAX_INPUT


def calibrated(timed: Timed) -> int:
    """How often to do something for a sample of a hundredth of a second."""
    warm = time.perf_counter() + WARM_SECONDS
    while time.perf_counter() < warm:
        timed(10)
    count = 1
    while (taken := timed(count)) < SAMPLE_SECONDS / 4:
        count *= 4
    return max(1, round(count * SAMPLE_SECONDS / taken))


def measured(measure: Measure) -> dict[str, Any]:
    """Samples in turn, microseconds for each execution."""
    counts = calibrated(measure.ours), calibrated(measure.floor)
    ours, floor = [], []
    for number in range(SAMPLES):
        order = [(ours, measure.ours, counts[0]), (floor, measure.floor, counts[1])]
        for taken, timed, count in order if number % 2 else reversed(order):
            taken.append(1e6 * timed(count) / count)
    return {"name": measure.name, "ours": ours, "floor": floor, "against": measure.against}


def run(wanted: list[str]) -> str:
    """Measures those groups; JSON: [{"name", "ours", "floor", "against"}]."""
    crypto = seat()
    return json.dumps([measured(measure) for group in wanted for measure in GROUPS[group](crypto)])
