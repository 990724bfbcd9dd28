"""The Channels contract: call data, reads and logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick_shared.channel import NO_SALT, ChannelState, Config
from tallystick_shared.crypto import Crypto
from tallystick_shared.voucher import Signed

from .abi import Contract, artefact
from .rpc import Rpc, eth_call, to_bytes, to_hex, to_int
from .token import Permission

ABI = artefact("Channels")["abi"]  # read at import: in the page, files come after the memory snapshot


@dataclass(frozen=True)
class ChannelLog:
    """An event of the contract. `config` comes with Opened alone; `deposit` and `expiry` with those that carry
    them.
    """

    name: str
    channel_id: bytes
    block: int
    block_hash: str
    transaction: str
    values: dict[str, Any]
    config: Config | None = None


def config_from_abi(values: tuple[Any, ...]) -> Config:
    payer, signer, root, token, delay, salt = values
    return Config(to_bytes(payer), to_bytes(signer), root, to_bytes(token), delay, salt)


LOW_96 = 2**96 - 1


def packed_record(
    config: Config, voucher: Signed, leaf_salt: bytes = NO_SALT, proof: tuple[bytes, ...] = ()
) -> tuple[int, ...] | None:
    """A claim as the five words of `claimPacked`; None where only `claim` takes it: one of several payees, a leaf salt,
    a P-256 session key, or a total beyond 112 bits.
    """
    if proof or leaf_salt != NO_SALT or len(voucher.signature) != 65 or voucher.amount >> 112:
        return None
    signature = voucher.signature
    return (
        int.from_bytes(config.salt, "big"),
        int.from_bytes(config.payer, "big") << 96 | config.delay << 64 | voucher.amount >> 96,
        int.from_bytes(config.signer, "big") << 96 | voucher.amount & LOW_96,
        int.from_bytes(signature[:32], "big"),
        (signature[64] - 27) << 255 | int.from_bytes(signature[32:64], "big"),
    )


class Channels:
    """The contract at one address, read and written through an Rpc seat."""

    EVENTS = ("Opened", "ToppedUp", "Claimed", "CloseRequested", "Closed")

    def __init__(self, crypto: Crypto, address: bytes) -> None:
        self.address = address
        self._contract = Contract(crypto, ABI)
        self._topics = {to_hex(self._contract.topic(name)): name for name in self.EVENTS}

    def open(self, config: Config, expiry: int, amount: int) -> bytes:
        """Call data; send `amount` with it for the native coin, nothing for a token, which must be approved before."""
        return self._contract.call("open", config.abi(), expiry, amount)

    def open_permit(self, config: Config, expiry: int, amount: int, permit: Permission) -> bytes:
        """Call data of an opening in a token, by the payer, with an EIP-2612 permit of `amount` for this contract."""
        return self._contract.call("openPermit", config.abi(), expiry, amount, permit.until, *permit.vrs)

    def open_authorized(self, config: Config, expiry: int, amount: int, authorization: Permission) -> bytes:
        """Call data of an opening in a token, by anyone, with the payer's EIP-3009 authorisation to this contract; its
        nonce is `token.opening_nonce`.
        """
        times = authorization.after, authorization.until
        return self._contract.call("openAuthorized", config.abi(), expiry, amount, *times, *authorization.vrs)

    def top_up(self, config: Config, expiry: int, amount: int) -> bytes:
        return self._contract.call("topUp", config.abi(), expiry, amount)

    def request_close(self, config: Config) -> bytes:
        return self._contract.call("requestClose", config.abi())

    def withdraw(self, config: Config) -> bytes:
        return self._contract.call("withdraw", config.abi())

    @staticmethod
    def claim_tuple(config: Config, voucher: Signed, leaf_salt: bytes, proof: tuple[bytes, ...]) -> tuple[Any, ...]:
        return (config.abi(), voucher.amount, leaf_salt, list(proof), voucher.signature)

    def claim(self, payee: bytes, closer: bytes, token: bytes, claims: list[tuple[Any, ...]]) -> bytes:
        return self._contract.call("claim", payee, closer, token, claims)

    def claim_packed(self, payee: bytes, closer: bytes, token: bytes, records: list[tuple[int, ...]]) -> bytes:
        """Call data; `records` by `packed_record`, at most 200."""
        return self._contract.call("claimPacked", payee, closer, token, records)

    def close(self, payee: bytes, claim: tuple[Any, ...]) -> bytes:
        return self._contract.call("close", payee, claim)

    async def would_pay(
        self, rpc: Rpc, payee: bytes, closer: bytes, token: bytes, claims: list[tuple[Any, ...]]
    ) -> int:
        """What `claim` would pay right now, by `eth_call`."""
        answer = await eth_call(rpc, self.address, self.claim(payee, closer, token, claims), sender=closer)
        return int(self._contract.result("claim", answer)[0])

    async def would_pay_packed(
        self, rpc: Rpc, payee: bytes, closer: bytes, token: bytes, records: list[tuple[int, ...]]
    ) -> int:
        """What `claim_packed` would pay right now, by `eth_call`."""
        answer = await eth_call(rpc, self.address, self.claim_packed(payee, closer, token, records), sender=closer)
        return int(self._contract.result("claimPacked", answer)[0])

    async def state(self, rpc: Rpc, channel_id: bytes) -> ChannelState:
        answer = await eth_call(rpc, self.address, self._contract.call("channels", channel_id))
        return ChannelState.from_word(int(self._contract.result("channels", answer)[0]))

    async def states(self, rpc: Rpc, ids: list[bytes], block: int | None = None) -> list[ChannelState]:
        """At most 100 at a time; at the newest block, or as they stood in a given one."""
        answer = await eth_call(rpc, self.address, self._contract.call("channelsOf", ids), block=block)
        return [ChannelState.from_word(word) for word in self._contract.result("channelsOf", answer)[0]]

    async def claimed_by(self, rpc: Rpc, channel_id: bytes, payee: bytes) -> int:
        """What a payee of a channel with several was paid; 0 for one that is the only payee."""
        answer = await eth_call(rpc, self.address, self._contract.call("claimedBy", channel_id, payee))
        return int(self._contract.result("claimedBy", answer)[0])

    def log_filter(self, first: int, last: int | str, **topics: bytes) -> dict[str, Any]:
        """An eth_getLogs filter over the contract's events; `channel_id=` or `payer=` (20 bytes) narrow it."""
        wanted: list[Any] = [list(self._topics)]
        if "channel_id" in topics:
            wanted.append(to_hex(topics["channel_id"]))
        if "payer" in topics:
            opened = next(topic for topic, name in self._topics.items() if name == "Opened")
            wanted = [[opened], None, "0x" + topics["payer"].hex().rjust(64, "0")]
        until = hex(last) if isinstance(last, int) else last
        return {"address": to_hex(self.address), "fromBlock": hex(first), "toBlock": until, "topics": wanted}

    def read_log(self, entry: dict[str, Any]) -> ChannelLog | None:
        """An event from JSON-RPC; None for one that is not ours, or that another contract logged: a receipt that a
        provider points to may hold anything.
        """
        name = self._topics.get(entry["topics"][0]) if entry["topics"] else None
        if name is None or str(entry.get("address")).lower() != to_hex(self.address):
            return None
        values = self._contract.log(name, entry["topics"], entry["data"])
        config = config_from_abi(values.pop("config")) if name == "Opened" else None
        channel_id = values.pop("id")
        block = to_int(entry["blockNumber"])
        return ChannelLog(name, channel_id, block, entry["blockHash"], entry["transactionHash"], values, config)

    async def logs(self, rpc: Rpc, first: int, last: int | str, **topics: bytes) -> list[ChannelLog]:
        entries = await rpc.request("eth_getLogs", [self.log_filter(first, last, **topics)])
        return [log for log in map(self.read_log, entries) if log is not None]
