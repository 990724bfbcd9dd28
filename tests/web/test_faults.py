"""Errors of wallets and nodes as stable codes."""

from __future__ import annotations

import pytest

from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.rpc import RpcError
from tallystick_web.faults import code_of_rpc, notice_of
from tallystick_web.figures import Figure
from tallystick_web.state import Notice, State

from .seats import SITE


@pytest.mark.parametrize(
    ("code", "message", "means"),
    [
        (4001, "User rejected the request.", Code.REFUSED),
        (-32603, "MetaMask Tx Signature: User denied transaction signature.", Code.REFUSED),
        (4200, "not supported", Code.WALLET_UNSUPPORTED),
        (-32601, "the method does not exist", Code.WALLET_UNSUPPORTED),
        (4902, "Unrecognized chain ID", Code.WRONG_CHAIN),
        (-32000, "insufficient funds for gas * price + value", Code.NOT_ENOUGH_MONEY),
        (3, "execution reverted: expiry", Code.TRANSACTION_FAILED),
        (4900, "disconnected", Code.RPC_UNREACHABLE),
        (-32603, "Internal error", Code.RPC_UNREACHABLE),
        (-32000, "nonce too low", Code.TRANSACTION_FAILED),
    ],
)
def test_what_a_wallets_error_means(code: int, message: str, means: Code) -> None:
    assert code_of_rpc(RpcError(code, message)) is means


def test_a_refusal_is_quiet_and_everything_else_is_not() -> None:
    assert notice_of(RpcError(4001, "no"), State()) == Notice("refused", (), quiet=True)
    assert not notice_of(PeerError(Code.BUSY), State()).quiet


def test_values_are_written_for_people() -> None:
    notice = notice_of(LocalError(Code.DEPOSIT_TOO_SMALL, minimum=10**16), State(site=SITE))
    assert dict(notice.values) == {"minimum": Figure("0.01", "ETH"), "chain": "Testnet"}
