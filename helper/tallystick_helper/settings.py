"""Settings of a node: flags, then `TALLYSTICK_…` of the environment, then a TOML file, then what `tallystick provide`
kept of its flags, then the defaults here.

A nested setting is `TALLYSTICK_CHAIN__RPC` in the environment and `rpc` under `[chain]` in the file. Amounts are
integers in the token's smallest unit, given as text where they are too long for TOML's integers; prices are per
1,000,000 units.

A node may work on further chains at the same time: each is a section `[chains.NAME]` (`TALLYSTICK_CHAINS__NAME__RPC`)
like `[chain]`, with `[chains.NAME.offer]` and `[chains.NAME.money]` for what differs there from `[offer]` and
`[money]`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import Field, PrivateAttr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tallystick_shared import limits
from tallystick_shared.chains import Deployment, deployment
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_bytes

from . import kept_settings
from .schedule import Schedule
from .settings_values import Address, Amount, Endpoint, Network, Port, Section, drop_none, merge, over, read_toml

MINUTE = 60
GWEI = 10**9
NATIVE = "0x" + 40 * "0"


class ChainSettings(Section):
    """Where the chain is. Without `rpc` the node still serves the page."""

    rpc: list[str] = Field([], description="addresses of the chain's nodes, asked in this order")
    id: int | None = None
    name: str = Field("", description="what people call the chain; if not set, by its id where that is well known")
    symbol: str = "ETH"
    explorer: str = Field(
        "",
        pattern="^(https?://[^\\s/]+(/\\S*)?)?$",
        description="a block explorer, for the page's links to transactions",
    )
    registry: Address | None = None
    channels: Address | None = None
    block: int = Field(0, ge=0, description="the block in which the contracts were deployed")
    rest: float = Field(15.0, gt=0, description="seconds for which an RPC address that failed is passed over")
    interval: float = Field(2.0, gt=0, description="seconds between looks for a new block")
    patience: float = Field(
        60.0, gt=0, description="seconds until an unmined transaction is sent again at a higher price"
    )

    def deployment(self, chain_id: int) -> Deployment:
        """The contracts named here, else the known ones. Raises LocalError NO_CONTRACTS."""
        if self.registry and self.channels:
            return Deployment(chain_id, to_bytes(self.registry), to_bytes(self.channels), self.block)
        return deployment(chain_id)


class PageSettings(Section):
    """The page's own listener: files, and no authority at all."""

    host: str = "127.0.0.1"
    port: Port = 8765
    files: Path | None = None


class AdminSettings(Section):
    """The admin listener, for the person at this machine alone: the local API with its key, and the figures."""

    on: bool = True
    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: Port = 8767


class GatewaySettings(Section):
    """This node as a user of others: the local `/v1`, paid from the open deposits kept here."""

    idle: float = Field(
        120.0, gt=0, description="seconds after which a connection to a provider that nobody uses is given up"
    )
    max_tokens: int = Field(4096, ge=1, description="the longest answer where a request names no limit")
    traffic: Literal["text", "rich", "low_latency"] = Field(
        "text",
        description="the shape on the wire while text streams: `text` is the steadiest, `low_latency` hides less and"
        " suits several answers at once, `rich` carries long ones fast, at 40 kB/s each way",
    )


class ListenSettings(Section):
    """The public WebSocket, and the endpoint under which others reach it."""

    host: str = "0.0.0.0"
    port: Port = 8766
    endpoint: Endpoint | None = None
    proxies: list[Network] = Field(
        [],
        description="reverse proxies before this listener, addresses or networks: the limits go by the address that"
        " they name in X-Forwarded-For. Whoever is not listed is not believed",
    )
    dial_private: bool = Field(
        False,
        description="whether strangers may have this node dial back to addresses of this machine and its own network,"
        " when they ask whether they can be reached. For networks of one's own only",
    )
    unauthenticated: int = Field(limits.STRANGERS.value, ge=1)
    unauthenticated_per_address: int = Field(limits.STRANGERS_PER_ADDRESS.value, ge=1)
    unauthenticated_per_neighbourhood: int = Field(limits.STRANGERS_PER_NEIGHBOURHOOD.value, ge=1)
    ticket_holders: int = Field(
        limits.TICKET_HOLDERS.value, ge=1, description="connections that showed a ticket and prove their channel next"
    )
    handshakes: float = Field(limits.HANDSHAKES.value, ge=1, description="handshakes a second, in all")
    handshakes_per_address: float = Field(limits.HANDSHAKES_PER_ADDRESS.value, gt=0)
    handshake_burst: int = Field(limits.HANDSHAKE_BURST.value, ge=1)
    connections_per_channel: int = Field(limits.CONNECTIONS_PER_CHANNEL.value, ge=1)


class RouterSettings(Section):
    """Whether the router is asked to pass a port on to the public listener. Never unless a person wished so."""

    map_port: bool = Field(
        False, description="ask the router for the port, by PCP, NAT-PMP or UPnP; renewed while the node runs"
    )
    address: Annotated[str, Field(pattern=r"^\d{1,3}(\.\d{1,3}){3}$")] | None = Field(
        None, description="the router's IPv4 address; this machine's default gateway where not set"
    )
    pcp: Port = Field(5351, description="its UDP port for PCP and NAT-PMP")
    ssdp: Port = Field(1900, description="its UDP port for UPnP's search")


class ModelSettings(Section):
    """What differs for one model, by its name: `[offer.models."NAME"]`."""

    price_in: Amount | None = Field(None, description="per 1,000,000 input units; the offer's where not set")
    price_out: Amount | None = Field(None, description="per 1,000,000 output units; the offer's where not set")


class OfferSettings(Section):
    """What the node offers, on what terms. Prices per 1,000,000 units."""

    price_in: Amount = Field(20_000 * GWEI, description="per 1,000,000 input units")
    price_out: Amount = Field(60_000 * GWEI, description="per 1,000,000 output units")
    models: dict[str, ModelSettings] = Field({}, description="prices of single models, by name")
    tokens: list[Address] = Field(
        [NATIVE],
        description="what deposits may be in; zero is the coin. All amounts here are in the smallest unit of each, so"
        " name only tokens of one worth and with as many decimals",
    )
    window: Amount | None = Field(
        None, description="credit beyond the last voucher; two seconds of output where not set"
    )
    units_per_second: int = Field(150, ge=1, description="output speed that the default window is computed from")
    credit_limit: Amount = Field(10**16, description="no default window is larger than this")
    minimum_cap: Amount = 0
    first_voucher: Amount | None = Field(
        None,
        description="what the first voucher of a deposit comes to at least, credited against use, so that a claim pays"
        " its gas; 0 for none. Where not set: the gas of a claim on the day of the profile, for deposits in the coin",
    )
    minimum_delay: int = Field(60 * MINUTE, ge=15 * MINUTE, description="seconds between a close request and the end")
    stake: Amount = Field(10**15, description="locked with the registration, taken back on leaving")

    def credit_window(self) -> int:
        """W: two seconds of output, rounded up, and never nothing nor more than the node's credit limit."""
        if self.window is not None:
            return self.window
        dearest = max([self.price_out, *(one.price_out or 0 for one in self.models.values())])
        two_seconds = -(-2 * self.units_per_second * dearest // 1_000_000)
        return max(1, min(two_seconds, self.credit_limit))


class RentingSettings(Section):
    """When the node rents out, and to whom not. `tallystick pause`, `resume`, `deny` and `allow` change the same while
    it runs.
    """

    hours: list[str] = Field(
        [], description="hours of the week, such as `mon-fri 18:00-08:00` or `sat,sun`; always where none is named"
    )
    timezone: str = Field("", description="the zone of those hours, such as `Europe/Berlin`; this machine's if not set")
    deny: list[Address] = Field([], description="wallets whose requests are refused")
    finish: float = Field(
        5.0,
        ge=0,
        le=3600,
        description="seconds that answers under way are given when the node is told to end; what stops it"
        " (`TimeoutStopSec` of systemd, `stop_grace_period` of compose) must wait longer",
    )

    @field_validator("hours")
    @classmethod
    def _readable(cls, hours: list[str]) -> list[str]:
        try:
            Schedule.parse(hours)
        except LocalError as error:
            raise ValueError(f"{error.values['hours']}: {error.values['reason']}") from None
        return hours

    @field_validator("timezone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone and zone not in available_timezones():
            raise ValueError("there is no such zone")
        return zone


class TrialSettings(Section):
    """What the node gives away to newcomers, who ask without a wallet: tokens, read and written together. Off unless
    `per_day` is set. An answer that is given away waits behind everybody who pays, and gives way to them.
    """

    per_day: int = Field(0, ge=0, le=2**32 - 1, description="tokens a day (of UTC) for all guests together; 0 for none")
    per_guest: int = Field(
        5_000,
        ge=32,
        le=2**32 - 1,
        description="of them for one guest: an IPv4 address, or an IPv6 /64. Behind a reverse proxy set"
        " `listen.proxies`, or all guests are one",
    )
    most: int = Field(512, ge=32, le=2**31, description="the longest answer")
    at_once: int = Field(2, ge=1, description="answers at the same time; a guest has one")


class MoneySettings(Section):
    """When the node claims by itself."""

    threshold: Amount = Field(10**17, description="claim once so much is unclaimed")
    thresholds: dict[Address, Amount] = Field(
        default_factory=dict, description="the same for channels in a token, by the token's address"
    )
    unconfirmed: Amount = Field(
        10**16,
        description="credit, over all channels together: on deposits that are not yet confirmed, and beyond the window"
        " while only one of several RPCs answers",
    )
    confirmations: int = Field(
        12,
        ge=1,
        le=100,
        description="blocks in which a deposit must lie, its own among them, before all of it counts: one for each"
        " `unconfirmed` of it, at most so many. Until then it is served on credit. 1 for chains that are never"
        " reorganised",
    )
    expiry_margin: int = Field(
        limits.EXPIRY_MARGIN.value,
        ge=0,
        description="serve and wait no nearer than this to a channel's end, in seconds",
    )
    interval: float = Field(30.0, gt=0, description="seconds between looks at what is unclaimed")
    dust: bool = Field(False, description="claim the coin also where the gas of a claim would cost more than it pays")
    gas: Amount = Field(10**16, description="top the operator up to this for gas")


class FurtherChain(ChainSettings):
    """A chain beside the first: prices and sums are in its own coin's smallest unit."""

    offer: OfferSettings = Field(OfferSettings(), description="what differs from `[offer]` there")
    money: MoneySettings = Field(MoneySettings(), description="what differs from `[money]` there")


class EngineSettings(Section):
    """The model that is run; `options` are the engine's own."""

    kind: str = Field(
        "gguf",
        description="`gguf`, `gguf-embeddings`, `exl2`, `exl3`, `exl2_ref`, `upstream`, `upstream-embeddings`, `echo`"
        " (tests only), `none`, or an installed engine's name",
    )
    options: dict[str, Any] = Field({})


class MemorySettings(Section):
    """Which of several models are in memory. A model is loaded when somebody asks for it, and unloaded for another."""

    loaded: int = Field(0, ge=0, description="models in memory at once; 0 for as many as fit")
    idle: float = Field(0.0, ge=0, description="unload a model after so many seconds without a request; 0 for never")
    reserve: int = Field(256, ge=0, description="MiB that are left free when a model is loaded")


def default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "tallystick"


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(env_prefix="TALLYSTICK_", env_nested_delimiter="__", extra="forbid")

    data_dir: Path = Field(default_factory=default_data_dir)
    provider: Address | None = Field(
        None, description="the wallet that registered this node; set by `tallystick provide`"
    )
    payee: Address | None = Field(None, description="where the money goes; the provider where not set")
    demo_key: str | None = Field(
        None, description="a funded throwaway key that the demo's page may use; never set it elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    chain: ChainSettings = ChainSettings()
    chains: dict[Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,31}$")], FurtherChain] = Field(
        {}, description="further chains, by a name of your own"
    )
    page: PageSettings = PageSettings()
    listen: ListenSettings = ListenSettings()
    router: RouterSettings = RouterSettings()
    admin: AdminSettings = AdminSettings()
    gateway: GatewaySettings = GatewaySettings()
    offer: OfferSettings = OfferSettings()
    renting: RentingSettings = RentingSettings()
    money: MoneySettings = MoneySettings()
    trial: TrialSettings = TrialSettings()
    engine: EngineSettings = EngineSettings()
    models: dict[Annotated[str, Field(pattern=r"^[^\s/\x00-\x1f][^\x00-\x1f]{0,63}$")], EngineSettings] = Field(
        {}, description="several models, by the name each is offered under, in place of the one of `[engine]`"
    )
    memory: MemorySettings = MemorySettings()
    _place: str = PrivateAttr("")

    @property
    def serves(self) -> bool:
        """Is there a model that this node runs?"""
        return bool(self.models) or self.engine.kind != "none"

    @property
    def place(self) -> str:
        """The name of the chain that `chain` is; empty for the first one."""
        return self._place

    def on(self, name: str) -> Settings:
        """The settings with that chain as `chain`, and its own offer and money; the first one has no name. Raises
        LocalError BAD_SETTINGS where there is no such section.
        """
        if not name:
            return self
        if name not in self.chains:
            raise LocalError(Code.BAD_SETTINGS, chain=name, known=", ".join(self.chains) or "none")
        chain = self.chains[name]
        changed = self.model_copy(
            update={"chain": chain, "offer": over(self.offer, chain.offer), "money": over(self.money, chain.money)}
        )
        changed._place = name
        return changed

    def places(self) -> list[Settings]:
        """The settings once for each chain that has an RPC address, the first one first."""
        every = [self.on(name) for name in ("", *self.chains)]
        return [settings for settings in every if settings.chain.rpc]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings)


def keep(data_dir: Path, flags: dict[str, Any]) -> None:
    """Later commands count these flags too, below the file. Raises LocalError STORE_UNREADABLE."""
    given = drop_none({name: value for name, value in flags.items() if name != "data_dir"})
    kept_settings.keep(data_dir, merge(kept_settings.read(data_dir), given))


def load(file: Path | None = None, flags: dict[str, Any] | None = None) -> Settings:
    """The settings in force. `file` must exist if given; else `config.toml` in the data directory is read where
    there is one.

    Raises LocalError BAD_SETTINGS with the name of each setting that is wrong.
    """
    given = drop_none(flags or {})
    try:
        base = Settings(**given)
        path, kept = file or base.data_dir / "config.toml", kept_settings.read(base.data_dir)
        if file is None and not path.exists():
            if not kept:
                return base
            from_file: dict[str, Any] = {}
        else:
            from_file = read_toml(path)
        from_environment = base.model_dump(exclude_unset=True)
        return Settings(**merge(merge(kept, from_file), from_environment))
    except ValidationError as error:
        faults = {".".join(map(str, fault["loc"])): fault["msg"] for fault in error.errors()}
        wrong = {name: text.removeprefix("Value error, ") for name, text in faults.items()}
        raise LocalError(Code.BAD_SETTINGS, **wrong) from None
