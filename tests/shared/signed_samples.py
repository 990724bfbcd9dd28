"""One sample of each thing that is signed, with its digest pinned.

The digests were made with eth-account (`tests/property/test_oracles.py` makes them again), so this file is a known
answer for the interpreters that have no eth-account.
"""

from __future__ import annotations

from typing import Any

from tallystick_shared.evm.eip712 import Domain
from tallystick_shared.profile import PROFILE, registry_domain
from tallystick_shared.voucher import RECEIPT, SESSION_AUTH, VOUCHER, channels_domain

CHANNELS = channels_domain(31337, b"\x22" * 20)
REGISTRY = registry_domain(1, b"\x11" * 20)

SAMPLES: dict[str, tuple[Domain, str, dict[str, Any], str]] = {
    "voucher": (
        CHANNELS,
        VOUCHER,
        {"channelId": bytes(range(32)), "payee": b"\x33" * 20, "cumulative": 2**127 + 1},
        "19fd745735e3b9650dcde5ac36468e9686676737cae4cbb582b2f92198658f74",
    ),
    "auth": (
        CHANNELS,
        SESSION_AUTH,
        {
            "handshakeHash": b"\xaa" * 32,
            "channelId": bytes(range(32)),
            "provider": b"\x44" * 20,
            "expiry": 1_800_000_120,
        },
        "228c371f1c3fffe00a406bef050ca539bf1ca975c22bbc0ff11b9a458244fa11",
    ),
    "receipt": (
        CHANNELS,
        RECEIPT,
        {
            "channelId": bytes(range(32)),
            "requestId": b"\x55" * 16,
            "amount": 10**18,
            "units": 4242,
            "manifest": b"\x66" * 32,
            "digest": b"\x77" * 32,
        },
        "5baca27aea53fd715e7964ae94f96adc9bdcee0d22af9b6840c71239d32f3768",
    ),
    "profile": (
        REGISTRY,
        PROFILE,
        {
            "endpoint": "wss://node.example/ws",
            "nodeKey": b"\x88" * 32,
            "operator": b"\x99" * 20,
            "payee": b"\xab" * 20,
            "epoch": 7,
            "contents": b"\xcd" * 32,
        },
        "dbc5563ca28d951280db1ab8e6af7b0f0c49c145034363be71745904c80d7973",
    ),
}
