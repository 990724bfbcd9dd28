"""`./run demo --check`: the whole story in a real browser, then the books.

Ends with one line of JSON and exit code 0 only if every statement holds. Money and transactions come from
balances, blocks and receipts,
units from the page the user sees, and what was readable on the wire from a recording proxy between page and provider.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.check.browser import Visitor, chromium
from tests.check.chain import Chain
from tests.check.recorder import Recorder, find
from tests.check.stack import demo, free_port

CANARY = "marzipanzeppelin"
PROMPTS = [
    f"Write a long friendly letter about a {CANARY}, a lighthouse and a watchmaker. Use many sentences.",
    "Now describe the lighthouse keeper's mornings in detail.",
]
MILLION = 1_000_000
MINIMUM_TOKENS = 32


def planted(recorder: Recorder) -> bool:
    """Sends a canary in clear through the recorder and looks for it, to prove that the search would find one."""
    word = "planted" + CANARY
    try:
        with connect(recorder.url, compression=None) as socket:
            socket.send(b"\x00" + word.encode())
            socket.recv(timeout=5)
    except (WebSocketException, TimeoutError, OSError):
        pass
    found = word in find(recorder.seen, [word])
    recorder.seen.clear()
    return found


def visit(page_url: str) -> dict[str, Any]:
    """The story. Returns what the page said."""
    with chromium() as browser:
        visitor = Visitor(browser.new_page())
        visitor.open(page_url)
        visitor.connect()
        connected = len(visitor.wallet_prompts())
        visitor.deposit()
        answers = [visitor.ask(prompt) for prompt in PROMPTS]
        prices = visitor.prices()
        visitor.close_deposit()
        return {
            "answers": answers,
            "prices": prices,
            "money": visitor.money(),
            "prompts": visitor.wallet_prompts()[connected:],
            "hosts": visitor.hosts,
            "errors": visitor.errors,
        }


def books(chain: Chain, start: int, provider: str, story: dict[str, Any]) -> dict[str, Any]:
    """Who paid and got what, from the chain alone."""
    opened = chain.rpc("eth_getTransactionByHash", story["money"]["openTx"])
    user, closing = opened["from"], int(chain.receipt(story["money"]["endTx"])["blockNumber"], 16)
    senders = [transaction["from"] for transaction in chain.transactions_since(start)]
    return {
        "deposit": int(opened["value"], 16),
        "provider_paid": chain.balance(provider, closing) - chain.balance(provider, start),
        "user_refunded": chain.balance(user, closing) - chain.balance(user, closing - 1),
        "transactions": {"user": senders.count(user), "provider": len(senders) - senders.count(user)},
    }


def allowed_hosts(up: dict[str, Any]) -> set[str]:
    return {urlsplit(up[name]).netloc for name in ("page", "rpc", "provider_endpoint")}


def judge(result: dict[str, Any], story: dict[str, Any], up: dict[str, Any], planted_found: bool) -> list[str]:
    """Every statement that does not hold."""
    cost = result["input_units"] * result["input_price"] + result["output_units"] * result["output_price"]
    statements = {
        "tokens": result["tokens"] >= MINIMUM_TOKENS,
        "provider_paid": result["provider_paid"] == cost > 0,
        "user_refunded": result["user_refunded"] == result["deposit"] - result["provider_paid"],
        "transactions": result["transactions"]["user"] <= 2 and result["transactions"]["provider"] <= 1,
        "wallet_prompts": story["prompts"] == ["eth_sendTransaction"],
        "plaintext_on_wire": not result["plaintext_on_wire"] and result["recorded_bytes"] > 10_000,
        "planted_canary_found": planted_found,
        "no_foreign_request": story["hosts"] <= allowed_hosts(up),
        "no_page_error": not story["errors"],
        "whole_prices": all(price % MILLION == 0 for price in story["prices"]),
    }
    return [name for name, holds in statements.items() if not holds]


def check() -> dict[str, Any]:
    with Recorder() as recorder:
        port = free_port()
        recorder.target = f"ws://127.0.0.1:{port}"
        with demo("--listen", str(port), "--endpoint", recorder.url) as up:
            chain = Chain(up["rpc"])
            planted_found = planted(recorder)
            start = chain.block()
            story = visit(up["page"])
            result = books(chain, start, up["provider_address"], story)
        answers = story["answers"]
        texts = PROMPTS + [answer["text"] for answer in answers]
        result |= {
            "tokens": sum(answer["units"] for answer in answers),
            "input_units": sum(answer["input_units"] for answer in answers),
            "output_units": sum(answer["units"] for answer in answers),
            "input_price": story["prices"][0] // MILLION,
            "output_price": story["prices"][1] // MILLION,
            "first_token_ms": answers[0]["first_token_ms"],
            # An answer may say "connection", as every request's head does: heads are searched for the prompts alone.
            "plaintext_on_wire": bool(find(recorder.seen, texts) or find(recorder.heads, PROMPTS)),
            "recorded_bytes": sum(len(data) for _, data in recorder.seen),
        }
    failed = judge(result, story, up, planted_found)
    return {"ok": not failed, **result, **({"failed": failed} if failed else {})}


def main() -> int:
    try:
        result = check()
    except Exception as error:
        result = {"ok": False, "error": f"{type(error).__name__}: {error}"[:2000]}
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
