"""Figures for Prometheus: a registry of this node's own, filled by the engine as it works and by a look at each scrape.

Labels are names from this node's settings and codes from our own table, never what somebody sent: neither a prompt nor
an address of a user can get here, and nobody can make the number of series grow. Amounts of money are exact in the
ledger and rounded to 53 bits here, as all figures of Prometheus are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from tallystick_shared.errors import Code
from tallystick_shared.evm.rpc import to_hex

from . import hardware
from .engines import Capabilities, Engine
from .ledger_totals import Totals, totals
from .place import Place

FIRST = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)
RATES = (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 250, 500, 1000)
BY = ("model", "engine")


@dataclass(frozen=True)
class Look:
    """What is looked up at a scrape: the money of each chain by its name, and the machine."""

    money: dict[str, Totals]
    machine: hardware.Hardware


class Metrics(Collector):
    """Fills the Watcher seat. `text` is what a scrape gets."""

    def __init__(self, engine: Callable[[], Engine | None], places: Sequence[Place]) -> None:
        self._engine, self._places = engine, places
        self._look: Look | None = None
        self.units = 0
        """Output units since the start, of all models."""
        self.registry = registry = CollectorRegistry(auto_describe=False)
        made: dict[str, Any] = {"namespace": "tallystick", "registry": registry}
        self._requests = Counter("requests", "Requests that ended, by how.", (*BY, "finish"), **made)
        self._errors = Counter("errors", "Requests refused or broken, by code.", (*BY, "code"), **made)
        self._in = Counter("input_units", "Input units of requests that began.", (*BY, "unit"), **made)
        self._out = Counter("output_units", "Output units handed out.", (*BY, "unit"), **made)
        self._first = Histogram("first_output_seconds", "From taking a request to its first output, its wait in the "
                                "queue included.", BY, buckets=FIRST, **made)  # fmt: skip
        self._rate = Histogram("output_units_per_second", "Of one request, after its first output.", BY,
                               buckets=RATES, **made)  # fmt: skip
        registry.register(self)

    # -- the engine

    def began(self, able: Capabilities, units: int) -> None:
        self._in.labels(able.model, able.engine, able.unit).inc(units)

    def first(self, able: Capabilities, seconds: float) -> None:
        self._first.labels(able.model, able.engine).observe(seconds)

    def made(self, able: Capabilities, units: int) -> None:
        self.units += units
        self._out.labels(able.model, able.engine, able.unit).inc(units)

    def ended(self, able: Capabilities, finish: str, units: int, seconds: float) -> None:
        self._requests.labels(able.model, able.engine, finish).inc()
        if units > 1 and seconds > 0:
            self._rate.labels(able.model, able.engine).observe((units - 1) / seconds)

    def failed(self, able: Capabilities, code: Code) -> None:
        self._errors.labels(able.model, able.engine, code.name.lower()).inc()

    # -- a scrape

    async def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        money = {}
        for place in self._places:
            if place.running is not None:
                money[place.name or "main"] = await totals(place.running.ledger)
        self._look = Look(money, hardware.read())
        return generate_latest(self.registry)

    def collect(self) -> Iterable[Metric]:
        """What is looked up anew; called by the registry."""
        yield from self._models()
        if self._look is not None:
            yield from _money(self._look.money)
            yield from _machine(self._look.machine)
        connections = GaugeMetricFamily("tallystick_connections", "Open connections of users.", labels=["chain"])
        for place in self._places:
            if place.running is not None:
                connections.add_metric([place.name or "main"], place.running.node.connected)
        yield connections

    def _models(self) -> Iterable[Metric]:
        engine = self._engine()
        if engine is None:
            return
        info = GaugeMetricFamily("tallystick_model", "A model that is offered; 1 while it is in memory.",
                                 labels=[*BY, "kind", "quantisation"])  # fmt: skip
        gauges = {
            name: GaugeMetricFamily(f"tallystick_{name}", says, labels=list(BY))
            for name, says in (
                ("slots", "Requests that a model runs at once."),
                ("running", "Requests that run now."),
                ("queue_places", "Requests that may wait."),
                ("waiting", "Requests that wait now."),
            )
        }
        for able in engine.models():
            load, labels = engine.load(able.model), [able.model, able.engine]
            info.add_metric([*labels, able.kind, able.quantisation], float(state_of(engine, able.model) == "loaded"))
            for name, value in zip(gauges, (load.slots, load.running, load.queue, load.waiting), strict=True):
                gauges[name].add_metric(labels, value)
        yield info
        yield from gauges.values()


def state_of(engine: Engine, model: str) -> str:
    """`loaded`, `leaving` or `unloaded`; an engine of one model has it loaded while it lives."""
    state: Callable[[str], str] | None = getattr(engine, "state", None)
    return state(model) if state is not None else "loaded"


def _money(money: dict[str, Totals]) -> Iterable[Metric]:
    by = ["chain", "token"]
    channels = GaugeMetricFamily("tallystick_channels", "Deposits served that are not ended.", labels=by)
    owed = GaugeMetricFamily("tallystick_owed", "Owed on them since they began, in smallest units.", labels=by)
    durable = GaugeMetricFamily("tallystick_vouchers_durable", "Promised by the vouchers on disk, in smallest units.",
                                labels=by)  # fmt: skip
    claims = CounterMetricFamily("tallystick_claims", "Claims and closes sent.", labels=["chain", "kind", "mined"])
    paid = CounterMetricFamily("tallystick_paid", "Paid by those, in smallest units.", labels=["chain"])
    for chain, found in money.items():
        for token, one in found.live.items():
            labels = [chain, to_hex(token)]
            channels.add_metric(labels, one.channels)
            owed.add_metric(labels, one.owed)
            durable.add_metric(labels, one.durable)
        for (kind, mined), count in found.claims.items():
            claims.add_metric([chain, kind, "yes" if mined else "no"], count)
        paid.add_metric([chain], found.paid)
    return [channels, owed, durable, claims, paid]


def _machine(machine: hardware.Hardware) -> Iterable[Metric]:
    yield CounterMetricFamily("tallystick_process_cpu_seconds", "Of this process.", value=machine.process_cpu)
    yield GaugeMetricFamily("tallystick_process_memory_bytes", "Resident, of this process.", machine.process_memory)
    yield GaugeMetricFamily("tallystick_memory_bytes", "Of the machine.", machine.memory_total)
    yield GaugeMetricFamily("tallystick_memory_available_bytes", "Of the machine.", machine.memory_available)
    by = ["gpu", "name"]
    gauges = {
        "memory_total": GaugeMetricFamily("tallystick_gpu_memory_bytes", "Of a GPU.", labels=by),
        "memory_used": GaugeMetricFamily("tallystick_gpu_memory_used_bytes", "Of a GPU.", labels=by),
        "load": GaugeMetricFamily("tallystick_gpu_load_percent", "Of a GPU.", labels=by),
        "temperature": GaugeMetricFamily("tallystick_gpu_celsius", "Of a GPU.", labels=by),
        "watts": GaugeMetricFamily("tallystick_gpu_watts", "Of a GPU.", labels=by),
    }
    for gpu in machine.gpus:
        for name, gauge in gauges.items():
            if (value := getattr(gpu, name)) is not None:
                gauge.add_metric([str(gpu.index), gpu.name], float(value))
    yield from gauges.values()
