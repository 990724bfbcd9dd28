"""A wallet for tests: announced by EIP-6963, speaks EIP-1193, and signs for real with eth-account.

It is our idea of a wallet; it cannot show that a real extension's windows work.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_utils import to_checksum_address
from playwright.sync_api import BrowserContext

from tests.e2e.stack import Demo

ETHER = 10**18
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Crect width='32' height='32' fill='%233a6ea5'/%3E%3Ccircle cx='16' cy='16' r='7' fill='white'/%3E%3C/svg%3E"
)
FORWARDED_PROMPTS = (
    "eth_requestAccounts",
    "wallet_switchEthereumChain",
    "wallet_addEthereumChain",
    "eth_sendTransaction",
)
ANNOUNCE = """
(() => {
  const heard = {};
  const provider = {
    request: async ({ method, params = [] }) => {
      if (method === "eth_sendTransaction") await window.walletWaits; // a promise, where a test lets it wait
      const answer = JSON.parse(await window.__BINDING__(JSON.stringify({ method, params })));
      if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
      return answer.result;
    },
    on: (name, listener) => (heard[name] ??= []).push(listener),
    removeListener: () => {},
  };
  window.__BINDING___emit = (name, value) => (heard[name] ?? []).forEach((listener) => listener(value));
  const info = { uuid: crypto.randomUUID?.() ?? "1", name: "__NAME__", icon: "__ICON__", rdns:
  "__RDNS__" };
  const tell = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info,
  provider }) }));
  addEventListener("eip6963:requestProvider", tell);
  tell();
})();
"""


class Refusal(Exception):
    """An EIP-1193 error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class TestWallet:
    """`refuse` are methods that the person says no to (4001), `unsupported` those it cannot do (4200); `prompts`
    is what it asked.
    """

    __test__ = False

    demo: Demo
    chain_id: int
    known: set[int] = field(default_factory=set)
    refuse: set[str] = field(default_factory=set)
    unsupported: set[str] = field(default_factory=set)
    prompts: list[str] = field(default_factory=list)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    connected: bool = False

    def __post_init__(self) -> None:
        self.account = Account.create()
        self.address: str = self.account.address
        self.demo.call("anvil_setBalance", self.address, hex(10 * ETHER))

    def install(self, context: BrowserContext, name: str = "Test wallet", rdns: str = "org.example.test") -> None:
        """Announces itself in every page of `context`."""
        binding = "wallet_" + rdns.replace(".", "_")
        context.expose_binding(binding, lambda _, text: self._answer(text))
        script = ANNOUNCE.replace("__BINDING__", binding).replace("__NAME__", name).replace("__RDNS__", rdns)
        script = script.replace("__ICON__", ICON)
        context.add_init_script(script)

    def _answer(self, text: str) -> str:
        call = json.loads(text)
        try:
            return json.dumps({"result": self.request(call["method"], call["params"])})
        except Refusal as refusal:
            return json.dumps({"error": {"code": refusal.code, "message": refusal.message}})
        except RuntimeError as error:
            return json.dumps({"error": {"code": -32000, "message": str(error)}})

    def request(self, method: str, params: list[Any]) -> Any:
        """Answers one request. Raises Refusal."""
        if method in FORWARDED_PROMPTS or method.startswith(("eth_sign", "personal_")):
            self.prompts.append(method)
        if method in self.unsupported:
            raise Refusal(4200, f"{method} is not supported")
        if method in self.refuse:
            raise Refusal(4001, "User rejected the request.")
        own: dict[str, Callable[[list[Any]], Any]] = {
            "eth_requestAccounts": self._connect,
            "eth_accounts": lambda _: [self.address] if self.connected else [],
            "eth_chainId": lambda _: hex(self.chain_id),
            "wallet_switchEthereumChain": self._switch,
            "wallet_addEthereumChain": self._add,
            "eth_sendTransaction": self._send,
            "eth_signTypedData_v4": self._sign_typed,
            "personal_sign": self._sign_text,
        }
        return own[method](params) if method in own else self.demo.call(method, *params)

    def _connect(self, _: list[Any]) -> list[str]:
        self.connected = True
        return [self.address]

    def _switch(self, params: list[Any]) -> None:
        wanted = int(params[0]["chainId"], 16)
        if wanted not in self.known:
            raise Refusal(4902, "Unrecognized chain ID.")
        self.chain_id = wanted

    def _add(self, params: list[Any]) -> None:
        self.known.add(int(params[0]["chainId"], 16))
        self.chain_id = int(params[0]["chainId"], 16)

    def _send(self, params: list[Any]) -> Any:
        call = params[0]
        self.transactions.append(call)
        price = int(self.demo.call("eth_gasPrice"), 16)
        signed = self.account.sign_transaction(
            {
                "type": 2,
                "chainId": self.demo.chain_id,
                "nonce": int(self.demo.call("eth_getTransactionCount", self.address, "pending"), 16),
                "to": to_checksum_address(call["to"]),
                "value": int(call.get("value", "0x0"), 16),
                "data": call.get("data", "0x"),
                "gas": int(self.demo.call("eth_estimateGas", {**call, "from": self.address}), 16) * 5 // 4,
                "maxFeePerGas": price * 2 + 10**9,
                "maxPriorityFeePerGas": 10**9,
            }
        )
        return self.demo.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())

    def _sign_typed(self, params: list[Any]) -> str:
        message = json.loads(params[1]) if isinstance(params[1], str) else params[1]
        signed = self.account.sign_message(encode_typed_data(full_message=message))
        return "0x" + bytes(signed.signature).hex()

    def _sign_text(self, params: list[Any]) -> str:
        """By EIP-191."""
        signed = self.account.sign_message(encode_defunct(hexstr=params[0]))
        return "0x" + bytes(signed.signature).hex()
