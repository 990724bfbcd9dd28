"""`tallystick channel`: the deposits kept here, and how each comes to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import to_hex

from .flags import Chain, KeyFile, Sending, command
from .shown import Money, print_sheet, print_table, show_date, show_span
from .terminal import err, fail, out

if TYPE_CHECKING:
    from .deposits import View

app = typer.Typer(
    name="channel", help="Your deposits: what is in them, and how the rest comes back.", no_args_is_help=True
)
DAY = 86400
Id = Annotated[str, typer.Argument(help="The deposit's id, or so much of it as only one has.", metavar="ID")]
Payer = Annotated[str | None, typer.Option("--payer", help="An address; only its deposits.")]


def money_of(done: dict[str, Any]) -> Money:
    return Money(done["symbol"], done["decimals"])


def ended(at: Chain, done: dict[str, Any]) -> None:
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
    at.say(done, text)


@command(app, "list")
def list_(
    at: Chain,
    payer: Payer = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
) -> None:
    """List the deposits kept here with their state on chain.

    JSON: channels, a list of what `channel show --json` prints.
    """
    settings = at.settings()
    from .channel_commands import list_now

    views = at.run(list_now(settings, at.address(payer) if payer else None, every=every))
    if at.as_json:
        at.say({"channels": [view.values() for view in views]})
    elif not views:
        at.say({}, "No deposit is kept here. `tallystick channel recover` looks for lost ones.")
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


@command(app)
def show(name: Id, at: Chain) -> None:
    """Show one deposit.

    JSON: id; state (absent, sent, open, closing, expired, over); deposit, claimed, promised (by vouchers), owed (as
    counted here), rest, each in smallest units as decimal text; expiry (Unix seconds, or null); delay (seconds);
    payer, signer, token, with its symbol and decimals; providers, a list of provider, payee, cap, promised, owed; key
    (kept, lost); transaction (that opened it, or null).
    """
    settings = at.settings()
    from .channel_commands import show_now

    view = at.run(show_now(settings, name))
    if at.as_json:
        at.say(view.values())
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


@command(app)
def close(
    name: Id,
    at: Chain,
    sending: Sending,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="The payer's key, for where the provider does not close.")
    ] = None,
    or_request: Annotated[
        bool, typer.Option("--or-request", help="Where the provider does not close, ask alone without being asked.")
    ] = False,
) -> None:
    """End a deposit with its provider: it is paid, the rest comes back at once, and it sends the transaction.

    Where it cannot be reached, the end can be asked for alone: `--or-request`, or `channel request-close`.

    JSON: id, closed (transaction), paid, refund, symbol, decimals; or what `request-close` or `withdraw` prints.
    """
    settings = at.settings()
    key = at.key(key_file) if key_file else None
    consent = sending.consent(at)
    from .channel_commands import close_now

    async def alone(fault: TallystickError) -> bool:
        return or_request or (key is not None and await consent.alone(fault))

    ended(at, at.run(close_now(settings, name, key, consent, alone)))


@command(app, "request-close")
def request_close(name: Id, key_file: KeyFile, at: Chain, sending: Sending) -> None:
    """Ask for the end of a deposit without its provider; after the notice the rest can be taken back.

    JSON: id, requested (transaction), expiry (Unix seconds from which `withdraw` works), gas, cost,
    symbol, decimals.
    """
    settings = at.settings()
    key = at.key(key_file)
    from .channel_commands import request_now

    done = at.run(request_now(settings, name, key, sending.consent(at)))
    ended(at, done)


@command(app)
def withdraw(name: Id, key_file: KeyFile, at: Chain, sending: Sending) -> None:
    """Take back the rest of a deposit that has expired. Any key may send it; the money goes to the payer.

    JSON: id, withdrawn (transaction), refund, gas, cost, symbol, decimals.
    """
    settings = at.settings()
    key = at.key(key_file)
    from .channel_commands import withdraw_now

    done = at.run(withdraw_now(settings, name, key, sending.consent(at)))
    ended(at, done)


@command(app, "top-up")
def top_up(
    name: Id,
    amount: Annotated[str, typer.Argument(help="How much more: 0.01, or 5000wei.")],
    key_file: KeyFile,
    at: Chain,
    sending: Sending,
    days: Annotated[int | None, typer.Option("--days", help="Let it live so many days from now.", min=1)] = None,
) -> None:
    """Put more into a deposit, and let it live longer.

    JSON: id, topped_up (transaction), deposit (the new total), expiry, gas, cost, symbol, decimals.
    """
    settings = at.settings()
    key = at.key(key_file)
    from .channel_commands import top_up_now

    life, consent = None if days is None else days * DAY, sending.consent(at)
    done = at.run(top_up_now(settings, name, key, amount, life, consent))
    total = money_of(done).show(int(done["deposit"]))
    at.say(done, f"{total} in it, until {show_date(done['expiry'])}.")


@command(app)
def recover(
    at: Chain,
    key_file: Annotated[Path | None, typer.Option("--key-file", help="The payer's key; --payer does as well.")] = None,
    payer: Annotated[str | None, typer.Option("--payer", help="The address that opened the deposits.")] = None,
    from_nodes: Annotated[
        bool, typer.Option("--from-nodes", help="Ask other nodes, also where the chain gives its logs.")
    ] = False,
) -> None:
    """Find deposits again after what kept them was wiped. Sends no transaction.

    Looks into the chain's logs; where the RPC refuses them, asks up to three nodes, which learn the address. What is
    found has lost its session key: it can be ended (`request-close`) and taken back (`withdraw`), not spent.

    JSON: payer; source (logs, nodes); nodes (how many answered); over (how many are over); channels, a list of what
    `channel show --json` prints.
    """
    settings = at.settings()
    from .recover_command import recover_now

    who = _payer(at, key_file, payer)
    done = at.run(recover_now(settings, who, from_nodes=from_nodes))
    if at.as_json:
        at.say(done.values())
    elif done.views:
        heads = ("id", "deposit", "claimed", "owed", "rest", "state", "providers")
        print_table(out, heads, [_row(view) for view in done.views])
        if any(not view.held.parties for view in done.views):
            err.print("What lost its session key: `tallystick channel request-close`, then `withdraw`.")
    else:
        more = "" if done.asked else " The RPC may have pruned old logs: --from-nodes asks others."
        at.say({}, f"No live deposit of {to_hex(who)} was found.{more}")


def _payer(at: Chain, key_file: Path | None, payer: str | None) -> bytes:
    if payer is not None:
        return at.address(payer)
    if key_file is None:
        fail(LocalError(Code.BAD_SETTINGS, payer="give --payer or --key-file"), at.as_json)
    key = at.key(key_file)
    from .crypto import NativeCrypto

    return NativeCrypto().secp256k1_address(key.reveal())
