"""The list, in the order in which a provider needs things."""

from __future__ import annotations

from . import chain, machine, model, paid, price, reach, registered
from .finding import Check

CHECKS: tuple[Check, ...] = (
    Check("python", "Python", machine.python),
    Check("accelerator", "Accelerator", machine.accelerator),
    Check("disk", "Disk", machine.disk),
    Check("model", "Model", model.model),
    Check("memory", "Memory", model.memory, ("model",)),
    Check("engine", "Engine", model.engine, ("model", "memory"), patience=600.0),
    Check("rpc", "RPC", chain.rpc),
    Check("clock", "Clock", chain.clock, ("rpc",)),
    Check("contracts", "Contracts", chain.contracts, ("rpc",)),
    Check("registered", "Registered", registered.registered, ("contracts",)),
    Check("renting", "Renting", registered.renting),
    Check("announcement", "Announced", registered.announcement, ("registered", "engine")),
    Check("gas", "Gas", registered.gas, ("registered",)),
    Check("router", "Router", reach.router),
    Check("endpoint", "Endpoint", reach.endpoint, ("registered",)),
    Check("outside", "From outside", reach.outside, ("endpoint",)),
    Check("price", "Price", price.price, ("registered",)),
    Check("paid", "Paid prompt", paid.paid, ("endpoint",), patience=300.0),
)
