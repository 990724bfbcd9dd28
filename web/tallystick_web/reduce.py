"""The pure reducer: state and action in, next state out. Every action is accepted in every state; one that no
longer applies changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import actions as a
from .chats.desk import DeskChanged, reduce_desk
from .chats.reduce import reduce_chats
from .purse.actions import RULES as PURSE_RULES
from .shop.actions import RULES as SHOP_RULES
from .state import Market, MarketPhase, Notice, State, Wallet, WalletPhase

Action = Any


def reduce(state: State, action: Action) -> State:
    """The state after `action`."""
    rule = RULES.get(type(action))
    if rule is not None:
        return rule(state, action)
    chats = reduce_chats(state.chats, action)
    return state if chats is state.chats else replace(state, chats=chats)


def _desk_changed(state: State, action: DeskChanged) -> State:
    desk = reduce_desk(state.desk, action)
    return state if desk is state.desk else replace(state, desk=desk)


def _booted(state: State, action: a.Booted) -> State:
    return replace(state, ready=True, site=action.site, now=action.now, offset_minutes=action.offset_minutes)


def _wallet_moved(state: State, action: a.WalletMoved) -> State:
    if action.phase is WalletPhase.NONE and state.trial.on:  # whoever tries goes on without one
        return replace(state, wallet=Wallet(), found=())
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


def _noticed(state: State, action: a.Noticed) -> State:
    notice: Notice = action.notice
    return replace(state, notice=notice)


RULES: dict[type, Callable[[State, Any], State]] = {
    a.Booted: _booted,
    a.Spoken: lambda state, action: replace(state, language=action.language),
    a.Coloured: lambda state, action: replace(state, colours=action.colours),
    a.Ticked: lambda state, action: replace(state, now=action.now),
    a.NetworkMoved: lambda state, action: replace(state, offline=action.offline),
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
    a.SheetOpened: lambda state, action: replace(state, sheet=action.sheet, notice=None),
    a.SheetClosed: lambda state, _: replace(state, sheet=None),
    a.Noticed: _noticed,
    a.NoticeCleared: lambda state, _: replace(state, notice=None),
    DeskChanged: _desk_changed,
    **SHOP_RULES,
    **PURSE_RULES,
}
