"""The table of settings, from `settings.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from contracts.reference import table
from tallystick_helper.settings import FurtherChain, Settings

HEAD = """# Settings

*Made by `./run docs` from `helper/tallystick_helper/settings.py`; the test run fails where it is stale.*

Nothing has to be set. A flag of a command counts before the environment, that before the file, that before what stands
here. The file is `config.toml` in the data directory, or `--config FILE`. A name in a section is `name` under
`[section]` in the file, and `TALLYSTICK_SECTION__NAME` in the environment, where lists and tables are written as JSON.
Amounts are whole numbers of the smallest unit (wei, of the chain's coin), as text where they are long; prices are for
1,000,000 units; times are seconds. A wrong name or value stops the start, and is named.

A further chain is a section `[chains.NAME]` with all that `[chain]` has, and `[chains.NAME.offer]` and
`[chains.NAME.money]` for what differs there. `tallystick up` reads settings when it starts; prices and models change
without a restart by `tallystick provide`.
"""
DATA_DIR = "`~/.local/share/tallystick`"


def page() -> str:
    """The whole page."""
    top = [(name, field) for name, field in Settings.model_fields.items() if not _section(field)]
    parts = [HEAD, "\n## For the whole node\n\n", _table(top)]
    for name, field in Settings.model_fields.items():
        if (section := _section(field)) is not None:
            parts += [f"\n## `[{name}]`\n\n", _text(section), "\n\n", _table(list(section.model_fields.items()))]
    return "".join(parts)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not FurtherChain else None


def _text(section: type[BaseModel]) -> str:
    return " ".join((section.__doc__ or "").split())


def _table(fields: list[tuple[str, FieldInfo]]) -> str:
    rows = [(f"`{name}`", _default(name, field), field.description or "") for name, field in fields]
    return table(("name", "if not set", "what"), *rows) + "\n"


def _default(name: str, field: FieldInfo) -> str:
    if name == "data_dir":
        return DATA_DIR
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", {}, []):
        return ""
    return f"`{_written(value)}`"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}" if value >= 100_000 else str(value)
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps([_plain(one) for one in value]) if isinstance(value, list) else json.dumps(_plain(value))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
