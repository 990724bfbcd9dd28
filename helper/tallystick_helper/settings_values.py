"""What settings are made of: kinds of values, sections, and how two sets of them become one."""

from __future__ import annotations

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tallystick_shared.errors import Code, LocalError


def _amount(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return int(value.replace("_", ""))
    except ValueError:
        raise ValueError("it must be a whole number of smallest units") from None


Amount = Annotated[int, BeforeValidator(_amount), Field(ge=0, lt=1 << 112)]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
Port = Annotated[int, Field(ge=0, le=65535)]


def _endpoint(value: Any) -> Any:
    if isinstance(value, str) and not value.startswith(("ws://", "wss://")):
        raise ValueError("it begins with wss:// or ws://")
    return value


Endpoint = Annotated[str, BeforeValidator(_endpoint)]


def _network(value: Any) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("it is an address or a network, like 10.0.0.2 or 10.0.0.0/24") from None


Network = Annotated[str, BeforeValidator(_network)]


class Section(BaseModel):
    """A part of the settings. Unknown names are errors."""

    model_config = ConfigDict(extra="forbid")


S = TypeVar("S", bound=Section)


def over(usual: S, different: S) -> S:
    """A section with what another one sets itself."""
    return usual.model_copy(update={name: getattr(different, name) for name in different.model_fields_set})


def merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """`low` with every value that `high` has, section by section; None counts as not given."""
    merged = dict(low)
    for name, value in high.items():
        if value is None:
            continue
        held = merged.get(name)
        merged[name] = merge(held, value) if isinstance(value, dict) and isinstance(held, dict) else value
    return merged


def drop_none(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is not given, nor sections of which nothing is."""
    cleaned = {name: drop_none(value) if isinstance(value, dict) else value for name, value in values.items()}
    return {name: value for name, value in cleaned.items() if value is not None and value != {}}


def read_toml(path: Path) -> dict[str, Any]:
    """Raises LocalError BAD_SETTINGS."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LocalError(Code.BAD_SETTINGS, file=str(path), reason=str(error)) from None
