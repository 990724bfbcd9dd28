"""A chain in memory: it answers the reads that `shared` makes, by the contracts' own ABI. Fills the Rpc seat."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import decode, encode

from tallystick_shared.crypto import Crypto
from tallystick_shared.evm.abi import artefact, canonical
from tallystick_shared.evm.rpc import RpcError, to_bytes, to_hex


class Chain:
    """Providers and channels as the contracts would show them. `asked` keeps every request."""

    def __init__(self, crypto: Crypto, registry: bytes, channels: bytes) -> None:
        self.crypto, self.registry, self.channels = crypto, registry, channels
        self.words: dict[bytes, int] = {}
        self.logs: list[dict[str, Any]] = []
        self.states: dict[bytes, int] = {}
        self.pays = 0
        self.asked: list[tuple[str, list[Any]]] = []
        self._abi = {"Registry": artefact("Registry")["abi"], "Channels": artefact("Channels")["abi"]}

    def announce(
        self, provider: bytes, profile: bytes, *, stake: int = 0, block: int = 1, announced: bytes = b""
    ) -> None:
        """`announced` is what the slot's hash is of, where a test wants it to differ from the logged bytes."""
        digest = int.from_bytes(self.crypto.keccak256(announced or profile)[12:], "big")
        self.words[provider] = stake << 192 | block << 160 | digest
        self.logs.append(
            {
                "address": to_hex(self.registry),
                "topics": [to_hex(self._topic("Registry", "Profile")), "0x" + provider.hex().rjust(64, "0")],
                "data": to_hex(encode(["uint256", "bytes"], [0, profile])),
                "blockNumber": hex(block),
                "blockHash": "0x" + "ab" * 32,
                "transactionHash": "0x" + "cd" * 32,
                "logIndex": hex(len(self.logs)),
            }
        )

    async def request(self, method: str, params: list[Any]) -> Any:
        self.asked.append((method, params))
        if method == "eth_call":
            return to_hex(self._call(to_bytes(params[0]["to"]), to_bytes(params[0]["data"])))
        if method == "eth_getLogs":
            return self._get_logs(params[0])
        if method == "eth_blockNumber":
            return hex(max((int(log["blockNumber"], 16) for log in self.logs), default=0))
        raise RpcError(-32601, f"no such method: {method}")

    def _topic(self, contract: str, event: str) -> bytes:
        entry = next(entry for entry in self._abi[contract] if entry.get("name") == event)
        return self.crypto.keccak256(f"{event}({','.join(map(canonical, entry['inputs']))})".encode())

    def _call(self, to: bytes, data: bytes) -> bytes:
        contract = {self.registry: "Registry", self.channels: "Channels"}.get(to)
        for entry in self._abi[contract] if contract else ():
            kinds = [canonical(part) for part in entry.get("inputs", ())]
            signature = f"{entry.get('name')}({','.join(kinds)})"
            if entry["type"] == "function" and self.crypto.keccak256(signature.encode())[:4] == data[:4]:
                outputs = [canonical(part) for part in entry["outputs"]]
                return encode(outputs, [*self._answer(entry["name"], *decode(kinds, data[4:]))])
        return b""  # nobody lives at this address

    def _answer(self, name: str, *values: Any) -> list[Any]:
        if name == "count":
            return [len(self.words)]
        if name == "page":
            start, size = values
            some = list(self.words.items())[start : start + size]
            return [[to_hex(owner) for owner, _ in some], [word for _, word in some]]
        if name == "pageOf":
            return [[self.words.get(to_bytes(owner), 0) for owner in values[0]]]
        if name == "channels":
            return [self.states.get(values[0], 0)]
        if name == "channelsOf":
            return [[self.states.get(channel, 0) for channel in values[0]]]
        if name == "claim":
            return [self.pays]
        raise RpcError(3, "execution reverted")

    def _get_logs(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        first, last = int(wanted["fromBlock"], 16), wanted["toBlock"]
        until = 2**64 if last == "latest" else int(last, 16)

        def fits(log: dict[str, Any]) -> bool:
            topics = [
                want is None or have in (want if isinstance(want, list) else [want])
                for want, have in zip(wanted["topics"], log["topics"], strict=False)
            ]
            return log["address"] == wanted["address"] and first <= int(log["blockNumber"], 16) <= until and all(topics)

        return [log for log in self.logs if fits(log)]
