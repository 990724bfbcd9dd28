"""A connection between two nodes, without any input or output: WebSocket messages in, events and WebSocket
messages out.

`tables` says what may follow what; `peer` is what both sides share (handshake, records, cadence); `client` and
`provider` are the two roles.
A driver owns socket, clock and disk. It calls `receive(message, now)` and `tick(now)`, then sends everything in
`outgoing()` in that order and
acts on everything in `events()`. `now` is any monotonic clock in seconds.
"""

from .client import ClientLimits, ClientSession, Request, Resume
from .provider import ProviderIdentity, ProviderSession

__all__ = ["ClientLimits", "ClientSession", "ProviderIdentity", "ProviderSession", "Request", "Resume"]
