"""A transaction whose place another took: which one, and whether it does the same."""

from __future__ import annotations

import pytest

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.replaced import HISTORY, LOOKS, Watched, does_the_same, mined_under
from tallystick_shared.evm.rpc import RpcError

ACCOUNT, TO = b"\1" * 20, b"\2" * 20


def transaction(nonce, who=ACCOUNT, **changes):
    found = {"from": "0x" + who.hex(), "nonce": hex(nonce), "hash": f"0x{nonce:064x}", "to": "0x" + TO.hex()}
    return {**found, "value": "0x5", "input": "0xabcd", **changes}


class Chain:
    """Blocks of transactions; `oldest` is the first block whose state is still known."""

    def __init__(self, blocks, oldest=0):
        self.blocks, self.oldest, self.asked = blocks, oldest, 0

    async def request(self, method, params):
        self.asked += 1
        if method == "eth_blockNumber":
            return hex(len(self.blocks) - 1)
        if method == "eth_getBlockByNumber":
            return {"transactions": self.blocks[int(params[0], 16)]}
        assert method == "eth_getTransactionCount"
        height = int(params[1], 16)
        if height < self.oldest:
            raise RpcError(-32000, "missing trie node")
        mine = [one for block in self.blocks[: height + 1] for one in block if one["from"] == params[0]]
        return hex(len(mine))


async def test_the_one_that_was_mined_is_found():
    others = [transaction(0, b"\3" * 20), transaction(7, b"\4" * 20)]
    blocks = [[], [transaction(0)], others, [transaction(1)], [], [transaction(2)], []]
    for nonce in range(3):
        assert await mined_under(Chain(blocks), ACCOUNT, nonce) == transaction(nonce)


async def test_only_so_many_blocks_are_looked_at():
    chain = Chain([[]] * 10_000 + [[transaction(0)]] + [[]] * (HISTORY - 1), oldest=9_999)
    assert await mined_under(chain, ACCOUNT, 0) == transaction(0)
    assert chain.asked <= 10


@pytest.mark.parametrize("chain", [Chain([[], []]), Chain([[]] * 300 + [[transaction(0)]], oldest=300)])
async def test_where_the_chain_does_not_tell_there_is_none(chain):
    assert await mined_under(chain, ACCOUNT, 0) is None


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"hash": "0x1", "gas": "0x9", "maxFeePerGas": "0x9"}, True),
        ({"to": "0x" + "03" * 20}, False),
        ({"to": None}, False),
        ({"value": "0x6"}, False),
        ({"input": "0x"}, False),
        ({"input": None}, False),
    ],
)
def test_the_same_is_what_moves_the_same_money(changes, same):
    assert does_the_same(transaction(0, **changes), TO, 5, b"\xab\xcd") is same
    del (incomplete := transaction(0, **changes))["value"]
    assert not does_the_same(incomplete, TO, 5, b"\xab\xcd")


class Seen:
    """Answers about one transaction, as a test sets them."""

    def __init__(self):
        self.receipts, self.known, self.used, self.mined = {}, {}, 0, None

    async def request(self, method, params):
        if method == "eth_getTransactionReceipt":
            return self.receipts.get(params[0])
        if method == "eth_getTransactionByHash":
            return self.known.get(params[0])
        if method == "eth_getTransactionCount":
            return hex(self.used)
        if method == "eth_blockNumber":
            return "0x0"
        return {"transactions": [self.mined] if self.mined else []}


OURS = transaction(0, hash="0xaa")
FASTER, OTHER = {**OURS, "hash": "0xbb"}, {**OURS, "hash": "0xcc", "value": "0x0"}


async def test_a_transaction_is_looked_at_until_it_is_mined():
    chain = Seen()
    watched = Watched(chain, "0xaa")
    chain.known["0xaa"] = OURS
    assert await watched.look() is None
    chain.receipts["0xaa"] = {"status": "0x1"}
    assert await watched.look() == {"status": "0x1"}


@pytest.mark.parametrize(("mined", "by"), [(FASTER, None), (OTHER, "0xcc"), (None, "")])
async def test_what_took_its_place_is_told_unless_it_does_the_same(mined, by):
    chain = Seen()
    watched = Watched(chain, "0xaa")
    chain.known["0xaa"] = OURS
    assert await watched.look() is None
    chain.known, chain.used, chain.mined = {}, 1, mined
    chain.receipts["0xbb"] = {"status": "0x1", "transactionHash": "0xbb"}
    for _ in range(LOOKS - 1):
        assert await watched.look() is None
    if by is None:
        assert (await watched.look())["transactionHash"] == "0xbb"
        return
    with pytest.raises(LocalError) as caught:
        await watched.look()
    assert (caught.value.code, caught.value.values["by"]) == (Code.TRANSACTION_REPLACED, by)


async def test_what_nobody_knows_for_long_is_dropped_and_what_comes_back_is_not():
    chain = Seen()
    watched = Watched(chain, "0xaa", forgotten=3)
    assert await watched.look() is None
    chain.known["0xaa"] = OURS
    assert await watched.look() is None
    chain.known = {}
    assert [await watched.look(), await watched.look()] == [None, None]
    with pytest.raises(LocalError) as caught:
        await watched.look()
    assert caught.value.code is Code.TRANSACTION_DROPPED
