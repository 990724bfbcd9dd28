"""A payer's deposits, found again: by logs, by strangers' records, and never by lies."""

from __future__ import annotations

import msgspec
import pytest
from eth_abi.abi import encode as abi_encode

from tallystick_shared.chains import Deployment
from tallystick_shared.channel import NATIVE, ChannelState, Config, channels_domain
from tallystick_shared.errors import Code
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.rpc import RpcError, to_hex
from tallystick_shared.messages import amount_bytes, encode
from tallystick_shared.recovery import (
    MAX_CANDIDATES,
    MAX_RECORDS,
    OpenedAsk,
    OpenedRecord,
    make_opened,
    read_opened,
    recover,
)
from tests.shared.chain import Chain
from tests.shared.pair import CHAIN, CHANNELS, REGISTRY
from tests.shared.tools import drive, refused

WHERE = Deployment(CHAIN, REGISTRY, CHANNELS, 3)
PAYER, OTHER = b"\x61" * 20, b"\x62" * 20
EXPIRY = 1_900_000_000


def config(number, payer=PAYER, token=NATIVE):
    return Config(payer, b"\x63" * 20, b"\x64" * 32, token, 86400, number.to_bytes(32, "big"))


def record(number, payer=PAYER, block=10):
    return OpenedRecord(config(number, payer).body(), amount_bytes(500), EXPIRY, block, number.to_bytes(32, "big"))


class Bank:
    """A chain in memory on which channels are opened."""

    def __init__(self, crypto) -> None:
        self.crypto, self.chain = crypto, Chain(crypto, REGISTRY, CHANNELS)

    def open(self, number, *, deposit=500, expiry=EXPIRY, payer=PAYER, block=10, token=NATIVE):
        made = config(number, payer, token)
        channel_id = made.channel_id(self.crypto, channels_domain(CHAIN, CHANNELS))
        self.chain.states[channel_id] = deposit | expiry << 224
        kinds = ["(address,address,bytes32,address,uint32,bytes32)", "uint256", "uint256"]
        self.chain.logs.append(
            {
                "address": to_hex(CHANNELS),
                "topics": [
                    to_hex(self.chain._topic("Channels", "Opened")),
                    to_hex(channel_id),
                    "0x" + payer.hex().rjust(64, "0"),
                ],
                "data": to_hex(abi_encode(kinds, [made.abi(), deposit, EXPIRY])),
                "blockNumber": hex(block),
                "blockHash": "0x" + "ab" * 32,
                "transactionHash": "0x" + number.to_bytes(32, "big").hex(),
                "logIndex": hex(len(self.chain.logs)),
            }
        )
        return channel_id

    def recover(self, records=(), **options):
        return drive(recover(self.crypto, self.chain, WHERE, PAYER, records, **options))


@pytest.fixture
def bank(crypto):
    return Bank(crypto)


def test_by_the_chains_own_logs_newest_first(bank):
    first, second = bank.open(1, block=10), bank.open(2, block=20)
    bank.open(3, payer=OTHER)
    recovery = bank.recover()
    assert [one.channel_id for one in recovery.found] == [second, first]
    assert recovery.found[0].config == config(2) and recovery.fault is None
    assert recovery.found[0].state == ChannelState(500, 0, EXPIRY)
    assert recovery.found[0].record == record(2, block=20)


def test_by_a_nodes_records_where_logs_are_refused(bank):
    channel_id = bank.open(1)

    real = bank.chain.request

    async def request(method, params):
        if method == "eth_getLogs":
            raise RpcError(-32005, "pruned")
        return await real(method, params)

    bank.chain.request = request
    recovery = bank.recover([record(1)])
    assert [one.channel_id for one in recovery.found] == [channel_id]
    assert isinstance(recovery.fault, RpcError) and recovery.live == recovery.found


def test_records_alone(bank):
    bank.open(1)
    assert len(bank.recover([record(1)], logs=False).found) == 1
    assert "eth_getLogs" not in [method for method, _ in bank.chain.asked]


def test_an_ended_channel_is_found_and_is_not_live(bank):
    bank.open(1, expiry=1)
    recovery = bank.recover()
    assert len(recovery.found) == 1 and recovery.live == []


def test_made_up_records_are_unknown_to_the_contract(bank):
    bank.open(1)
    recovery = bank.recover([record(1), record(2), record(3)], logs=False)
    assert len(recovery.found) == 1 and recovery.unknown == 2


def test_another_payers_records_are_passed_over(bank):
    bank.open(3, payer=OTHER)
    recovery = bank.recover([record(3, OTHER)], logs=False)
    assert recovery.found == [] and recovery.unknown == 0


def test_one_channel_told_of_twice_is_one(bank):
    bank.open(1)
    assert len(bank.recover([record(1), record(1, block=11)]).found) == 1


def test_what_a_liar_can_cost_is_bounded(bank):
    recovery = bank.recover([record(number) for number in range(MAX_CANDIDATES + 100)], logs=False)
    assert recovery.unknown == MAX_CANDIDATES
    assert sum(method == "eth_call" for method, _ in bank.chain.asked) == MAX_CANDIDATES // 100


def test_channels_of_a_strangers_token_hide_none_of_the_coin(bank):
    for number in range(1, MAX_CANDIDATES + 1):
        bank.open(number, token=b"\x67" * 20)
    bank.open(MAX_CANDIDATES + 1, block=11)
    found = bank.recover(()).found
    assert len(found) == MAX_CANDIDATES
    assert [one.config.token for one in found if one.record.block == 11] == [NATIVE]


def test_a_log_that_cannot_be_read_is_a_fault(bank):
    bank.open(1)
    bank.chain.logs[0]["data"] = "0x00"
    assert bank.recover([record(1)]).fault is not None


# -- the answer of a node


def test_an_answer_is_read_as_it_was_made():
    data = make_opened(WHERE, 70, 2, 0, [record(1), record(2)])
    answer = read_opened(data, WHERE, PAYER)
    assert (answer.block, answer.count, answer.start) == (70, 2, 0)
    assert answer.records == (record(1), record(2))
    assert encode(OpenedAsk(PAYER)) == encode(OpenedAsk(PAYER, 0))


def test_an_answer_is_bounded():
    records = [record(number) for number in range(MAX_RECORDS + 1)]
    answer = read_opened(make_opened(WHERE, 2**63 - 1, 2**32 - 1, 2**32 - 1, records), WHERE, PAYER)
    assert len(answer.records) == MAX_RECORDS
    with refused(Code.TOO_LARGE):
        read_opened(bytes(MAX_RECORDS * 256 + 129), WHERE, PAYER)
    with refused(Code.BAD_MESSAGE):
        read_opened(encode(msgspec.structs.replace(answer, records=(*answer.records, record(9)))), WHERE, PAYER)


@pytest.mark.parametrize("changes", [{"version": 2}, {"chain_id": 1}, {"channels": bytes(20)},
                                     {"records": (record(1, OTHER),)}])  # fmt: skip
def test_an_answer_about_something_else(changes):
    answer = read_opened(make_opened(WHERE, 1, 1, 0, [record(1)]), WHERE, PAYER)
    with refused(Code.BAD_MESSAGE):
        read_opened(encode(msgspec.structs.replace(answer, **changes)), WHERE, PAYER)


def test_only_opened_makes_a_record(bank, crypto):
    bank.open(1)
    log = Channels(crypto, CHANNELS).read_log(bank.chain.logs[0])
    assert OpenedRecord.of(log) == record(1)
    object.__setattr__(log, "config", None)
    with pytest.raises(ValueError):
        OpenedRecord.of(log)
