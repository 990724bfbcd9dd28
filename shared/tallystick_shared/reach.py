"""Can a provider be reached from outside? Another node dials it back and tells: the guest service `reach.check`.

It dials only the asking connection's own address, at a port that is named, or an endpoint that is registered on chain;
seldom; and it sends the greeting and nothing else. An answer of the handshake under the named key proves that the
right node is there.
"""

from __future__ import annotations

import msgspec

from .errors import Code, code_of
from .messages import U16, U32, Bytes20, Bytes32, decode, encode

SERVICE = "reach.check"
MAX_ANSWER = 64


class ReachAsk(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`port` at the asking connection's address, or 0 for the endpoint that `provider` has registered. `node_key` is
    the X25519 key that must answer there; the registered one counts for a registered endpoint.
    """

    provider: Bytes20
    node_key: Bytes32
    port: U16 = 0


class ReachAnswer(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`code` is 0 where the node answered, else an error's; `milliseconds` from the dial to the answer,
    roughly, and 0 where none came.
    """

    code: U16
    milliseconds: U32

    @property
    def reached(self) -> bool:
        return self.code == 0

    @property
    def fault(self) -> Code:
        return code_of(self.code)

    def encode(self) -> bytes:
        return encode(self)


def read_answer(data: bytes) -> ReachAnswer:
    """Raises PeerError BAD_MESSAGE."""
    return decode(ReachAnswer, data)
