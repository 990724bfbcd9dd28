"""The pure reducer: state and action in, next state out. Every action is accepted in every state; one that no
longer applies changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import actions as a
from .shop.actions import RULES as SHOP_RULES
from .state import Market, MarketPhase, Notice, State, Turn, TurnState, Wallet, WalletPhase

Action = Any


def reduce(state: State, action: Action) -> State:
    """The state after `action`."""
    return RULES[type(action)](state, action)


def _booted(state: State, action: a.Booted) -> State:
    return replace(state, ready=True, site=action.site, now=action.now, offset_minutes=action.offset_minutes)


def _wallet_moved(state: State, action: a.WalletMoved) -> State:
    if action.phase is WalletPhase.NONE:
        return replace(state, wallet=Wallet(), market=Market(), chosen=None, found=())
    wallet = replace(
        state.wallet,
        phase=action.phase,
        info=action.info or state.wallet.info,
        account=state.wallet.account if action.account is None else action.account,
    )
    same = wallet.account == state.wallet.account
    return replace(state, wallet=wallet, found=state.found if same else ())


def _found_moved(state: State, action: a.FoundMoved) -> State:
    moved = action.found
    return replace(state, found=tuple(moved if one.channel_id == moved.channel_id else one for one in state.found))


def _balance_read(state: State, action: a.BalanceRead) -> State:
    return replace(state, wallet=replace(state.wallet, balance=action.balance))


def _market_read(state: State, action: a.MarketRead) -> State:
    usable = {choice.id: choice for choice in action.market.choices if not choice.fault}
    chosen = usable.get(state.chosen.id) if state.chosen else None
    if chosen is None and state.deposit.live:
        chosen = next((choice for choice in usable.values() if choice.provider == state.deposit.provider), None)
    return replace(state, market=action.market, chosen=chosen or state.chosen)


def _deposit_moved(state: State, action: a.DepositMoved) -> State:
    return replace(state, deposit=replace(state.deposit, phase=action.phase, **action.values))


def _counted(state: State, action: a.Counted) -> State:
    deposit = state.deposit
    return replace(
        state,
        deposit=replace(
            deposit,
            owed=deposit.owed if action.owed is None else action.owed,
            durable=deposit.durable if action.durable is None else action.durable,
            notches=deposit.notches if action.notches is None else action.notches,
        ),
    )


def _next_id(state: State) -> int:
    return max((turn.id for turn in state.turns), default=0) + 1


def _asked(state: State, action: a.Asked) -> State:
    text = action.text.strip()
    if not text:
        return state
    return replace(state, turns=(*state.turns, Turn(_next_id(state), "user", text, TurnState.WAITING)))


def _turn_moved(state: State, action: a.TurnMoved) -> State:
    return _change(state, action.id, lambda turn: replace(turn, state=action.state, usage=action.usage or turn.usage))


def _answer_started(state: State, action: a.AnswerStarted) -> State:
    answer = Turn(_next_id(state), "assistant", "", TurnState.STREAMING, action.who)
    turns: list[Turn] = []
    for turn in state.turns:
        if turn.id == action.to:
            turns += [replace(turn, state=TurnState.SENT), answer]
        else:
            turns.append(turn)
    return replace(state, turns=tuple(turns))


def _answer_grew(state: State, action: a.AnswerGrew) -> State:
    return _change(
        state, action.id, lambda turn: replace(turn, text=turn.text + action.text, usage=action.usage or turn.usage)
    )


def _change(state: State, turn_id: int, change: Callable[[Turn], Turn]) -> State:
    return replace(state, turns=tuple(change(turn) if turn.id == turn_id else turn for turn in state.turns))


def _retried(state: State, _: a.Retried) -> State:
    failed = next((turn for turn in reversed(state.turns) if turn.role == "assistant"), None)
    if failed is None or failed.state is not TurnState.FAILED or state.queue:
        return state
    at = state.turns.index(failed)
    question = state.turns[at - 1]
    if failed.text:
        return _asked(state, a.Asked(question.text))
    again = replace(question, state=TurnState.WAITING)
    return replace(state, turns=(*state.turns[: at - 1], again, *state.turns[at + 1 :]))


def _chat_loaded(state: State, action: a.ChatLoaded) -> State:
    last = max((turn.id for turn in action.turns), default=0)
    later = tuple(replace(turn, id=turn.id + last) for turn in state.turns)
    return replace(state, turns=(*action.turns, *later))


def _noticed(state: State, action: a.Noticed) -> State:
    notice: Notice = action.notice
    return replace(state, notice=notice)


RULES: dict[type, Callable[[State, Any], State]] = {
    a.Booted: _booted,
    a.Ticked: lambda state, action: replace(state, now=action.now),
    a.WalletsFound: lambda state, action: replace(state, wallets=action.wallets),
    a.WalletMoved: _wallet_moved,
    a.BalanceRead: _balance_read,
    a.MarketReading: lambda state, _: replace(state, market=replace(state.market, phase=MarketPhase.READING)),
    a.MarketRead: _market_read,
    a.Chosen: lambda state, action: replace(state, chosen=action.choice),
    a.AmountTyped: lambda state, action: replace(state, amount_text=action.text),
    a.DepositLoaded: lambda state, action: replace(state, deposit=action.deposit),
    a.DepositMoved: _deposit_moved,
    a.FoundDeposits: lambda state, action: replace(state, found=action.found),
    a.FoundMoved: _found_moved,
    a.Counted: _counted,
    a.Linked: lambda state, action: replace(state, link=action.link),
    a.Asked: _asked,
    a.TurnMoved: _turn_moved,
    a.AnswerStarted: _answer_started,
    a.AnswerGrew: _answer_grew,
    a.Retried: _retried,
    a.ChatLoaded: _chat_loaded,
    a.SheetOpened: lambda state, action: replace(state, sheet=action.sheet, notice=None),
    a.SheetClosed: lambda state, _: replace(state, sheet=None),
    a.Noticed: _noticed,
    a.NoticeCleared: lambda state, _: replace(state, notice=None),
    a.ChatCleared: lambda state, _: replace(state, turns=()) if not state.running else state,
    **SHOP_RULES,
}
