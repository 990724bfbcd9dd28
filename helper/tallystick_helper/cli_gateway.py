"""`tallystick gateway`: the local API's key and address. `tallystick channel open`: the deposit that it pays from."""

from __future__ import annotations

from typing import Annotated

import typer

from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import LocalError

from .cli_channel import address_of, settings_of
from .cli_channel import app as channel_app
from .settings import Settings
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
    fail,
    load_settings,
    read_key,
    run,
    say,
)

app = typer.Typer(
    name="gateway", help="Your own software at other providers, by a local OpenAI-compatible API.", no_args_is_help=True
)


@app.command()
def key(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    metrics: Annotated[bool, typer.Option("--metrics", help="The key of /metrics instead: it cannot spend.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Make a new one; the old one opens nothing any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the key of the local API, made on first use.

    JSON: api_key, file, base_url (of the node that runs, or would with these settings).
    """
    settings = load_settings(config, {"data_dir": data_dir}, as_json)
    try:
        found = key_of(settings, metrics=metrics, new=new)
    except LocalError as error:
        fail(error, as_json)
        raise
    say(as_json, found, found["api_key"])


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


@channel_app.command("open")
def open_(
    key_file: KeyFile,
    provider: Annotated[
        str | None, typer.Option("--provider", help="The provider's address; the cheapest if not set.")
    ] = None,
    amount: Annotated[str, typer.Option("--deposit", help="How much to put down: 0.01, or 5000wei.")] = "0.01",
    days: Annotated[int, typer.Option("--days", help="How long it may live.", min=1)] = 7,
    token: Annotated[
        str | None, typer.Option("--token", help="Pay in this token, by its address, instead of the chain's coin.")
    ] = None,
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
    """Put down a deposit with a provider, for `tallystick chat` and the local API to spend.

    JSON: id, opened (transaction), provider, models, deposit, expiry, gas, cost, symbol, decimals.
    """
    settings = settings_of(config, data_dir, chain_flags(rpc, registry, channels), chain, as_json)
    secret = read_key(key_file, as_json)
    who, coin = (address_of(text, as_json) if text else None for text in (provider, token))
    from .open_command import open_now

    consent = Consent(yes, as_json, dry_run)
    done = run(open_now(settings, secret, who, amount, days, coin or NATIVE, consent), as_json)
    text = f"Deposit {done['id']} is open with {done['provider']}: {', '.join(done['models'])}."
    say(as_json, done, text)
