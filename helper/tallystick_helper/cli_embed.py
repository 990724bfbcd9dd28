"""`tallystick embed`: texts in, vectors out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import LocalError

from .cli_channel import address_of
from .terminal import (
    AsJson,
    ChannelsAt,
    ConfigFile,
    Consent,
    DataDir,
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


def embed(
    key_file: KeyFile,
    texts: Annotated[list[str] | None, typer.Argument(help="The texts, each in quotes.", metavar="TEXT…")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A file with one text a line.")] = None,
    rpc: RpcUrls = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    registry: Registry = None,
    channels: ChannelsAt = None,
    provider: Annotated[
        str | None, typer.Option("--provider", help="The provider's address; the cheapest if not set.")
    ] = None,
    deposit: Annotated[
        str, typer.Option("--deposit", help="How much to put down if there is none yet: 0.01, or 5000wei.")
    ] = "0.01",
    token: Annotated[
        str | None, typer.Option("--token", help="Pay in this token, by its address, instead of the chain's coin.")
    ] = None,
    yes: Yes = False,
    chain: OnChain = None,
    as_json: AsJson = False,
) -> None:
    """Turn texts into vectors at a provider, paying from a deposit: one JSON array a line, in the order of the texts.

    JSON: model, provider, vectors, input_units (tokens), output_units (vectors), amount (smallest units).
    """
    settings = load_settings(
        config, {"data_dir": data_dir, "chain": chain_flags(rpc, registry, channels)}, as_json, chain
    )
    key = read_key(key_file, as_json)
    from .commands import ChatWishes
    from .embed_command import embed_now, texts_of

    who, coin = (address_of(text, as_json) if text else None for text in (provider, token))
    try:
        wanted = texts_of(texts or [], file)
    except LocalError as error:
        fail(error, as_json)
        raise
    wishes = ChatWishes(None, who, deposit, None, len(wanted), False, False, coin or NATIVE)

    def tell(_: dict[str, object], text: str) -> None:
        if text and not as_json:
            err.print(text)

    got = run(embed_now(settings, key, wanted, wishes, tell, Consent(yes, as_json)), as_json)
    if as_json:
        say(True, got.values())
        return
    for row in got.rows:
        out.file.write(json.dumps(row) + "\n")
    err.print(got.line())
