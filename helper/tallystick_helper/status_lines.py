"""The lines of `tallystick status` that tell of money."""

from __future__ import annotations

from typing import Any

from .shown import show_amount

ZERO = "0x" + 40 * "0"
Rows = list[tuple[str, str]]


def show_sum(amount: str, token: str, symbol: str) -> str:
    """Of the chain's coin; of a token nobody here knows more than its smallest unit."""
    return show_amount(int(amount), symbol) if token == ZERO else f"{amount} of {token}"


def money_rows(found: dict[str, Any]) -> Rows:
    """Earned, next claims, gas; `found` is what the node tells at `/node/purse`."""
    rows = [("Earned", _earned(one)) for one in found["earnings"]] or [("Earned", "nothing in the last 30 days")]
    for name, one in found["chains"].items():
        rows += [(f"Next claim {name}".strip(), text) for text in _claims(one)]
        rows.append((f"Gas {name}".strip(), _gas(one["gas"], one["symbol"])))
    return rows


def _earned(one: dict[str, Any]) -> str:
    today, week, month = (show_sum(one[name], one["token"], one["symbol"]) for name in ("today", "week", "month"))
    return f"{today} today, {week} in 7 days, {month} in 30 days"


def _claims(chain: dict[str, Any]) -> list[str]:
    if chain["claims"] is None:
        return ["not known: the chain does not answer"]
    return [_claim(one, chain["symbol"]) for one in chain["claims"]] or ["no voucher waits"]


def _claim(one: dict[str, Any], symbol: str) -> str:
    if "error" in one:
        return f"not known: {one['error']}"
    deposits = "1 deposit" if one["channels"] == 1 else f"{one['channels']} deposits"
    fee = show_amount(int(one["fee"]), symbol)
    brings = f"{show_sum(one['pays'], one['token'], symbol)} from {deposits}, gas {fee}"
    if one["worth"] is False:
        return f"{brings}: not yet, its gas costs more than it pays"
    return f"{brings}; by itself from {show_sum(one['threshold'], one['token'], symbol)}"


def _gas(gas: dict[str, Any] | None, symbol: str) -> str:
    if gas is None:
        return "not known: the chain does not answer"
    said = f"for {gas['claims']:,} claims" if gas["claims"] else "none: the operator cannot claim"
    if gas["send"] == "0":
        return said
    return f"{said}; send {show_amount(int(gas['send']), symbol)} to {gas['operator']}"
