"""`tallystick provide` and `fund`: onto the chain, by a key file, by a wallet in a browser, or by a signature made
elsewhere; and the gas money of the node's own key.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick_shared.errors import Code, LocalError

from .flags import (
    AsJson,
    ChannelsAt,
    ConfigFile,
    DataDir,
    DryRunFlag,
    KeyFile,
    MapPort,
    OnChain,
    Registry,
    RpcUrls,
    Yes,
)
from .shown import show_amount
from .terminal import Consent, chain_flags, fail, load_settings, read_key, run, say

if TYPE_CHECKING:
    from .settings import Settings

app = typer.Typer()
OneKeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="The owner's key: 64 hex digits, or a keystore; read once and never kept."),
]
WalletFlag = Annotated[
    bool, typer.Option("--wallet", help="Sign in a browser, with your own wallet: prints a link that is good once.")
]
Owner = Annotated[
    str | None, typer.Option("--owner", help="Sign elsewhere: the wallet's address; prints what to sign, then to send.")
]
Signature = Annotated[
    str | None, typer.Option("--signature", help="With --owner: the signature that wallet gave, in hex.")
]


@app.command()
def provide(
    key_file: OneKeyFile = None,
    wallet: WalletFlag = False,
    owner: Owner = None,
    signature: Signature = None,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="ws:// or wss:// address for others.")] = None,
    map_port: MapPort = None,
    price_in: Annotated[
        str | None, typer.Option("--price-in", help="Smallest units per 1,000,000 input units.")
    ] = None,
    price_out: Annotated[
        str | None, typer.Option("--price-out", help="Smallest units per 1,000,000 output units.")
    ] = None,
    payee: Annotated[
        str | None, typer.Option("--payee", help="Where the money goes; the owner's address if not set.")
    ] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="gguf or echo.")] = None,
    yes: Yes = False,
    dry_run: DryRunFlag = False,
    chain: OnChain = None,
    as_json: AsJson = False,
) -> None:
    """Become a provider: put this node's profile on chain, or change it. One transaction, by the owner's wallet.

    With --key-file it is signed and sent here, after saying what it costs and asking. With --wallet a browser does it,
    and the key stays in the wallet. With --owner the profile is signed elsewhere (EIP-712), and so is the transaction.

    JSON: provider, endpoint, model, models, transactions, gas (operator, held, claim, send, claims), and the contracts;
    with --wallet: url, seconds; with --owner: owner, typed_data, or with --signature: transaction, announced.
    """
    flags = {
        "data_dir": data_dir,
        "payee": payee,
        "chain": chain_flags(rpc, registry, channels),
        "listen": {"endpoint": endpoint},
        "router": {"map_port": map_port},
        "offer": {"price_in": price_in, "price_out": price_out},
        "engine": {"kind": engine},
    }
    settings = load_settings(config, flags, as_json, chain)
    if sum((key_file is not None, wallet, owner is not None)) != 1 or (signature and owner is None):
        reason = "name one of --key-file, --wallet and --owner (with --signature once it is signed)"
        fail(LocalError(Code.BAD_SETTINGS, reason=reason), as_json)
    kept = {**flags, "chain": {}, "chains": {chain: flags["chain"]}} if chain else flags
    if key_file is not None:
        _by_key(settings, kept, key_file, Consent(yes, as_json, dry_run), as_json)
    elif wallet:
        _by_browser(settings, kept, as_json)
    elif owner is not None:
        _elsewhere(settings, kept, owner, signature, as_json)


def _by_key(settings: Settings, kept: dict[str, Any], key_file: Path, consent: Consent, as_json: bool) -> None:
    key = read_key(key_file, as_json)
    from .commands import provide_now

    def tell(name: str, transaction: str) -> None:
        if not as_json:
            say(False, {}, f"{name}  0x{transaction}")

    done = run(provide_now(settings, key, tell, consent), as_json)
    keep(settings, kept)
    text = f"Provider {done['provider']} is announced at {done['endpoint']}."
    if settings.listen.endpoint is None and not settings.router.map_port:
        text += "\nOnly this machine can reach that: give --endpoint ws://YOUR-ADDRESS:8766 for others."
    say(as_json, done, text + gas_line(done["gas"], settings.chain.symbol))


def keep(settings: Settings, flags: dict[str, Any]) -> None:
    """Later commands know these flags too."""
    from . import settings as settings_module

    settings_module.keep(settings.data_dir, flags)


def gas_line(gas: dict[str, Any], symbol: str) -> str:
    """What the operator's key still needs before its first claim; empty where it has enough."""
    if gas["send"] == "0":
        return ""
    send = show_amount(int(gas["send"]), symbol)
    return (
        f"\nBefore the first claim the node's own key needs gas, or what you earn cannot be claimed: send {send} to\n"
        f"{gas['operator']} from any wallet, or `tallystick fund`."
    )


def _by_browser(settings: Settings, kept: dict[str, Any], as_json: bool) -> None:
    from .provide_elsewhere import browser_link

    keep(settings, kept)
    found = run(browser_link(settings), as_json)
    text = f"Open this in the browser that has your wallet:\n\n  {found['url']}\n\nIt is good once, for a minute."
    say(as_json, found, text + " From another machine, bring the node's port to it first: ssh -L.")


def _elsewhere(settings: Settings, kept: dict[str, Any], owner: str, signature: str | None, as_json: bool) -> None:
    from .provide_elsewhere import to_send, to_sign

    if signature is None:
        found = run(to_sign(settings, owner), as_json)
        keep(settings, kept)
        if found["typed_data"] is None:
            text = f"Provider {owner} is announced as it is: there is nothing to sign."
        else:
            text = f"{json.dumps(found['typed_data'])}\n\nSign that (EIP-712), then: --owner {owner} --signature 0x…"
    else:
        found = run(to_send(settings, owner, signature), as_json)
        shown = "\n".join(f"{name.ljust(6)}{value}" for name, value in found["transaction"].items())
        text = f"Send this one transaction; the node begins by itself once it is mined.\n\n{shown}"
    say(as_json, found, text)


@app.command()
def fund(
    key_file: KeyFile,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    yes: Yes = False,
    dry_run: DryRunFlag = False,
    chain: OnChain = None,
    as_json: AsJson = False,
) -> None:
    """Give the node's own key coins for the gas of its claims: a plain transfer, up to `money.gas`.

    Needed before the first claim. Any wallet can send it as well; `tallystick doctor` names the address.

    JSON: transactions, gas (operator, held, claim, send, claims).
    """
    flags = {"data_dir": data_dir, "chain": chain_flags(rpc, registry, channels)}
    settings, key = load_settings(config, flags, as_json, chain), read_key(key_file, as_json)
    from .commands import fund_now

    done = run(fund_now(settings, key, lambda name, sent: None, Consent(yes, as_json, dry_run)), as_json)
    held = show_amount(int(done["gas"]["held"]), settings.chain.symbol)
    text = f"The node's key {done['gas']['operator']} holds {held}, enough for {done['gas']['claims']} claims."
    say(as_json, done, text)
