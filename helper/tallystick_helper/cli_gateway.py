"""`tallystick gateway`: the local API's key and address. `tallystick channel open`: the deposit that it pays from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .cli_channel import app as channel_app
from .flags import Buying, Chain, Here, KeyFile, Sending, command

if TYPE_CHECKING:
    from .settings import Settings

app = typer.Typer(
    name="gateway", help="Your own software at other providers, by a local OpenAI-compatible API.", no_args_is_help=True
)


@command(app)
def key(
    at: Here,
    metrics: Annotated[bool, typer.Option("--metrics", help="The key of /metrics instead: it cannot spend.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Make a new one; the old one opens nothing any more.")] = False,
) -> None:
    """Show the key of the local API, made on first use.

    JSON: api_key, file, base_url (of the node that runs, or would with these settings).
    """
    settings = at.settings()
    found = at.call(lambda: key_of(settings, metrics=metrics, new=new))
    at.say(found, found["api_key"])


def key_of(settings: Settings, *, metrics: bool = False, new: bool = False) -> dict[str, str]:
    """A key and what it opens, in the node that runs, or would with these settings. Raises LocalError BAD_KEY_FILE."""
    from .gateway.key import ApiKey
    from .running import RunningNode

    kept = ApiKey(settings.data_dir, "metrics" if metrics else "api")
    text = kept.replace() if new else kept.text()
    node = RunningNode.find(settings.data_dir)
    host = "[::1]" if settings.admin.host == "::1" else "127.0.0.1"
    origin = node.origin if node else f"http://{host}:{settings.admin.port}"
    return {"api_key": text, "file": str(kept.path), "base_url": f"{origin}/{'metrics' if metrics else 'v1'}"}


@command(channel_app, "open")
def open_(
    key_file: KeyFile,
    at: Chain,
    buying: Buying,
    sending: Sending,
    days: Annotated[int, typer.Option("--days", help="How long it may live.", min=1)] = 7,
) -> None:
    """Put down a deposit with a provider, for `tallystick chat` and the local API to spend.

    JSON: id, opened (transaction), provider, models, deposit, expiry, gas, cost, symbol, decimals.
    """
    settings, secret = at.settings(), at.key(key_file)
    who, coin = buying.addresses(at)
    from .open_command import open_now

    done = at.run(open_now(settings, secret, who, buying.deposit, days, coin, sending.consent(at)))
    at.say(done, f"Deposit {done['id']} is open with {done['provider']}: {', '.join(done['models'])}.")
