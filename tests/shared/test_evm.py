"""Calls, answers and logs by the generated ABI."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from tallystick_shared.channel import NATIVE, Config
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.evm.abi import artefact, canonical
from tallystick_shared.evm.channels import Channels
from tallystick_shared.evm.registry import Entry, Registry
from tallystick_shared.evm.rpc import checksum, to_bytes, to_hex, to_int
from tallystick_shared.voucher import Signed
from tests.shared.chain import Chain
from tests.shared.pair import CHANNELS, REGISTRY
from tests.shared.tools import drive, refused

CONFIG = Config(b"\x01" * 20, b"\x02" * 20, b"\x03" * 32, NATIVE, 86400, b"\x04" * 32)
CONFIG_TYPE = "(address,address,bytes32,address,uint32,bytes32)"
ID = b"\x0a" * 32


@pytest.fixture
def chain(crypto):
    return Chain(crypto, REGISTRY, CHANNELS)


@pytest.fixture
def channels(crypto):
    return Channels(crypto, CHANNELS)


def selector(crypto, signature):
    return crypto.keccak256(signature.encode())[:4]


def test_calls_have_the_frozen_signatures(crypto, channels):
    config = encode([CONFIG_TYPE], [CONFIG.abi()])
    assert channels.open(CONFIG, 9, 10) == selector(crypto, f"open({CONFIG_TYPE},uint256,uint256)") + config + encode(
        ["uint256", "uint256"], [9, 10]
    )
    assert channels.request_close(CONFIG) == selector(crypto, f"requestClose({CONFIG_TYPE})") + config
    assert channels.withdraw(CONFIG) == selector(crypto, f"withdraw({CONFIG_TYPE})") + config
    claim = channels.claim_tuple(CONFIG, Signed(7, b"\x05" * 65), bytes(32), (b"\x06" * 32,))
    kind = f"({CONFIG_TYPE},uint256,bytes32,bytes32[],bytes)"
    assert channels.close(b"\x07" * 20, claim) == selector(crypto, f"close(address,{kind})") + encode(
        ["address", kind], [b"\x07" * 20, claim]
    )
    assert channels.claim(b"\x07" * 20, b"\x08" * 20, NATIVE, [claim])[:4] == selector(
        crypto, f"claim(address,address,address,{kind}[])"
    )


def test_registry_calls(crypto):
    registry = Registry(crypto, REGISTRY)
    assert registry.register(b"x") == selector(crypto, "register(bytes)") + encode(["bytes"], [b"x"])
    assert registry.announce(b"x")[:4] == selector(crypto, "announce(bytes)")
    assert [registry.add_stake(), registry.request_exit(), registry.exit()] == [
        selector(crypto, name) for name in ("addStake()", "requestExit()", "exit()")
    ]


def test_when_the_stake_is_free_by_the_log_that_says_so(crypto):
    registry = Registry(crypto, REGISTRY)
    topics = [to_hex(crypto.keccak256(b"ExitRequested(address,uint256)")), "0x" + "00" * 12 + "01" * 20]
    asked = {"topics": topics, "data": to_hex(encode(["uint256"], [77]))}
    assert registry.unlocks([{"topics": [], "data": "0x"}, {**asked, "topics": ["0x" + "11" * 32]}, asked]) == 77
    with refused(Code.BAD_MESSAGE):
        registry.unlocks([])


def test_registry_reads(crypto, chain):
    registry = Registry(crypto, REGISTRY)
    chain.announce(b"\x01" * 20, b"one", stake=5, block=9)
    assert drive(registry.count(chain)) == 1
    (entry,) = drive(registry.page(chain))
    assert (entry.provider, entry.stake_gwei, entry.block, entry.registered) == (b"\x01" * 20, 5, 9, True)
    known, unknown = drive(registry.entries(chain, [b"\x01" * 20, b"\x02" * 20]))
    assert known == entry and not unknown.registered
    assert drive(registry.profile(chain, entry)) == b"one"
    assert drive(registry.page(chain, 1)) == []


def test_entry_word():
    word = (2**64 - 1) << 192 | (2**32 - 1) << 160 | (2**160 - 1)
    entry = Entry.from_word(bytes(20), word)
    assert (entry.stake_gwei, entry.block, entry.profile_hash) == (2**64 - 1, 2**32 - 1, 2**160 - 1)


def test_channel_reads(chain, channels):
    chain.states[ID] = 100 | 30 << 112 | 1_800_000_000 << 224
    state = drive(channels.state(chain, ID))
    assert (state.deposit, state.claimed, state.expiry) == (100, 30, 1_800_000_000)
    assert drive(channels.states(chain, [b"\x0b" * 32, ID]))[1] == state
    chain.pays = 42
    claim = channels.claim_tuple(CONFIG, Signed(42, b"\x05" * 65), bytes(32), ())
    assert drive(channels.would_pay(chain, b"\x07" * 20, b"\x08" * 20, NATIVE, [claim])) == 42
    assert chain.asked[-1][1][0]["from"] == "0x" + "08" * 20


def test_opened_is_read_back(channels):
    data = encode([CONFIG_TYPE, "uint256", "uint256"], [CONFIG.abi(), 100, 200])
    topic = next(topic for topic, name in channels._topics.items() if name == "Opened")
    log = channels.read_log(
        {
            "address": to_hex(channels.address),
            "topics": [topic, to_hex(ID), "0x" + "00" * 12 + "01" * 20],
            "data": to_hex(data),
            "blockNumber": "0x10",
            "blockHash": "0x" + "ab" * 32,
            "transactionHash": "0x" + "cd" * 32,
        }
    )
    assert (log.name, log.channel_id, log.block, log.config) == ("Opened", ID, 16, CONFIG)
    assert (log.values["deposit"], log.values["expiry"]) == (100, 200)


def test_logs_of_others_are_skipped(channels):
    mine = to_hex(channels.address)
    assert channels.read_log({"address": mine, "topics": ["0x" + "99" * 32], "data": "0x"}) is None
    assert channels.read_log({"address": mine, "topics": [], "data": "0x"}) is None


def test_what_another_contract_logged_is_not_ours(channels):
    """Or a provider could point to a receipt of its own making, and a user would forget a deposit that is open."""
    topic = next(topic for topic, name in channels._topics.items() if name == "Closed")
    data = to_hex(encode(["uint256", "uint256"], [1, 2]))
    place = {"blockNumber": "0x1", "blockHash": "0x" + "ab" * 32, "transactionHash": "0x" + "cd" * 32}
    for address, ours in ((channels.address, True), (b"\x66" * 20, False)):
        log = channels.read_log({"address": to_hex(address), "topics": [topic, to_hex(ID)], "data": data, **place})
        assert (log is not None) is ours


@pytest.mark.parametrize("data", ["", "0x", "0xzz", "0x01", None])
def test_a_log_that_cannot_be_read(channels, data):
    topic = next(topic for topic, name in channels._topics.items() if name == "Closed")
    with refused(Code.BAD_MESSAGE, PeerError):
        channels.read_log({"address": to_hex(channels.address), "topics": [topic, to_hex(ID)], "data": data})


def test_filters_narrow_by_channel_and_payer(channels):
    assert channels.log_filter(1, "latest", channel_id=ID)["topics"][1] == to_hex(ID)
    narrowed = channels.log_filter(1, 16, payer=b"\x01" * 20)
    assert narrowed["topics"][1:] == [None, "0x" + "00" * 12 + "01" * 20]
    assert (narrowed["fromBlock"], narrowed["toBlock"]) == ("0x1", "0x10")


@pytest.mark.parametrize("answer", ["0x", "0x00", "0xzz", None, 7, {}])
def test_an_answer_that_is_not_what_the_abi_says(channels, answer):
    class Nobody:
        async def request(self, method, params):
            return answer

    with refused(Code.BAD_MESSAGE, PeerError):
        drive(channels.state(Nobody(), ID))


def test_canonical_types():
    claims = next(entry for entry in artefact("Channels")["abi"] if entry.get("name") == "claim")["inputs"][3]
    assert canonical(claims) == f"({CONFIG_TYPE},uint256,bytes32,bytes32[],bytes)[]"


def test_json_rpc_values():
    assert (to_int("0x10"), to_bytes("0x0a"), to_bytes("0a"), to_hex(b"\x0a")) == (16, b"\x0a", b"\x0a", "0x0a")


@pytest.mark.parametrize(
    "spelled",
    ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"],
)
def test_checksum_of_eip_55(crypto, spelled):
    assert checksum(crypto.keccak256, to_bytes(spelled)) == spelled


def test_what_changes_the_registrys_list(crypto, chain):
    registry = Registry(crypto, REGISTRY)
    chain.announce(b"\x01" * 20, b"one", block=5)
    chain.announce(b"\x02" * 20, b"two", block=6)
    chain.announce(b"\x03" * 20, b"three", block=9)
    first, second = drive(registry.logs(chain, 5, 6))
    assert (first.name, first.provider, first.profile, first.block) == ("Profile", b"\x01" * 20, b"one", 5)
    assert second.profile == b"two"
    exited = {**chain.logs[0], "topics": [to_hex(crypto.keccak256(b"Exited(address)")), chain.logs[0]["topics"][1]]}
    gone = registry.read_log({**exited, "data": "0x"})
    assert gone is not None and (gone.name, gone.provider, gone.profile) == ("Exited", b"\x01" * 20, b"")
    assert registry.read_log({**exited, "topics": ["0x" + "00" * 32]}) is None


@pytest.mark.parametrize("field", ["topics", "data", "blockNumber", "blockHash", "transactionHash"])
def test_a_registry_log_without_a_field(crypto, chain, field):
    registry = Registry(crypto, REGISTRY)
    chain.announce(b"\x01" * 20, b"one")
    del chain.logs[0][field]
    with refused(Code.BAD_MESSAGE):
        registry.read_log(chain.logs[0])


def test_the_profiles_of_one_block(crypto, chain):
    registry = Registry(crypto, REGISTRY)
    for number in (1, 2, 3):
        chain.announce(bytes([number]) * 20, b"profile %d" % number, block=5)
    entries = drive(registry.entries(chain, [b"\x01" * 20, b"\x03" * 20]))
    assert sorted(drive(registry.profiles(chain, entries))) == [b"profile 1", b"profile 3"]


def test_a_word_is_put_together_again():
    word = 7 << 192 | 8 << 160 | 9
    assert Entry.from_word(bytes(20), word).word == word
    assert Entry.from_word(bytes(20), word).announcement == (8, 9)
