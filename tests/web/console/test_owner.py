"""Whatever needs the owner starts the sign-in by itself, with the wallet that the person picks, then goes on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tallystick_web.console.main import build
from tallystick_web.console.seats import Answer, Seats
from tallystick_web.console.state import State
from tallystick_web.ports import WalletInfo
from tests.web.seats import ACCOUNT, MemoryWallets

OTHER = "0x" + "bb" * 20
ONE, TWO = WalletInfo("one", "First wallet"), WalletInfo("two", "Second wallet")
NEEDED = Answer(403, {"error": "OWNER_NEEDED", "chain": "side", "owner": ACCOUNT, "says": "", "next": ""})
SIGN_IN = ["owner/message", "owner/sign-in"]


class Node:
    """The `Api` seat of a node that has an owner: what is not the sign-in itself waits for it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.signed = False

    async def paired(self) -> Answer:
        return Answer(200)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        self.told.append((path, body or {}))
        if path == "owner/message":
            return Answer(200, {"message": "sign in"})
        if path == "owner/sign-in":
            self.signed = True
        return Answer(200, {"router": None}) if self.signed else NEEDED

    async def download(self, path: str, name: str) -> bool:
        return True


class Screen:
    """The `Screen` seat; `sheets` hears of each dialog that opens."""

    hidden = False

    def __init__(self) -> None:
        self.sheets: asyncio.Queue[str] = asyncio.Queue()

    def show(self, state: State) -> None:
        if state.sheet:
            self.sheets.put_nowait(state.sheet)

    def copy(self, text: str) -> None: ...


class Clock:
    """The `Clock` seat."""

    def wall(self) -> float:
        return 0.0

    def offset_minutes(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None: ...


class Stand:
    """A console with these wallets, before such a node."""

    def __init__(self, *found: WalletInfo) -> None:
        self.node, self.screen, self.wallets = Node(), Screen(), MemoryWallets(*found)
        self.wallets.answers["personal_sign"] = lambda _: "0x01"
        self.desk, _ = build(Seats(self.node, self.screen, Clock(), self.wallets))

    async def over(self) -> None:
        await asyncio.gather(*self.desk._tasks)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.node.told]


ACTIONS = [
    ("claim", "side", "claim"),
    ("use-model", "/models/one.gguf", "provide/use"),
    ("use-upstream", json.dumps({"url": "http://127.0.0.1:1"}), "provide/use"),
    ("map-port", "on", "provide/port"),
]


@pytest.mark.parametrize(("intent", "argument", "path"), ACTIONS)
async def test_every_owners_action_signs_in_and_goes_on(intent: str, argument: str, path: str) -> None:
    stand = Stand(ONE)
    stand.desk.heard(intent, argument)
    await stand.over()
    assert stand.paths == [path, *SIGN_IN, path]
    assert stand.node.told[0] == stand.node.told[-1]
    assert stand.node.told[1][1] == {"account": ACCOUNT, "chain": "side"}
    assert stand.wallets.asked == ["eth_requestAccounts", "personal_sign"]
    assert stand.desk.state.notice is None or stand.desk.state.notice.kind == "good"


async def test_a_folder_of_models_is_looked_through() -> None:
    stand = Stand(ONE)
    stand.node.signed = True
    stand.desk.heard("find-models", json.dumps({"path": " /models "}))
    await stand.over()
    assert stand.node.told == [("provide/find", {"path": "/models"})]
    assert stand.desk.state.notice is None


async def test_of_several_wallets_the_person_picks() -> None:
    stand, signers = Stand(ONE, TWO), list[str]()
    request = stand.wallets.request

    async def heard(wallet: str, method: str, params: list[object]) -> object:
        signers.append(wallet)
        return await request(wallet, method, params)

    stand.wallets.request = heard  # type: ignore[method-assign]
    stand.desk.heard("map-port", "on")
    assert await stand.screen.sheets.get() == "wallets"
    assert stand.desk.state.wallets == (("one", "First wallet"), ("two", "Second wallet"))
    stand.desk.heard("pick-wallet", "two")
    await stand.over()
    assert signers == ["two", "two"] and stand.desk.state.sheet == ""
    assert stand.paths == ["provide/port", *SIGN_IN, "provide/port"]


async def test_a_closed_picker_ends_it() -> None:
    stand = Stand(ONE, TWO)
    stand.desk.heard("claim", "side")
    await stand.screen.sheets.get()
    stand.desk.heard("close-sheet")
    await stand.over()
    assert stand.paths == ["claim"] and not stand.desk.state.busy and stand.desk.state.notice is None


async def test_another_account_and_a_refusal_are_said() -> None:
    stand = Stand(ONE)
    stand.wallets.answers["eth_requestAccounts"] = lambda _: [OTHER]
    stand.desk.heard("use-model", "/m.gguf")
    await stand.over()
    assert stand.paths == ["provide/use"]
    assert stand.desk.state.notice is not None and "owner" in stand.desk.state.notice.says
    stand.wallets.answers["eth_requestAccounts"] = lambda _: [OTHER, ACCOUNT]
    stand.wallets.refuse("personal_sign")
    stand.desk.heard("use-model", "/m.gguf")
    await stand.over()
    assert stand.paths[1:] == ["provide/use", "owner/message"] and not stand.node.signed
    assert (stand.desk.state.notice.says, stand.desk.state.notice.step) == stand.desk.words.error("refused")


async def test_without_a_wallet_it_says_so() -> None:
    stand = Stand()
    stand.desk.heard("map-port", "on")
    await stand.over()
    assert stand.desk.state.notice is not None
    assert stand.desk.state.notice.says == stand.desk.words.error("no_wallet")[0]
