"""`tallystick chat`: one question or a conversation, paid from a deposit, or free."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from .flags import Agreed, Buying, Chain
from .terminal import run


@dataclass
class Told:
    """What a chat tells as it goes: to a person at once, for JSON gathered into one document."""

    at: Chain
    several: bool
    done: dict[str, Any] = field(default_factory=dict)

    def __call__(self, values: dict[str, Any], text: str) -> None:
        if not self.at.as_json:
            self.at.say({}, text)
        elif self.several and "answer" in values:
            self.done.setdefault("answers", []).append(values["answer"])
        else:
            self.done.update(values)

    def end(self) -> None:
        """Prints the document."""
        if self.at.as_json:
            self.at.say(self.done)


def chat(
    at: Chain,
    buying: Buying,
    agreed: Agreed,
    prompt: Annotated[
        str | None, typer.Argument(help="The question; without one, a conversation line by line.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="A file with one private key: 64 hex digits, or a keystore. Not with --free."),
    ] = None,
    delay: Annotated[
        int | None, typer.Option("--delay", help="Seconds of notice before the deposit can be taken back.")
    ] = None,
    max_units: Annotated[int, typer.Option("--max-units", help="The longest answer.", min=1)] = 512,
    low_latency: Annotated[
        bool, typer.Option("--low-latency", help="Faster, with a less steady shape on the wire.")
    ] = False,
    free: Annotated[
        bool, typer.Option("--free", help="Ask a provider that gives answers away: no key, no deposit, no transaction.")
    ] = False,
    close: Annotated[bool, typer.Option("--close", help="Close the deposit at the end; the rest comes back.")] = False,
) -> None:
    """Talk to a provider, paying from a deposit: one that is open, else a new one, after it was agreed to.

    With --free it costs nothing, as long as a provider gives something away: so much a day, after everybody who pays.

    JSON, at the end: answer (text, input_units, output_units, amount, finish, first_token and seconds), or answers, a
    list, for a conversation; of a new deposit first_voucher, opened (transaction), deposit, gas; of one that was closed
    closed (transaction), paid, refund. Amounts are in smallest units as decimal text. A failure comes after these.
    """
    settings = at.settings()
    from .commands import ChatWishes, chat_now, lines_of

    who, coin = buying.addresses(at)
    told, stream = Told(at, prompt is None), not at.as_json
    if free:
        from .free_command import FreeWishes, free_chat

        modest = FreeWishes(who, max_units, low_latency)
        run(free_chat(settings, modest, lines_of(prompt), told, stream=stream), at.as_json, told.done)
        told.end()
        return
    if key_file is None:
        raise typer.BadParameter("name a key file, or add --free", param_hint="--key-file")
    key = at.key(key_file)
    wishes = ChatWishes(prompt, who, buying.deposit, delay, max_units, low_latency, close, coin)
    run(chat_now(settings, key, wishes, told, agreed.consent(at), stream=stream), at.as_json, told.done)
    told.end()
