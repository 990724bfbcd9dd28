"""What went wrong, as OpenAI's clients understand it: an HTTP status and `{"error": {message, type, param, code}}`.

`code` is our own stable name in lower case but for the few that clients know by OpenAI's: those stand in `NAMES`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from tallystick_shared.errors import Code, LocalError, TallystickError

C = Code
MONEY = frozenset(
    {
        C.NO_DEPOSIT,
        C.CHANNEL_ENDED,
        C.CHANNEL_EXPIRING,
        C.CAP_TOO_SMALL,
        C.WRONG_TOKEN,
        C.DELAY_TOO_SHORT,
        C.ABOVE_CAP,
        C.DEPOSIT_EXHAUSTED,
        C.PRICE_CHANGED,
        C.UNCLAIMABLE,
        C.ADVANCE_TOO_LARGE,
    }
)
STATUS: dict[Code, int] = {
    **dict.fromkeys(MONEY, 402),
    C.BAD_REQUEST: 400,
    C.UNSUPPORTED: 400,
    C.PROMPT_TOO_LONG: 400,
    C.BAD_MESSAGE: 400,
    C.TOO_LARGE: 413,
    C.UNKNOWN_MODEL: 404,
    C.UNKNOWN_SERVICE: 404,
    C.IN_USE_ELSEWHERE: 409,
    C.REQUEST_CONFLICT: 409,
    C.BUSY: 429,
    C.TOO_MANY_STREAMS: 429,
    C.TOO_MANY_CONNECTIONS: 429,
    C.UNCONFIRMED: 503,
    C.UNKNOWN_CHANNEL: 503,
    C.PROVIDER_GONE: 503,
    C.DRAINING: 503,
    C.TIMED_OUT: 503,
    C.RPC_UNREACHABLE: 503,
    C.NO_PROVIDERS: 503,
    C.NO_CONTRACTS: 503,
    C.STORE_UNREADABLE: 500,
}
NAMES = {
    C.PROMPT_TOO_LONG: "context_length_exceeded",
    C.UNKNOWN_MODEL: "model_not_found",
    C.BUSY: "rate_limit_exceeded",
    C.UNSUPPORTED: "unsupported_parameter",
}
TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 402: "insufficient_quota"}
TYPES |= {403: "invalid_request_error", 404: "invalid_request_error", 405: "invalid_request_error"}
TYPES |= {409: "invalid_request_error", 413: "invalid_request_error", 429: "rate_limit_error"}
RETRY_MS = {C.UNCONFIRMED: 5000, C.UNKNOWN_CHANNEL: 3000, C.TOO_MANY_CONNECTIONS: 60_000, C.TOO_MANY_STREAMS: 1000}
HERE: dict[tuple[type[TallystickError], Code], str] = {
    (LocalError, C.IN_USE_ELSEWHERE): "Another program on this machine uses this deposit now. End it, and ask again.",
    (
        LocalError,
        C.NO_PROVIDERS,
    ): "No open deposit's provider fits the request's `provider`. Change that, or open a deposit with another.",
    (LocalError, C.UNKNOWN_MODEL): "This model is unknown: nobody offers it. See /v1/models for those that are.",
}
"""What this node itself says here, where the words for the page do not fit."""
ELSEWHERE = frozenset({C.BAD_REQUEST, C.TOO_LARGE})
"""After these no other provider of the model would do better."""


class BadParameter(Exception):
    """A parameter of the request that cannot be taken: its name, and one sentence about what can."""

    def __init__(self, param: str, says: str) -> None:
        self.param, self.says = param, says
        super().__init__(f"{param}: {says}")


@dataclass(frozen=True)
class Fault:
    """A status, headers and the body for it."""

    status: int
    message: str
    code: str | None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def fault_of(error: Exception) -> Fault:
    """Of what went wrong; what is not known tells nothing but that."""
    if isinstance(error, BadParameter):
        return Fault(400, f"{error.param}: {error.says}.", "unsupported_parameter", error.param)
    if not isinstance(error, TallystickError):
        return Fault(500, "Something in this node broke.", "internal_error")
    status = STATUS.get(error.code, 502)
    headers = {}
    wait = int(error.values.get("retry_after_ms", 0)) or (RETRY_MS.get(error.code, 1000) if status == 429 else 0)
    if wait := wait or RETRY_MS.get(error.code, 0):
        headers["Retry-After"] = str(max(1, math.ceil(wait / 1000)))
    name = NAMES.get(error.code, error.code.name.lower())
    return Fault(status, _words(error), name, "model" if error.code is C.UNKNOWN_MODEL else None, headers)


def _words(error: TallystickError) -> str:
    """One sentence, what to do, and the command to run where there is one."""
    said = HERE.get((type(error), error.code)) or f"{error.says} {error.next_step}"
    if run := error.values.get("run"):
        said += f" Run: {run}"
    return said
