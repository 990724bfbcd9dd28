"""The one call that tells whether a chain verifies P-256: what counts as yes. Real chains: tests/helper."""

from __future__ import annotations

import pytest

from tallystick_shared.evm.p256 import GOOD, PRECOMPILE, has_p256
from tallystick_shared.evm.rpc import RpcError, to_hex
from tests.shared.tools import drive

YES = "0x" + "00" * 31 + "01"


class Answering:
    """An Rpc seat that gives one answer, and keeps what was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    async def request(self, method, params):
        self.asked.append((method, params))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_one_call_of_the_precompile():
    chain = Answering(YES)
    assert drive(has_p256(chain))
    assert chain.asked == [("eth_call", [{"to": to_hex(PRECOMPILE), "data": to_hex(GOOD)}, "latest"])]
    assert (len(GOOD), PRECOMPILE) == (160, bytes(18) + b"\1\0")


@pytest.mark.parametrize(
    "answer",
    ["0x", "0x01", "0x" + "00" * 32, YES + "00", YES + "00" * 32, "0x" + "ff" * 32, None, RpcError(-32000, "no")],
    ids=lambda answer: str(answer)[:20],
)
def test_anything_else_is_no(answer):
    assert not drive(has_p256(Answering(answer)))
