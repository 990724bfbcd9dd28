"""The flags that several commands take, each said once; groups of them, which a command takes as one value; and the
decorator that makes a function a command.

Nothing here imports what only the work needs: `tallystick --help` and the shell's completion read all commands.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

if TYPE_CHECKING:
    from .keys import Secret
    from .settings import Settings
    from .terminal import Consent

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., None])

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file (TOML).")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where keys, vouchers and settings are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
RpcUrls = Annotated[
    list[str] | None, typer.Option("--rpc", help="The chain's RPC address; several are tried in order.")
]
OnChain = Annotated[
    str | None, typer.Option("--chain", help="One of the further chains in the settings, by its name there.")
]
KeyFile = Annotated[Path, typer.Option("--key-file", help="A file with one private key: 64 hex digits, or a keystore.")]
Registry = Annotated[
    str | None, typer.Option("--registry", help="The registry's address, where it is not a known one; with --channels.")
]
ChannelsAt = Annotated[str | None, typer.Option("--channels", help="The channels contract's address; with --registry.")]
Endpoint = Annotated[
    str | None, typer.Option("--endpoint", help="Address under which others reach it: wss://HOST/ or ws://HOST:PORT.")
]
MapPort = Annotated[
    bool | None,
    typer.Option(
        "--map-port/--no-map-port", help="Ask the router for the port by PCP, NAT-PMP or UPnP; not asked if not set."
    ),
]
EngineName = Annotated[str | None, typer.Option("--engine", help="gguf, another engine's name, echo or none.")]
Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Send without asking. Where nobody can be asked, this or --json is needed."),
]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Show what it would cost, and send nothing.")]
ProviderAt = Annotated[str | None, typer.Option("--provider", help="The provider's address; the cheapest if not set.")]
Token = Annotated[
    str | None, typer.Option("--token", help="Pay in this token, by its address, instead of the chain's coin.")
]
DepositOf = Annotated[
    str, typer.Option("--deposit", help="How much to put down where there is none yet: 0.01, or 5000wei.")
]


@dataclass(frozen=True, kw_only=True)
class Here:
    """Where this machine's settings and data are, and how the answer is printed."""

    config: ConfigFile = None
    data_dir: DataDir = None
    as_json: AsJson = False

    def settings(self, **flags: Any) -> Settings:
        """The settings in force, with `flags` above them. Ends the command where one is wrong."""
        from .terminal import load_settings

        return load_settings(self.config, {"data_dir": self.data_dir, **flags}, self.as_json)

    def say(self, values: dict[str, Any], text: str = "") -> None:
        """`values` as the one line of JSON, or the text for people."""
        from .terminal import say

        say(self.as_json, values, text)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's result; ends the command where it failed, and says why."""
        from .terminal import run

        return run(work, self.as_json)

    def call(self, work: Callable[[], T]) -> T:
        """The same for work that waits for nothing."""
        from .terminal import call

        return call(work, self.as_json)

    def key(self, path: Path) -> Secret:
        """A person's key; its passphrase is asked for where it has one. Ends the command where there is none."""
        from .terminal import read_key

        return read_key(path, self.as_json)

    def address(self, text: str) -> bytes:
        """20 bytes of a hex address. Ends the command where it is none."""
        from .terminal import address_of

        return address_of(text, self.as_json)


@dataclass(frozen=True, kw_only=True)
class Chain(Here):
    """The same, and which chain is meant."""

    rpc: RpcUrls = None
    registry: Registry = None
    channels: ChannelsAt = None
    chain: OnChain = None

    def settings(self, **flags: Any) -> Settings:
        from .terminal import load_settings

        named = {"rpc": self.rpc or None, "registry": self.registry, "channels": self.channels}
        return load_settings(
            self.config, {"data_dir": self.data_dir, "chain": named, **flags}, self.as_json, self.chain
        )


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """Whether a transaction is agreed to beforehand."""

    yes: Yes = False

    def consent(self, at: Here) -> Consent:
        """What asks the person."""
        from .terminal import Consent

        return Consent(self.yes, at.as_json)


@dataclass(frozen=True, kw_only=True)
class Sending(Agreed):
    """The same, or whether only its cost is shown."""

    dry_run: DryRunFlag = False

    def consent(self, at: Here) -> Consent:
        from .terminal import Consent

        return Consent(self.yes, at.as_json, self.dry_run)


@dataclass(frozen=True, kw_only=True)
class Buying:
    """From whom, in what, and how much is put down."""

    provider: ProviderAt = None
    deposit: DepositOf = "0.01"
    token: Token = None

    def addresses(self, at: Here) -> tuple[bytes | None, bytes]:
        """The provider, where one is named, and the token; the coin has the address zero. Ends the command where one is
        no address.
        """
        provider, token = (at.address(text) if text else None for text in (self.provider, self.token))
        return provider, token or bytes(20)


GROUPS = (Here, Agreed, Buying)


def command(app: typer.Typer, name: str | None = None) -> Callable[[F], F]:
    """Makes a function a command. A parameter whose type is a group of flags stands for all flags of the group."""

    def add(function: F) -> F:
        app.command(name)(spread(function))
        return function

    return add


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """The function with each group's fields in place of the group, as typer reads it: by its signature. A command's own
    flags come first, those that nearly every command takes last.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, type[Any]] = {}
    own: list[Parameter] = []
    shared: list[Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if isinstance(kind, type) and issubclass(kind, GROUPS):
            groups[parameter.name] = kind
            shared += _fields(kind)
        else:
            own.append(parameter.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY))
    last = [one.name for one in dataclasses.fields(Here)]
    parameters = own + sorted(shared, key=lambda one: one.name in last)

    def called(**given: Any) -> None:
        made = {name: kind(**{one.name: given.pop(one.name) for one in _fields(kind)}) for name, kind in groups.items()}
        function(**given, **made)

    called.__name__, called.__module__, called.__doc__ = function.__name__, function.__module__, function.__doc__
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def _fields(kind: type[Any]) -> list[Parameter]:
    """A group's flags."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        Parameter(one.name, Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in dataclasses.fields(kind)
    ]
