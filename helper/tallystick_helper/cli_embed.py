"""`tallystick embed`: texts in, vectors out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .flags import Agreed, Buying, Chain, KeyFile
from .terminal import err, out


def embed(
    key_file: KeyFile,
    at: Chain,
    buying: Buying,
    agreed: Agreed,
    texts: Annotated[list[str] | None, typer.Argument(help="The texts, each in quotes.", metavar="TEXT…")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A file with one text a line.")] = None,
) -> None:
    """Turn texts into vectors at a provider, paying from a deposit: one JSON array a line, in the order of the texts.

    JSON: model, provider, vectors, input_units (tokens), output_units (vectors), amount (smallest units).
    """
    settings, key = at.settings(), at.key(key_file)
    from .commands import ChatWishes
    from .embed_command import embed_now, texts_of

    who, coin = buying.addresses(at)
    wanted = at.call(lambda: texts_of(texts or [], file))
    wishes = ChatWishes(None, who, buying.deposit, None, len(wanted), False, False, coin)

    def tell(_: dict[str, object], text: str) -> None:
        if text and not at.as_json:
            err.print(text)

    got = at.run(embed_now(settings, key, wanted, wishes, tell, agreed.consent(at)))
    if at.as_json:
        at.say(got.values())
        return
    for row in got.rows:
        out.file.write(json.dumps(row) + "\n")
    err.print(got.line())
