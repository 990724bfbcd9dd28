"""The P-256 precompile, on real chains that have it and on ones that do not."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tallystick_helper.chain.rpc import HttpRpc
from tallystick_helper.demo import anvil
from tallystick_shared.evm.p256 import GOOD, has_p256


@pytest.mark.parametrize(("hardfork", "there"), [("osaka", True), ("prague", False), ("paris", False)])
async def test_a_chain_that_lacks_the_precompile_is_noticed(hardfork: str, there: bool) -> None:
    async with anvil(hardfork=hardfork) as url:
        rpc = HttpRpc([url])
        assert await has_p256(rpc) is there
        await rpc.aclose()


def test_the_vector_is_a_good_signature() -> None:
    _, r, s, x, y = (int.from_bytes(GOOD[at : at + 32], "big") for at in range(0, 160, 32))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    key.verify(utils.encode_dss_signature(r, s), GOOD[:32], ec.ECDSA(utils.Prehashed(hashes.SHA256())))
