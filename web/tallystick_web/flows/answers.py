"""Which answers ended just now: the ledger and the market's figures are told of each, once."""

from __future__ import annotations

from ..state import State, Turn, TurnState


def ended(before: State, after: State) -> list[Turn]:
    """Answers of any chat that ran before and do not now, and cost or gave something."""
    if before.chats is after.chats:
        return []
    later = {chat.id: chat for chat in after.chats.held}
    over = [
        later[chat.id].turn(turn.id)
        for chat in before.chats.held
        if chat.streaming and chat.id in later and later[chat.id] is not chat
        for turn in chat.turns
        if turn.state is TurnState.STREAMING
    ]
    return [
        turn
        for turn in over
        if turn is not None
        and turn.state is not TurnState.STREAMING
        and turn.usage is not None
        and (turn.usage.output_units or turn.usage.amount)
    ]
