"""`tallystick channel`: the deposits kept here, and how each comes to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import to_bytes, to_hex

from .keys import Secret
from .settings import Settings
from .shown import Money, print_sheet, print_table, show_date, show_span
from .terminal import (
    AsJson,
    ChannelsAt,
    ConfigFile,
    Consent,
    DataDir,
    DryRunFlag,
    KeyFile,
    OnChain,
    Registry,
    RpcUrls,
    Yes,
    chain_flags,
    err,
    fail,
    load_settings,
    out,
    read_key,
    run,
    say,
)

if TYPE_CHECKING:
    from .deposits import View

app = typer.Typer(
    name="channel", help="Your deposits: what is in them, and how the rest comes back.", no_args_is_help=True
)
DAY = 86400
Id = Annotated[str, typer.Argument(help="The deposit's id, or so much of it as only one has.", metavar="ID")]
Payer = Annotated[str | None, typer.Option("--payer", help="An address; only its deposits.")]


def settings_of(
    config: Path | None, data_dir: Path | None, flags: dict[str, Any], chain: str | None, as_json: bool
) -> Settings:
    return load_settings(config, {"data_dir": data_dir, "chain": flags}, as_json, chain)


def address_of(text: str, as_json: bool) -> bytes:
    """20 bytes of a hex address; another text ends the command."""
    try:
        address = to_bytes(text)
        if len(address) == 20:
            return address
    except ValueError:
        pass
    fail(LocalError(Code.BAD_SETTINGS, address=text), as_json)
    raise AssertionError


def money_of(done: dict[str, Any]) -> Money:
    return Money(done["symbol"], done["decimals"])


def ended(done: dict[str, Any], as_json: bool) -> None:
    """Says how a deposit ended, or when it will."""
    if "expiry" in done:
        text = (
            f"Asked. From {show_date(done['expiry'])} on it can be taken back:\n"
            f"tallystick channel withdraw {done['id']}"
        )
    else:
        show = money_of(done).show
        paid = f"{show(int(done['paid']))} paid, " if "paid" in done else ""
        text = f"Over: {paid}{show(int(done['refund']))} back."
    say(as_json, done, text)


@app.command("list")
def list_(
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    chain: OnChain = None,
    payer: Payer = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the deposits kept here with their state on chain.

    JSON: channels, a list of what `channel show --json` prints.
    """
    settings = settings_of(config, data_dir, chain_flags(rpc, registry, channels), chain, as_json)
    from .channel_commands import list_now

    views = run(list_now(settings, address_of(payer, as_json) if payer else None, every=every), as_json)
    if as_json:
        say(True, {"channels": [view.values() for view in views]})
    elif not views:
        say(False, {}, "No deposit is kept here. `tallystick channel recover` looks for lost ones.")
    else:
        heads = ("id", "deposit", "claimed", "owed", "rest", "state", "providers")
        print_table(out, heads, [_row(view) for view in views])


def _row(view: View) -> list[str]:
    parties = view.held.parties
    amounts = (view.state.deposit, view.state.claimed, view.held.owed, view.rest)
    return [
        to_hex(view.held.channel_id),
        *map(view.money.show, amounts),
        view.words() if parties else f"{view.words()}; its session key is lost",
        " ".join(to_hex(party.deposit.provider) for party in parties),
    ]


@app.command()
def show(
    name: Id,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    chain: OnChain = None,
    as_json: AsJson = False,
) -> None:
    """Show one deposit.

    JSON: id; state (absent, sent, open, closing, expired, over); deposit, claimed, promised (by vouchers), owed (as
    counted here), rest, each in smallest units as decimal text; expiry (Unix seconds, or null); delay (seconds);
    payer, signer, token, with its symbol and decimals; providers, a list of provider, payee, cap, promised, owed; key
    (kept, lost); transaction (that opened it, or null).
    """
    settings = settings_of(config, data_dir, chain_flags(rpc, registry, channels), chain, as_json)
    from .channel_commands import show_now

    view = run(show_now(settings, name), as_json)
    if as_json:
        say(True, view.values())
    else:
        print_sheet(out, _sheet(view))


def _sheet(view: View) -> list[tuple[str, str]]:
    held, config = view.held, view.held.config
    return [
        ("id", to_hex(held.channel_id)),
        ("state", view.words()),
        ("deposit", view.money.show(view.state.deposit)),
        ("claimed", view.money.show(view.state.claimed)),
        ("promised", view.money.show(held.promised)),
        ("owed", view.money.show(held.owed)),
        ("rest", view.money.show(view.rest)),
        ("notice", show_span(config.delay)),
        *([] if view.native else [("token", to_hex(config.token))]),
        ("payer", to_hex(config.payer)),
        *(("provider", to_hex(party.deposit.provider)) for party in held.parties),
        ("session key", "kept here" if held.parties else "lost: it can be ended and taken back, not spent"),
        ("opened by", held.transaction or "not known"),
    ]


@app.command()
def close(
    name: Id,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    chain: OnChain = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="The payer's key, for where the provider does not close.")
    ] = None,
    or_request: Annotated[
        bool, typer.Option("--or-request", help="Where the provider does not close, ask alone without being asked.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRunFlag = False,
    as_json: AsJson = False,
) -> None:
    """End a deposit with its provider: it is paid, the rest comes back at once, and it sends the transaction.

    Where it cannot be reached, the end can be asked for alone: `--or-request`, or `channel request-close`.

    JSON: id, closed (transaction), paid, refund, symbol, decimals; or what `request-close` or `withdraw` prints.
    """
    settings = settings_of(config, data_dir, chain_flags(rpc, registry, channels), chain, as_json)
    key = _key(key_file, as_json)
    consent = Consent(yes, as_json, dry_run)
    from .channel_commands import close_now

    async def alone(fault: TallystickError) -> bool:
        return or_request or (key is not None and await consent.alone(fault))

    ended(run(close_now(settings, name, key, consent, alone), as_json), as_json)


def _key(path: Path | None, as_json: bool) -> Secret | None:
    return read_key(path, as_json) if path else None


@app.command("request-close")
def request_close(
    name: Id,
    key_file: KeyFile,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    chain: OnChain = None,
    yes: Yes = False,
    dry_run: DryRunFlag = False,
    as_json: AsJson = False,
) -> None:
    """Ask for the end of a deposit without its provider; after the notice the rest can be taken back.

    JSON: id, requested (transaction), expiry (Unix seconds from which `withdraw` works), gas, cost,
    symbol, decimals.
    """
    settings = settings_of(config, data_dir, chain_flags(rpc, registry, channels), chain, as_json)
    key = read_key(key_file, as_json)
    from .channel_commands import request_now

    done = run(request_now(settings, name, key, Consent(yes, as_json, dry_run)), as_json)
    ended(done, as_json)


@app.command()
def withdraw(
    name: Id,
    key_file: KeyFile,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    chain: OnChain = None,
    yes: Yes = False,
    dry_run: DryRunFlag = False,
    as_json: AsJson = False,
) -> None:
    """Take back the rest of a deposit that has expired. Any key may send it; the money goes to the payer.

    JSON: id, withdrawn (transaction), refund, gas, cost, symbol, decimals.
    """
    settings = settings_of(config, data_dir, chain_flags(rpc, registry, channels), chain, as_json)
    key = read_key(key_file, as_json)
    from .channel_commands import withdraw_now

    done = run(withdraw_now(settings, name, key, Consent(yes, as_json, dry_run)), as_json)
    ended(done, as_json)


@app.command("top-up")
def top_up(
    name: Id,
    amount: Annotated[str, typer.Argument(help="How much more: 0.01, or 5000wei.")],
    key_file: KeyFile,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    chain: OnChain = None,
    days: Annotated[int | None, typer.Option("--days", help="Let it live so many days from now.", min=1)] = None,
    yes: Yes = False,
    dry_run: DryRunFlag = False,
    as_json: AsJson = False,
) -> None:
    """Put more into a deposit, and let it live longer.

    JSON: id, topped_up (transaction), deposit (the new total), expiry, gas, cost, symbol, decimals.
    """
    settings = settings_of(config, data_dir, chain_flags(rpc, registry, channels), chain, as_json)
    key = read_key(key_file, as_json)
    from .channel_commands import top_up_now

    life, consent = None if days is None else days * DAY, Consent(yes, as_json, dry_run)
    done = run(top_up_now(settings, name, key, amount, life, consent), as_json)
    total = money_of(done).show(int(done["deposit"]))
    say(as_json, done, f"{total} in it, until {show_date(done['expiry'])}.")


@app.command()
def recover(
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    chain: OnChain = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", help="The payer's key; --payer does as well.")] = None,
    payer: Annotated[str | None, typer.Option("--payer", help="The address that opened the deposits.")] = None,
    from_nodes: Annotated[
        bool, typer.Option("--from-nodes", help="Ask other nodes, also where the chain gives its logs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find deposits again after what kept them was wiped. Sends no transaction.

    Looks into the chain's logs; where the RPC refuses them, asks up to three nodes, which learn the address. What is
    found has lost its session key: it can be ended (`request-close`) and taken back (`withdraw`), not spent.

    JSON: payer; source (logs, nodes); nodes (how many answered); over (how many are over); channels, a list of what
    `channel show --json` prints.
    """
    settings = settings_of(config, data_dir, chain_flags(rpc, registry, channels), chain, as_json)
    from .recover_command import recover_now

    who = _payer(key_file, payer, as_json)
    done = run(recover_now(settings, who, from_nodes=from_nodes), as_json)
    if as_json:
        say(True, done.values())
    elif done.views:
        heads = ("id", "deposit", "claimed", "owed", "rest", "state", "providers")
        print_table(out, heads, [_row(view) for view in done.views])
        if any(not view.held.parties for view in done.views):
            err.print("What lost its session key: `tallystick channel request-close`, then `withdraw`.")
    else:
        more = "" if done.asked else " The RPC may have pruned old logs: --from-nodes asks others."
        say(False, {}, f"No live deposit of {to_hex(who)} was found.{more}")


def _payer(key_file: Path | None, payer: str | None, as_json: bool) -> bytes:
    if payer is not None:
        return address_of(payer, as_json)
    key = _key(key_file, as_json)
    if key is None:
        fail(LocalError(Code.BAD_SETTINGS, payer="give --payer or --key-file"), as_json)
        raise AssertionError
    from .crypto import NativeCrypto

    return NativeCrypto().secp256k1_address(key.reveal())
