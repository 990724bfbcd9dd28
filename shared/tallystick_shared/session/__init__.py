"""A connection between two nodes, without any input or output: WebSocket messages in, events and WebSocket
messages out.

`tables` says what may follow what; `greeting` is the handshake and AUTH, `peer` what both sides share (records,
cadence), `client` and `provider` are the two roles, each with its stream beside it, and `serving` what a provider does
for its streams; `purse` decides what a client signs; `guest` is a client without a channel.

A driver owns socket, clock and disk. It calls `receive(message, now)` and `tick(now)`, then sends everything in
`outgoing()` in that order and acts on everything in `events()`. `now` is any monotonic clock in seconds.
"""

from .client import ClientSession
from .greeting import Proof, ProviderIdentity
from .provider import ProviderSession
from .requests import ClientLimits, Request, Resume

__all__ = ["ClientLimits", "ClientSession", "Proof", "ProviderIdentity", "ProviderSession", "Request", "Resume"]
