"""A year of a node's claiming, on a real chain whose clock is moved on: the node's own ledger, follower, sender and
till, an RPC that fails, gas that gets dear, and people who open, use, top up, close, ask for the end, and forget.

Whatever is left unclaimed although it is due is weighed at once against what a claim of it would cost then.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from tallystick_helper.chain.follower import Follower
from tallystick_helper.chain.sender import Sender
from tallystick_helper.chain.table import ChannelTable
from tallystick_helper.ledger import Ledger
from tallystick_helper.node.channel import LiveChannel
from tallystick_helper.node.claims import batches
from tallystick_helper.node.till import Till, TillRules
from tallystick_shared.channel import NATIVE, NO_SALT, ChannelState, Config, channels_domain, leaf
from tallystick_shared.errors import TallystickError
from tallystick_shared.evm.channels import Channels, packed_record
from tallystick_shared.evm.rpc import RpcError, to_int
from tallystick_shared.messages import Auth
from tallystick_shared.money import Account
from tallystick_shared.session.events import AuthOffered
from tallystick_shared.voucher import Payment

from .weather import Tab, Weather
from .world import CHAIN_ID, ETHER, World, until_it_is

HOUR, DAY, GWEI = 3600, 86_400, 10**9
MARGIN, THRESHOLD = 2 * HOUR, 5 * 10**16
PAYEE, OPERATOR = b"\x0c" * 20, b"\x55" * 32
OUTAGE = 25 * 60
"""Seconds; half of the shortest notice is longer, else whoever asks for the end then wins by luck alone."""


class Year:
    """`count` channels over a year; everything by chance follows from `seed`."""

    def __init__(self, world: World, count: int, seed: int) -> None:
        self.world, self.count, self.chance = world, count, random.Random(seed)
        self.channels = Channels(world.crypto, world.where.channels)
        self.weather = Weather(world)
        self.payer = world.crypto.secp256k1_address(world.user_key)
        self.operator = world.crypto.secp256k1_address(OPERATOR)
        self.tabs: list[Tab] = []
        self.seen: Counter[str] = Counter()
        self.price = 10 * GWEI
        self.now = 0
        self._agenda: list[tuple[int, int, Callable[[], Awaitable[None]]]] = []

    # -- the node

    async def start(self) -> None:
        """A process begins: everything it knows is on its disk."""
        world = self.world
        self.ledger = Ledger(world.folder / "year.sqlite", PAYEE, self.operator)
        rpc, table = self.weather, ChannelTable()
        self.follower = Follower(
            rpc, self.channels, self.ledger, table, start=world.where.block, clock=lambda: self.now
        )
        sender = Sender(rpc, OPERATOR, CHAIN_ID, poll=0.01, patience=0.1)
        rules = TillRules(THRESHOLD, MARGIN, 30.0)
        self.till = Till(rpc, self.channels, self.follower, self.ledger, sender, PAYEE, rules)
        await self.follower.prepare()
        await self.follower.look()
        await self.till.recover()

    async def crash(self) -> None:
        """It ends wherever it is."""
        finishing = asyncio.create_task(self.till.finish())
        await asyncio.sleep(0)
        finishing.cancel()
        await asyncio.gather(finishing, return_exceptions=True)
        self.ledger.close()
        self.weather.turn("")
        self.seen["restarts"] += 1
        await self.start()

    async def look(self) -> None:
        """The node looks at what is new, and claims; then what it left is weighed."""
        begun: list[asyncio.Task[int]] = []
        try:
            await self.follower.look()
            begun = await self.till.begin()
        except (TallystickError, RpcError):
            self.seen["looks in vain"] += 1
            return
        slow = bool(begun) and not self.weather.kind and self.chance.random() < 0.1
        if slow:
            await self.stall(begun)
        for _ in range(100):
            if not begun or self.weather.kind:
                break
            _, waits = await asyncio.wait(begun, timeout=0.05)
            begun = list(waits)
        if not self.weather.kind:
            await self.weigh()

    async def stall(self, begun: list[asyncio.Task[int]]) -> None:
        """No block comes for a while: what was sent gets dearer, and perhaps the process ends meanwhile."""
        await self.world.rpc.request("evm_setAutomine", [False])
        await asyncio.wait(begun, timeout=0.25)
        if self.chance.random() < 0.5:
            await self.crash()
        await self.world.rpc.request("evm_setAutomine", [True])
        await self.block()
        self.seen["stalls"] += 1

    # -- is what is left worth nothing?

    def due(self, tab: Tab, state: ChannelState) -> int:
        """What is unclaimed of a channel for which it is time, by the rules as they are written."""
        left = min(tab.voucher.amount, state.deposit) - state.claimed
        half = tab.asked and self.now >= state.expiry - tab.config.delay // 2
        late = self.now >= state.expiry - MARGIN
        return left if left > 0 and (left >= THRESHOLD or half or late) else 0

    async def left(self) -> list[tuple[int, Tab]]:
        live = [tab for tab in self.tabs if not tab.over]
        found: list[tuple[int, Tab]] = []
        for at in range(0, len(live), 100):
            some = live[at : at + 100]
            states = await self.channels.states(self.world.rpc, [tab.channel_id for tab in some])
            pairs = zip(some, states, strict=True)
            found += [(due, tab) for tab, state in pairs if not state.ended and (due := self.due(tab, state))]
        return sorted(found, key=lambda one: -one[0])

    async def weigh(self) -> None:
        """No set of what is left, richest first, pays for its gas at the newest block's price. Where the node looked at
        another block than that, it looks again first.
        """
        for _ in range(8):
            if not (left := await self.left()):
                return
            await self.block()
            await self.follower.look()
            if not await asyncio.gather(*await self.till.begin()) or await self.left() == left:
                break
        sizes = {1, len(left), *(size for size in (2, 4, 8, 16, 64, 200) if size < len(left))}
        price = (await self.till._sender.market()).likely
        for size in sizes:
            some = left[:size]
            gas = await self.gas([tab for _, tab in some])
            assert sum(due for due, _ in some) <= gas * price, "left, although it was worth its gas"
        for _, tab in left:
            tab.proofs += 1
        self.seen["weighed"] += 1
        self.at(self.now + MARGIN - 300, self.look)

    async def gas(self, tabs: list[Tab]) -> int:
        """What a claim of these takes."""
        if len(tabs) == 1:
            one = self.channels.claim_tuple(tabs[0].config, tabs[0].voucher, NO_SALT, ())
            data = self.channels.claim(PAYEE, self.operator, NATIVE, [one])
        else:
            records = [record for tab in tabs if (record := packed_record(tab.config, tab.voucher))]
            data = self.channels.claim_packed(PAYEE, self.operator, NATIVE, records)
        return (await self.till._sender.cost(self.channels.address, data)).estimate

    # -- time

    def at(self, moment: int, act: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self._agenda, (moment, self.chance.getrandbits(62), act))

    async def block(self, moment: int = 0) -> None:
        request = self.world.rpc.request
        await request("anvil_setNextBlockBaseFeePerGas", [hex(self.price)])
        if moment:
            await request("evm_setNextBlockTimestamp", [moment])
        await request("evm_mine", [])
        newest = await request("eth_getBlockByNumber", ["latest", False])
        self.now = to_int(newest["timestamp"])

    async def live(self) -> None:
        """The year, and what is still to end then."""
        world = self.world
        await world.rpc.request("anvil_impersonateAccount", ["0x" + self.payer.hex()])
        await world.fund(world.user_key, 10**6 * ETHER)
        await world.fund(OPERATOR, 1000 * ETHER)
        await world.rpc.request("anvil_setBlockTimestampInterval", [1])
        await self.block()
        await self.start()
        self.plan()
        while self._agenda:
            moment, _, act = heapq.heappop(self._agenda)
            if moment > self.now:
                await self.block(moment)
            await act()
        await self.look()
        for _ in range(20):  # what was mined last is noted
            if not self.till._busy:
                break
            await self.block()
            await asyncio.sleep(0.05)

    def plan(self) -> None:
        begin, chance = self.now, self.chance
        for number in range(self.count):
            self.at(begin + chance.randrange(330 * DAY), lambda number=number: self.open(number))  # type: ignore[misc]
        for day in range(0, 365, 7):
            self.at(begin + day * DAY, self.day)
        for _ in range(25):
            self.at(begin + chance.randrange(365 * DAY), self.fail)
            self.at(begin + chance.randrange(365 * DAY), self.spike)
        for _ in range(12):
            self.at(begin + chance.randrange(365 * DAY), self.crash)
        for _ in range(6):
            self.at(begin + chance.randrange(365 * DAY), self.reorg)

    async def day(self) -> None:
        if self.price < 100 * GWEI:
            self.price = self.chance.randrange(3, 30) * GWEI
        await self.look()

    async def fail(self) -> None:
        """The node's RPC fails for some minutes, and somebody asks for the end just then."""
        self.weather.turn(self.chance.choice(["refuse", "cut", "low", "high"]), self.chance.randrange(1, 12))
        self.seen[f"outages ({self.weather.kind})"] += 1
        await self.look()
        if open_ones := [tab for tab in self.tabs if not tab.over and not tab.asked]:
            await self.ask_back(self.chance.choice(open_ones))
        self.at(self.now + OUTAGE, self.clear)
        await self.look()

    async def clear(self) -> None:
        self.weather.turn("")
        for _ in range(7):  # a chain that seems shorter is believed after some looks
            await self.block()
            with contextlib.suppress(TallystickError, RpcError):
                await self.follower.look()
        await self.look()

    async def spike(self) -> None:
        self.price = self.chance.choice([200, 1000, 5000]) * GWEI
        self.seen["gas spikes"] += 1
        self.at(self.now + self.chance.randrange(HOUR, 2 * DAY), self.calm)
        await self.block()
        await self.look()

    async def calm(self) -> None:
        self.price = 10 * GWEI
        await self.block()
        await self.look()

    async def reorg(self) -> None:
        """What the node claimed in the newest block is taken back, and has to come again."""
        tab = next((tab for tab in self.tabs if not tab.over and tab.voucher.amount), None)
        if tab is None or self.weather.kind:
            return
        before = to_int(await self.world.rpc.request("eth_blockNumber", []))
        row = await self.ledger.channel(tab.channel_id)
        assert row is not None
        self.price = 3 * GWEI
        await self.block()
        if (
            await self.till.claim(batches([row])[0])
            and to_int(await self.world.rpc.request("eth_blockNumber", [])) == before + 2
        ):
            await self.world.rpc.request("anvil_reorg", [1, []])
            self.seen["reorganisations"] += 1
        await self.block()
        await self.look()

    # -- people

    async def pay(self, data: bytes, value: int = 0) -> None:
        sent = {
            "from": "0x" + self.payer.hex(),
            "to": "0x" + self.channels.address.hex(),
            "data": "0x" + data.hex(),
            "value": hex(value),
            "gas": hex(400_000),
            "maxFeePerGas": hex(100_000 * GWEI),
            "maxPriorityFeePerGas": "0x1",
        }
        transaction = await self.world.rpc.request("eth_sendTransaction", [sent])
        await until_it_is(lambda: self.world.rpc.request("eth_getTransactionReceipt", [transaction]))
        receipt = await self.world.rpc.request("eth_getTransactionReceipt", [transaction])
        assert to_int(receipt["status"]) == 1

    async def open(self, number: int) -> None:
        chance, crypto = self.chance, self.world.crypto
        key = number.to_bytes(4, "big") * 7 + b"year"
        config = Config(
            self.payer,
            crypto.secp256k1_address(key),
            leaf(crypto, PAYEE, self.operator),
            NATIVE,
            chance.choice([HOUR, 4 * HOUR, DAY]),
            chance.randbytes(32),
        )
        channel_id = config.channel_id(crypto, channels_domain(CHAIN_ID, self.channels.address))
        tab = Tab(config, key, channel_id, self.now + chance.randrange(3, 31) * DAY, 10 ** chance.randrange(14, 18))
        await self.pay(self.channels.open(config, tab.expiry, tab.deposit), tab.deposit)
        await self.ledger.store_channel(channel_id, config, NO_SALT, (), PAYEE, self.operator)
        self.tabs.append(tab)
        self.seen["opened"] += 1
        await self.use(tab)
        self.ends(tab)

    def ends(self, tab: Tab) -> None:
        chance, life = self.chance, tab.expiry - self.now
        middle = self.now + chance.randrange(DAY, life - DAY)
        self.at(middle - HOUR, lambda: self.use(tab))
        end = chance.choice(["close", "close", "ask", "ask", "forget", "top up", "drain"])
        self.seen[end] += 1
        acts = {"close": self.close, "ask": self.ask_back, "top up": self.top_up, "drain": self.drain}
        if end in acts:
            self.at(middle, lambda: acts[end](tab))
        self.wait_for(tab)

    def wait_for(self, tab: Tab) -> None:
        """The moments at which the node must act at the latest, and the payer who takes the rest at once."""
        moments = [tab.expiry - MARGIN + 1] + [tab.expiry - tab.config.delay // 2 + 1] * tab.asked
        for moment in moments:
            self.at(max(self.now + 1, moment), self.look)
        self.at(tab.expiry + 60, lambda: self.withdraw(tab))

    async def use(self, tab: Tab, share: float = 0.0) -> None:
        """A higher voucher, as it is after it was checked and before it is acknowledged."""
        if tab.over or tab.asked:
            return
        room = tab.deposit - tab.voucher.amount
        amount = tab.voucher.amount + int(room * (share or self.chance.random() ** 3))
        pays = Payment.on(CHAIN_ID, self.channels.address, tab.channel_id, PAYEE, tab.config.signer)
        if amount > tab.voucher.amount:
            tab.proofs = 0  # what was weighed was a lower one
            tab.voucher = pays.sign(self.world.crypto, tab.key, amount)
            await self.ledger.store_voucher(tab.channel_id, tab.voucher, amount)

    async def drain(self, tab: Tab) -> None:
        await self.use(tab, 1.0)
        await self.look()

    async def top_up(self, tab: Tab) -> None:
        if tab.over:
            return
        more = 10 ** self.chance.randrange(14, 17)
        tab.expiry, tab.asked = max(tab.expiry, self.now + 20 * DAY), False
        tab.deposit += more
        await self.pay(self.channels.top_up(tab.config, tab.expiry, more), more)
        await self.use(tab)
        self.wait_for(tab)

    async def ask_back(self, tab: Tab) -> None:
        if tab.over or tab.asked:
            return
        await self.pay(self.channels.request_close(tab.config))
        tab.asked, tab.expiry = True, min(tab.expiry, self.now + 1 + tab.config.delay)
        self.seen["asked for the end"] += 1
        self.wait_for(tab)

    async def close(self, tab: Tab) -> None:
        """By the node, on request; alone where it does not."""
        if tab.over or tab.asked or self.weather.kind:
            return await self.ask_back(tab)
        body = Auth(self.channels.address, tab.config.body(), NO_SALT, (), bytes(65), 0)
        live = LiveChannel(AuthOffered(tab.channel_id, tab.config, 0, body), Account(tab.deposit, 0))
        try:
            await self.till.close(live, tab.voucher)
            while self.till.is_closing(tab.channel_id):
                await self.till._busy.change()
        except TallystickError:
            await self.ask_back(tab)
        else:
            tab.over = (await self.channels.state(self.world.rpc, tab.channel_id)).ended
            self.seen["closed by the node"] += tab.over
        return None

    async def withdraw(self, tab: Tab) -> None:
        state = await self.channels.state(self.world.rpc, tab.channel_id)
        tab.over = tab.over or state.ended
        if tab.over or self.now < state.expiry:
            return
        left = min(tab.voucher.amount, state.deposit) - state.claimed
        assert left == 0 or tab.proofs, "lost without having been weighed"
        await self.pay(self.channels.withdraw(tab.config))
        tab.over = True
        self.seen["ended by the payer"] += 1
        self.seen["not worth a claim"] += left > 0
        self.seen["wei not worth a claim"] += left
