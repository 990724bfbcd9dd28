"""A wallet that none of us wrote (`@johanneskares/wallet-mock` over viem) walks through deposit, answer and close."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from playwright.sync_api import BrowserContext, expect

from tests.e2e.driver import Driver, hide_demo_wallet
from tests.e2e.stack import Demo
from tests.e2e.wallet import ETHER
from web.build.inputs import node

FOLDER = Path(__file__).parent / "foreign"
pytestmark = pytest.mark.full


class Foreign:
    """The wallet's process, and its functions in the pages of one context."""

    def __init__(self, demo: Demo, context: BrowserContext) -> None:
        account = Account.create()
        self.address: str = account.address
        demo.call("anvil_setBalance", self.address, hex(10 * ETHER))
        command = [node(), str(FOLDER / "wallet.mjs"), "0x" + bytes(account.key).hex(), demo.rpc]
        self._process = subprocess.Popen(
            command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.asked: list[str] = []
        told = self._hear()
        for name in told["names"]:
            context.expose_binding(name, lambda _, argument, name=name: self._call(name, argument))
        context.add_init_script(told["script"])

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        heard: dict[str, Any] = json.loads(self._process.stdout.readline())
        return heard

    def _call(self, name: str, argument: Any) -> Any:
        assert self._process.stdin is not None
        self.asked.append(argument["method"])
        self._process.stdin.write(json.dumps({"name": name, "argument": argument}) + "\n")
        answer = self._hear()
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def foreign(context: BrowserContext, running: Demo) -> Iterator[Foreign]:
    """Its packages have a lock of their own, and are fetched when they are not there."""
    if not (FOLDER / "node_modules" / "viem").is_dir():
        npm = shutil.which("npm", path=str(Path(node()).parent)) or "npm"
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=FOLDER, check=True, capture_output=True)
    hide_demo_wallet(context)
    wallet = Foreign(running, context)
    yield wallet
    wallet.end()


def test_deposit_answer_and_close(foreign: Foreign, page: Driver, running: Demo) -> None:
    page.open().connect().connected()
    expect(page.part("wallet")).to_have_text("10 ETH")
    page.deposit("0.5").deposited()
    page.ask("Whose wallet is this?").streaming()
    page.stop().answered()
    page.page.reload()
    page.ready().connected()
    page.do("open-close")
    page.sheet.locator("[data-do=close-deposit]").click()
    expect(page.sheet).to_contain_text("Closed.", timeout=20_000)
    assert foreign.asked.count("eth_sendTransaction") == 1
    assert running.balance(foreign.address) > 99 * ETHER // 10
