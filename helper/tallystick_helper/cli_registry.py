"""`tallystick registry`: who is registered and what each offers; and the way out, with the stake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tallystick_shared.errors import WORDS, Code
from tallystick_shared.evm.rpc import to_hex

from .flags import Chain, KeyFile, Sending, command
from .shown import print_sheet, print_table, show_amount, show_date, show_moment, show_span
from .terminal import err, out

if TYPE_CHECKING:
    from .registry_commands import Row

app = typer.Typer(name="registry", help="The providers of a chain, and how one of them leaves.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The providers of a chain, and how one of them leaves."""


@command(app)
def show(
    at: Chain,
    provider: Annotated[str | None, typer.Argument(help="One provider's address, for all that it announced.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many providers.", min=1)] = 100,
) -> None:
    """List the providers with stake, offers, endpoint, age and faults; or show one.

    A provider whose entry is not valid is listed with its fault: nothing is hidden.

    JSON: count, providers: a list of provider, stake, block, announced (Unix seconds, or null), leaves (Unix seconds
    from which its stake is free, or null), fault (or null), profile (or null): endpoints, node_key, operator, payee,
    tokens, minimum_cap, minimum_delay (seconds), first_voucher, window, epoch, offers: model, kind, price_in and
    price_out (per 1,000,000 units), unit, context. Amounts are in smallest units as decimal text.
    """
    settings = at.settings()
    from .registry_commands import registry_now

    wanted = at.address(provider) if provider else None
    count, rows = at.run(registry_now(settings, wanted, limit))
    symbol = settings.chain.symbol
    if at.as_json:
        at.say({"count": count, "providers": [row.values() for row in rows]})
    elif wanted is not None:
        print_sheet(out, _sheet(rows[0], symbol))
    else:
        heads = ("provider", "stake", "offers", "endpoint", "age", "fault")
        print_table(out, heads, [_line(row, symbol) for row in rows])
        if not rows:
            err.print(WORDS[Code.NO_PROVIDERS][0])
        elif out.is_terminal:
            out.print("[dim]Prices and whole addresses: --json[/dim]")
        if count > len(rows) and out.is_terminal:
            out.print(f"[dim]{count - len(rows)} more: --limit {count}[/dim]")


@command(app)
def leave(key_file: KeyFile, at: Chain, sending: Sending) -> None:
    """Ask to leave the registry; from the time that it says on, `registry exit` takes the stake back.

    Until then the provider stays in the list, and its node goes on. Let it claim what users owe before you end it:
    `tallystick drain`. Asking twice changes nothing.

    JSON: provider, stake, symbol, requested (transaction, or null where it had asked before), leaves (Unix seconds
    from which `registry exit` works), unclaimed (the coin that the node here has not claimed yet, or null where none
    of this owner runs); gas and cost where it was sent. Amounts are in smallest units as decimal text.
    """
    settings = at.settings()
    key = at.key(key_file)
    from .leave_commands import leave_now

    done = at.run(leave_now(settings, key, sending.consent(at)))
    asked = "Asked." if done["requested"] else "This was asked before."
    waits = int(done["unclaimed"] or 0)
    first = f"\nThe node here has {show_amount(waits, done['symbol'])} to claim first: keep it on." if waits else ""
    text = f"{asked} From {show_date(done['leaves'])} on the stake can be taken back:\ntallystick registry exit{first}"
    at.say(done, text)


@command(app, "exit")
def exit_(key_file: KeyFile, at: Chain, sending: Sending) -> None:
    """Leave the list and take the stake back, once the wait that `registry leave` began is over.

    JSON: provider, stake (that came back, in smallest units as decimal text), symbol, left (transaction), gas, cost.
    """
    settings = at.settings()
    key = at.key(key_file)
    from .leave_commands import exit_now

    done = at.run(exit_now(settings, key, sending.consent(at)))
    at.say(done, f"Left: {show_amount(int(done['stake']), done['symbol'])} back.")


def _line(row: Row, symbol: str) -> list[str]:
    profile = row.listing.profile
    return [
        to_hex(row.listing.provider),
        show_amount(row.stake, symbol),
        ", ".join(offer.model for offer in profile.offers) if profile else "",
        profile.endpoints[0] if profile else "",
        "" if row.announced is None else show_span(row.now - row.announced),
        row.fault or (f"leaves from {show_date(row.leaves)}" if row.leaves else ""),
    ]


def _sheet(row: Row, symbol: str) -> list[tuple[str, str]]:
    from tallystick_shared.messages import amount_int

    profile = row.listing.profile
    announced = f"block {row.listing.block}"
    if row.announced is not None:
        announced = f"{show_moment(row.announced, row.now)}, {announced}"
    rows = [
        ("provider", to_hex(row.listing.provider)),
        ("stake", show_amount(row.stake, symbol)),
        ("announced", announced),
        ("leaving", show_moment(row.leaves, row.now) if row.leaves else "no"),
        ("fault", row.fault or "none"),
    ]
    if profile is None:
        return rows
    rows += [("endpoint", endpoint) for endpoint in profile.endpoints]
    rows += [
        ("payee", to_hex(profile.payee)),
        ("operator", to_hex(profile.operator)),
        ("node key", to_hex(profile.node_key)),
        ("tokens", ", ".join(symbol if token == bytes(20) else to_hex(token) for token in profile.tokens)),
        ("smallest deposit", show_amount(profile.least, symbol)),
        ("first voucher", show_amount(amount_int(profile.first_voucher), symbol)),
        ("shortest notice", show_span(profile.minimum_delay)),
        ("credit window", show_amount(amount_int(profile.window), symbol)),
        ("epoch", str(profile.epoch)),
    ]
    for offer in profile.offers:
        price = offer.price
        prices = f"{show_amount(price.input, symbol)} in, {show_amount(price.output, symbol)} out"
        rows.append(("offer", f"{offer.model} ({offer.kind}): {prices} per 1,000,000 {offer.unit}s"))
    return rows
