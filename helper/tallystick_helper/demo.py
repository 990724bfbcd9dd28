"""The demo: a chain, the contracts, a provider and the page on this machine, all real, gone when it ends.

    python -m tallystick_helper.demo [--json] [--no-open] [--page PORT] [--listen PORT] [--admin PORT] [--endpoint URL]
        [--engine NAME]

The chain is anvil's. Everything on it is worthless, and the page says so. `--json` prints one line when all is up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from rich.console import Console

from tallystick_shared.chains import Deployment
from tallystick_shared.deposit import Terms
from tallystick_shared.errors import Code, LocalError, TallystickError

from .chain.deploy import deploy
from .chain.rpc import HttpRpc
from .chain.sender import Sender
from .chat import Account
from .crypto import NativeCrypto
from .logs import configure
from .provide import Provider
from .settings import OfferSettings, Settings, load
from .store import UserStore
from .up import Up

CHAIN_ID = 31337
ETHER = 10**18
CHECKOUT = Path(__file__).parents[2]
DEARER = 100_000
"""The demo's prices are the usual ones so many times: its coins are worth nothing, and the sums are seen to move."""
PRICE_IN, PRICE_OUT = (DEARER * price for price in (OfferSettings().price_in, OfferSettings().price_out))


def anvil_path() -> str:
    """anvil of this checkout (the program itself: npm's wrapper would outlive a signal), else of the machine. Raises
    LocalError BAD_SETTINGS.
    """
    own = sorted(CHECKOUT.glob("node_modules/@foundry-rs/anvil-*/bin/anvil*"))
    found = str(own[0]) if own else shutil.which("anvil")
    if found is None:
        raise LocalError(Code.BAD_SETTINGS, missing="anvil", mend="npm ci")
    return found


@contextlib.asynccontextmanager
async def anvil(port: int = 0, *, chain_id: int = CHAIN_ID, hardfork: str = "osaka") -> AsyncIterator[str]:
    """A local chain; yields its URL, and ends it on leaving."""
    arguments = ["--port", str(port), "--hardfork", hardfork, "--chain-id", str(chain_id), "--accounts", "1"]
    process = await asyncio.create_subprocess_exec(
        anvil_path(),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            if line.startswith(b"Listening on"):
                break
        else:
            raise LocalError(Code.RPC_UNREACHABLE, reason="anvil did not start")
        drain = asyncio.create_task(_drain(process.stdout))
        yield "http://" + line.split()[-1].decode()
        drain.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


def settings_for(options: argparse.Namespace, folder: Path, rpc: str, where: Deployment, user_key: bytes) -> Settings:
    """The demo node's settings: the same a person would write into a file."""
    return load(
        flags={
            "data_dir": folder,
            "demo_key": "0x" + user_key.hex(),
            "log_level": "warning",
            "chain": {
                "rpc": [rpc],
                "id": CHAIN_ID,
                "name": "Tallystick demo",
                "registry": "0x" + where.registry.hex(),
                "channels": "0x" + where.channels.hex(),
                "block": where.block,
                "interval": 0.25,
            },
            "page": {"port": options.page},
            "admin": {"port": options.admin},
            "listen": {"host": "127.0.0.1", "port": options.listen, "endpoint": options.endpoint},
            "money": {"confirmations": 1},
            "trial": {"per_day": 100_000, "per_guest": 20_000},
            "offer": {
                "price_in": PRICE_IN,
                "price_out": PRICE_OUT,
                "first_voucher": 0,
                "minimum_delay": 900,
                "stake": ETHER,
            },
            "engine": {"kind": options.engine},
        }
    )


async def fund(rpc: HttpRpc, address: bytes, amount: int) -> None:
    await rpc.request("anvil_setBalance", ["0x" + address.hex(), hex(amount)])


@contextlib.asynccontextmanager
async def stack(options: argparse.Namespace) -> AsyncIterator[dict[str, Any]]:
    """Everything, up; yields what a script needs to know."""
    crypto = NativeCrypto()
    owner_key, user_key, terminal_key, own_key = (secrets.token_bytes(32) for _ in range(4))
    async with contextlib.AsyncExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="tallystick-demo-")))
        url = await held.enter_async_context(anvil())
        rpc = HttpRpc([url])
        held.push_async_callback(rpc.aclose)
        for key in (owner_key, user_key, terminal_key, own_key):
            await fund(rpc, crypto.secp256k1_address(key), 10 * ETHER)
        where = await deploy(Sender(rpc, owner_key, CHAIN_ID, poll=0.02), CHAIN_ID)
        settings = settings_for(options, folder, url, where, user_key)
        up = Up(settings)
        held.push_async_callback(up.stop)
        await up.start()
        assert up.engine and up.public and up.page and up.admin
        endpoint = options.endpoint or f"ws://127.0.0.1:{up.public.port}"
        owner = Provider(settings, crypto, rpc, where, owner_key)
        await owner.provide(up.engine.models(), endpoint, lambda name, transaction: None)
        await owner.fund(lambda name, transaction: None)
        await up.serving.wait()
        # What the local API spends from: a deposit of the node's own, as `tallystick channel open` makes one.
        payer = Account(crypto, rpc, where, own_key, UserStore(folder, crypto), poll=0.02)
        await payer.open(await payer.choose(owner.address), Terms(ETHER))
        yield {
            "page": f"http://127.0.0.1:{up.page.port}/",
            "rpc": url,
            "chain_id": CHAIN_ID,
            "registry": "0x" + where.registry.hex(),
            "channels": "0x" + where.channels.hex(),
            "provider_endpoint": endpoint,
            "provider_address": "0x" + owner.address.hex(),
            "gateway": up.urls()["gateway"],
            "api_key": up.admin.key.text(),
            "key_file": str(_keep(folder / "terminal" / "user.key", terminal_key)),
            "pid": os.getpid(),
        }


def _keep(path: Path, key: bytes) -> Path:
    """A key file as `--key-file` reads it, in a folder that can also be its `--data-dir`."""
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    path.write_text(key.hex() + "\n")
    return path


def tell(up: dict[str, Any], options: argparse.Namespace) -> None:
    """Says where everything is; the plain form also opens the page where there is a screen."""
    if options.json:
        print(json.dumps(up), flush=True)
        return
    console = Console(soft_wrap=True)
    console.print(f"\n[bold]The page:[/bold] {up['page']}")
    console.print(f"A provider listens at {up['provider_endpoint']}; the chain, worth nothing, is at {up['rpc']}.")
    flags = f"--rpc {up['rpc']} --key-file {up['key_file']} --data-dir {Path(up['key_file']).parent}"
    console.print("In a terminal, with ten worthless coins of its own:")
    command = Path(sys.executable).parent / "tallystick"
    console.print(f"  {command} chat {flags} 'What is a tally stick?'", highlight=False)
    data = Path(up["key_file"]).parent.parent
    console.print("The provider's console, in a browser:")
    console.print(f"  {command} console --data-dir {data}", highlight=False)
    console.print(f"Chat for your own software, by any OpenAI client: base URL {up['gateway']}")
    console.print(f"with the key {up['api_key']}", highlight=False)
    console.print("Press Ctrl+C to end; nothing stays behind.\n")
    screen = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if screen and not options.no_open:
        webbrowser.open(up["page"])


async def run(options: argparse.Namespace) -> None:
    """Runs until SIGINT or SIGTERM, which may also come while it starts."""
    serving = asyncio.ensure_future(_serve(options))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _serve(options: argparse.Namespace) -> None:
    async with stack(options) as up:
        tell(up, options)
        await asyncio.Event().wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo", description="A chain, a provider and the page on this machine.")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when everything is up")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    parser.add_argument("--page", type=int, default=0, metavar="PORT", help="the page's port; a free one by default")
    parser.add_argument(
        "--listen", type=int, default=0, metavar="PORT", help="the provider's port; a free one by default"
    )
    parser.add_argument(
        "--admin", type=int, default=0, metavar="PORT", help="the local API's port; a free one if not set"
    )
    parser.add_argument("--endpoint", metavar="URL", help="the address announced on chain, if it is another one")
    parser.add_argument("--engine", choices=["gguf", "echo"], default="gguf", help="gguf: the small model; echo: none")
    options = parser.parse_args()
    configure("warning")
    os.environ.setdefault("TALLYSTICK_KEYRING", "off")  # nothing of it stays behind
    try:
        asyncio.run(run(options))
    except TallystickError as error:
        print(f"{error.says} {error.next_step} ({error})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
