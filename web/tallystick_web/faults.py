"""From errors to notices: which of the stable codes a wallet's or a node's error is, and the values its sentence
needs.
"""

from __future__ import annotations

from tallystick_shared.errors import Code, TallystickError
from tallystick_shared.evm.rpc import RpcError

from .figures import money
from .state import Notice, State

REFUSED = 4001
UNSUPPORTED = (4200, -32601, 4100)
UNREACHABLE = (4900, 4901, -32002, -32603)
CHAIN_UNKNOWN = 4902
AMOUNTS = ("minimum", "amount", "window")


def code_of_rpc(error: RpcError) -> Code:
    """The stable code of a wallet's error."""
    text = error.message.lower()
    if error.code == REFUSED or "user rejected" in text or "user denied" in text:
        return Code.REFUSED
    if error.code in UNSUPPORTED:
        return Code.WALLET_UNSUPPORTED
    if error.code == CHAIN_UNKNOWN:
        return Code.WRONG_CHAIN
    if "insufficient funds" in text:
        return Code.NOT_ENOUGH_MONEY
    if "revert" in text or error.code == 3:
        return Code.TRANSACTION_FAILED
    return Code.RPC_UNREACHABLE if error.code in UNREACHABLE else Code.TRANSACTION_FAILED


def notice_of(error: TallystickError | RpcError, state: State) -> Notice:
    """One notice for any error."""
    if isinstance(error, RpcError):
        code = code_of_rpc(error)
        values: dict[str, object] = {}
    else:
        code, values = error.code, dict(error.values)
    for name in AMOUNTS:
        if isinstance(values.get(name), int):
            values[name] = money(int(str(values[name])), state.coin)
    if state.site:
        values["chain"] = state.site.chain_name
    return Notice(code.name.lower(), tuple(sorted(values.items())), quiet=code is Code.REFUSED)
