"""States that views are shown in."""

from __future__ import annotations

from dataclasses import replace

from tallystick_web.chats.model import Chat, Chats
from tallystick_web.state import (
    Choice,
    Deposit,
    DepositPhase,
    Link,
    Market,
    MarketPhase,
    State,
    Turn,
    TurnState,
    Usage,
    Wallet,
    WalletPhase,
)
from tests.web.seats import SITE, WALLET

GWEI, ETHER = 10**9, 10**18
NOW = 1_763_856_000.0
PROVIDER = bytes.fromhex("56af226c61083810ebae3101acee61bee3793705")
CHOICE = Choice(
    PROVIDER, "ws://10.0.0.7:8766", "org/Model-1B", 2 * GWEI * 10**6, 6 * GWEI * 10**6, 2048, 10**16, 10**13
)
BAD = Choice(b"\x33" * 20, fault="bad_profile")
DEPOSIT = Deposit(
    DepositPhase.OPEN,
    b"\x09" * 32,
    PROVIDER,
    ETHER,
    int(NOW) + 86_400,
    900,
    3 * 10**15,
    5 * 10**15,
    12,
    "0x" + "ab" * 32,
)

START = State(site=SITE, ready=True, now=NOW, wallets=(WALLET,))
CONNECTED = replace(
    START,
    wallet=Wallet(WalletPhase.CONNECTED, WALLET, b"\xaa" * 20, 2 * ETHER),
    market=Market(MarketPhase.READ, (CHOICE, BAD)),
)
CHOSEN = replace(CONNECTED, chosen=CHOICE, amount_text="0.5")
OPEN = replace(CHOSEN, deposit=DEPOSIT, link=Link.READY)
QUESTION = Turn(1, "user", "Why?", TurnState.SENT)
ANSWER = Turn(
    2, "assistant", "Because.\n\nSo.", TurnState.DONE, "Model-1B, here", Usage(9, 30, 10**12, 380, 31.4, "stop")
)


def saying(state: State, *turns: Turn) -> State:
    """The state with a chat in front in which these follow each other."""
    linked = tuple(
        replace(turn, parent=before.id if before else 0) for turn, before in zip(turns, (None, *turns), strict=False)
    )
    return replace(state, chats=Chats("c1", (Chat("c1", turns=linked),)))


TALKING = saying(OPEN, QUESTION, ANSWER)


def with_deposit(phase: DepositPhase, **changes: object) -> State:
    """A conversation whose deposit is in this phase."""
    return replace(TALKING, deposit=replace(DEPOSIT, phase=phase, **changes))  # type: ignore[arg-type]
