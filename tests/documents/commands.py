"""What every command takes and does, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click
import typer.main

from contracts.reference import table
from tallystick_helper.cli import app

HEAD = """# Commands

*Made by `./run docs` from the commands themselves; the test run fails where it is stale.*

Every command prints for people, and with `--json` one line of JSON for scripts; what is asked and what something costs
goes to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Whatever sends a transaction says
what it costs and asks first; `--yes` agrees, `--dry-run` only shows. [Settings](settings.md) count where a flag is not
given. With `--json` a failure is one line too, on standard output: error, code, says, next, and its values.
`tallystick --install-completion` lets the shell complete all of this.
"""
COMMON = {
    "--config": "`--config FILE`",
    "--data-dir": "`--data-dir FOLDER`",
    "--json": "`--json`",
    "--help": "",
}


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_command(path, command) for path, command in commands())


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its whole name."""
    yield from _below("tallystick", typer.main.get_command(app))


def _below(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _below(f"{path} {name}", child)


def _command(path: str, command: click.Command) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not _common(one)]
    usage = " ".join([path, *(_metavar(one) for one in arguments)])
    common = ", ".join(filter(None, (_common(one) for one in command.params)))
    rows = [(f"`{_metavar(one)}`", "", _words(getattr(one, "help", None))) for one in arguments]
    rows += [(f"`{', '.join(one.opts)}`", _default(one), _words(getattr(one, "help", None))) for one in options]
    parts = [f"\n## `{usage}`\n\n{_paragraphs(command.help)}\n"]
    if rows:
        parts.append("\n" + table(("", "if not given", "what"), *rows) + "\n")
    if common:
        parts.append(f"\nAlso {common}.\n")
    return "".join(parts)


def _common(parameter: click.Parameter) -> str:
    return next((COMMON[name] for name in parameter.opts if name in COMMON), "")


def _metavar(parameter: click.Parameter) -> str:
    name = parameter.metavar or (parameter.name or "").upper()
    return name if parameter.required else f"[{name}]"


def _default(parameter: click.Parameter) -> str:
    if parameter.required:
        return "needed"
    value = parameter.default
    if value is None or isinstance(value, bool) or callable(value) or value in ((), []):
        return ""
    return f"`{value}`"


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(_words(part) for part in (text or "").split("\n\n"))
