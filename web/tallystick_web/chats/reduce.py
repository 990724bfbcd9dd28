"""The pure reducer of the chats. Every action is accepted always; one that no longer applies changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import actions as a
from .model import Card, Chat, Chats, Turn, TurnState, card_of, merged, next_id, ordered

KEPT = ("places", "children", "waiting", "streaming")
MOST_HELD = 12  # chats in memory beside those that are in use


def reduce_chats(chats: Chats, action: Any) -> Chats:
    """The chats after `action`."""
    return RULES[type(action)](chats, action)


def _put(chats: Chats, chat: Chat, *, listed: bool = True) -> Chats:
    """The chat changed: one revision on, and its card with it."""
    chat = replace(chat, revision=chat.revision + 1)
    held = tuple(chat if one.id == chat.id else one for one in chats.held)
    if not listed or not chat.turns:
        return replace(chats, held=held)
    old = chats.card(chat.id)
    return replace(chats, held=held, cards=_with(chats.cards, card_of(chat, old.deleted if old else 0)))


def _with(cards: tuple[Card, ...], card: Card) -> tuple[Card, ...]:
    return (card, *(one for one in cards if one.id != card.id))


def _of(chats: Chats, chat_id: str | None) -> Chat | None:
    return chats.chat if chat_id is None else chats.get(chat_id)


def _busy(chat: Chat) -> bool:
    return bool(chat.waiting) or chat.streaming


def _fronted(chats: Chats, chat: Chat) -> Chats:
    """In front, and in memory; of the others only those in use and the last few stay there."""
    others = [one for one in chats.held if one.id != chat.id and one.turns]
    idle = [one for one in others if not _busy(one)][-MOST_HELD:]
    held = tuple(one for one in others if _busy(one) or one in idle)
    return replace(chats, front=chat.id, held=(*held, chat))


def _started(chats: Chats, action: a.ChatsStarted) -> Chats:
    if chats.get(action.chat):
        return chats
    held = tuple(replace(chat, id=action.chat) if chat.id == chats.front else chat for chat in chats.held)
    return replace(chats, salt=action.salt, front=action.chat, held=held)


def _listed(chats: Chats, action: a.ChatsListed) -> Chats:
    known = {card.id for card in action.cards}
    return replace(chats, cards=(*(card for card in chats.cards if card.id not in known), *action.cards))


def _loaded(chats: Chats, action: a.ChatLoaded) -> Chats:
    """What was typed before the chat was there stays behind it."""
    chat, adopt = action.chat, action.adopt and action.chat.id != chats.front
    typed = chats.chat.turns if adopt else ()
    end = chat.path[-1].id if chat.path else 0
    fresh: dict[int, int] = {0: end}
    for turn in typed:
        moved = replace(turn, id=next_id(chat, chats.salt), parent=fresh.get(turn.parent, end))
        fresh[turn.id] = moved.id
        chat = replace(chat, turns=(*chat.turns, moved), revision=chat.revision + 1)
    if adopt:
        chats = replace(chats, held=tuple(one for one in chats.held if one.id != chats.front))
    return _fronted(chats, chat)


def _changed_elsewhere(chats: Chats, action: a.ChatChangedElsewhere) -> Chats:
    ours = chats.get(action.chat.id)
    chat = merged(ours, action.chat) if ours else action.chat
    held = tuple(chat if one.id == chat.id else one for one in chats.held)
    return replace(chats, held=held, cards=_with(chats.cards, card_of(chat)))


def _begun(chats: Chats, action: a.ChatBegun) -> Chats:
    return _fronted(chats, Chat(action.id, setup=action.setup))


def _to_front(chats: Chats, action: a.ChatFronted) -> Chats:
    chat = chats.get(action.chat)
    return _fronted(chats, chat) if chat else chats


def _forked(chats: Chats, action: a.ChatForked) -> Chats:
    chat = chats.chat
    upto = chat.turn(action.upto)
    if upto is None:
        return chats
    turns = tuple(_ended(turn) for turn in (*chat.before(upto), upto))
    made = Chat(action.id, chat.title, False, action.now, action.now, chat.setup, turns)
    return _put(_fronted(chats, made), made)


def _ended(turn: Turn) -> Turn:
    """As it is in a copy: nothing there waits or streams, and nothing is paid twice."""
    state = TurnState.FAILED if turn.state in (TurnState.STREAMING, TurnState.WAITING) else turn.state
    return replace(turn, state=state)


def _renamed(chats: Chats, action: a.ChatRenamed) -> Chats:
    title, card = " ".join(action.title.split())[:200], chats.card(action.chat)
    chat = chats.get(action.chat)
    if chat is not None:
        return _put(chats, replace(chat, title=title))
    return replace(chats, cards=_with(chats.cards, replace(card, name=title))) if card and title else chats


def _pinned(chats: Chats, action: a.ChatPinned) -> Chats:
    chat, card = chats.get(action.chat), chats.card(action.chat)
    if chat is not None:
        return _put(chats, replace(chat, pinned=action.pinned))
    return replace(chats, cards=_with(chats.cards, replace(card, pinned=action.pinned))) if card else chats


def _dropped(chats: Chats, action: a.ChatDropped) -> Chats:
    card, chat = chats.card(action.chat), chats.get(action.chat)
    if card is None or (chat and chat.streaming):
        return chats
    left = replace(chats, cards=_with(chats.cards, replace(card, deleted=action.now)))
    left = replace(left, held=tuple(one for one in left.held if one.id != action.chat))
    return _fronted(left, Chat(action.next)) if chats.front == action.chat else left


def _back(chats: Chats, action: a.ChatBack) -> Chats:
    card = chats.card(action.chat)
    return replace(chats, cards=_with(chats.cards, replace(card, deleted=0))) if card else chats


def _gone(chats: Chats, action: a.ChatGone) -> Chats:
    return replace(chats, cards=tuple(card for card in chats.cards if card.id != action.chat))


# -- messages


def _add(chats: Chats, chat: Chat, turn: Turn, now: int = 0) -> Chats:
    chat = replace(
        chat, turns=(*chat.turns, turn), picks=_pick(chat, turn), changed=now or chat.changed, made=chat.made or now
    )
    return _put(chats, chat)


def _pick(chat: Chat, turn: Turn) -> tuple[tuple[int, int], ...]:
    """The picks with this message's branch shown."""
    return (*(pair for pair in chat.picks if pair[0] != turn.parent), (turn.parent, turn.id))


def _asked(chats: Chats, action: a.Asked) -> Chats:
    text, chat = action.text.strip(), chats.chat
    if not text and not action.files:
        return chats
    parent = action.parent
    if parent is None:
        parent = chat.path[-1].id if chat.path else 0
    elif parent and chat.turn(parent) is None:
        return chats
    new = Turn(
        next_id(chat, chats.salt), "user", text, TurnState.WAITING, parent=parent, files=action.files, at=action.now
    )
    return _add(chats, chat, new, action.now)


def _answer_started(chats: Chats, action: a.AnswerStarted) -> Chats:
    chat = _of(chats, action.chat)
    to = chat.turn(action.to) if chat else None
    if chat is None or to is None:
        return chats
    if to.role == "assistant":
        moved = replace(to, state=TurnState.STREAMING, who=action.who, model=action.model)
        return _put(chats, _changed(chat, moved))
    chat = _changed(chat, replace(to, state=TurnState.SENT))
    answer = Turn(next_id(chat, chats.salt), "assistant", "", TurnState.STREAMING, action.who, parent=to.id)
    return _add(chats, chat, replace(answer, model=action.model, at=to.at))


def _changed(chat: Chat, turn: Turn) -> Chat:
    place = chat.places[turn.id]
    return replace(chat, turns=(*chat.turns[:place], turn, *chat.turns[place + 1 :]))


def _answer_grew(chats: Chats, action: a.AnswerGrew) -> Chats:
    """Called for every token: what was worked out about the tree is taken over, since its shape stays."""
    chat = _of(chats, action.chat)
    turn = chat.turn(action.id) if chat else None
    if chat is None or turn is None:
        return chats
    thought = turn.thought + action.thought if action.thought else turn.thought
    grown = replace(turn, text=turn.text + action.text, usage=action.usage or turn.usage, thought=thought)
    new = _changed(chat, grown)
    vars(new).update({name: vars(chat)[name] for name in KEPT if name in vars(chat)})
    path = vars(chat).get("path")
    if path and path[-1] is turn:
        vars(new)["path"] = (*path[:-1], grown)
    return replace(chats, held=tuple(new if one is chat else one for one in chats.held))


def _turn_moved(chats: Chats, action: a.TurnMoved) -> Chats:
    chat = _of(chats, action.chat)
    turn = chat.turn(action.id) if chat else None
    if chat is None or turn is None:
        return chats
    return _put(chats, _changed(chat, replace(turn, state=action.state, usage=action.usage or turn.usage)))


def _retried(chats: Chats, _: a.Retried) -> Chats:
    chat = chats.chat
    last = chat.path[-1] if chat.path else None
    if last is None or last.state is not TurnState.FAILED:
        return chats
    if last.role == "user":
        return _put(chats, _changed(chat, replace(last, state=TurnState.WAITING)))
    question = chat.turn(last.parent)
    if question is None:
        return chats
    if last.text:
        return _regenerated(chats, a.Regenerated(last.id))
    return _put(chats, _changed(chat, replace(last, state=TurnState.WAITING)))


def _regenerated(chats: Chats, action: a.Regenerated) -> Chats:
    chat = chats.chat
    old = chat.turn(action.id)
    if old is None or old.role != "assistant" or chat.turn(old.parent) is None:
        return chats
    new = Turn(next_id(chat, chats.salt), "assistant", "", TurnState.WAITING, parent=old.parent, model=action.model)
    return _add(chats, chat, replace(new, at=old.at))


def _resumed(chats: Chats, action: a.Resumed) -> Chats:
    chat = chats.chat
    turn = chat.turn(action.id)
    if turn is None or turn.role != "assistant" or turn.state in (TurnState.STREAMING, TurnState.WAITING):
        return chats
    return _put(chats, _changed(chat, replace(turn, state=TurnState.WAITING)))


def _sibling(chats: Chats, action: a.Sibling) -> Chats:
    chat = chats.chat
    turn = chat.turn(action.id)
    return _put(chats, replace(chat, picks=_pick(chat, turn))) if turn else chats


def _revealed(chats: Chats, action: a.Revealed) -> Chats:
    chat = chats.chat
    turn = chat.turn(action.id)
    if turn is None:
        return chats
    for one in (*chat.before(turn), turn):
        chat = replace(chat, picks=_pick(chat, one))
    return _put(chats, chat) if chat.picks != chats.chat.picks else chats


def _unasked(chats: Chats, action: a.Unasked) -> Chats:
    chat = chats.chat
    turn = chat.turn(action.id)
    if turn is None or turn.role != "user" or turn.state not in (TurnState.WAITING, TurnState.FAILED):
        return chats
    if chat.children.get(turn.id):
        return chats
    return _put(chats, replace(chat, turns=ordered([one for one in chat.turns if one.id != turn.id])))


RULES: dict[type, Callable[[Chats, Any], Chats]] = {
    a.ChatsStarted: _started,
    a.ChatsListed: _listed,
    a.ChatLoaded: _loaded,
    a.ChatChangedElsewhere: _changed_elsewhere,
    a.ChatBegun: _begun,
    a.ChatFronted: _to_front,
    a.ChatForked: _forked,
    a.ChatRenamed: _renamed,
    a.ChatPinned: _pinned,
    a.ChatDropped: _dropped,
    a.ChatBack: _back,
    a.ChatGone: _gone,
    a.SetupChanged: lambda chats, action: _put(chats, replace(chats.chat, setup=action.setup)),
    a.Asked: _asked,
    a.TurnMoved: _turn_moved,
    a.AnswerStarted: _answer_started,
    a.AnswerGrew: _answer_grew,
    a.Retried: _retried,
    a.Regenerated: _regenerated,
    a.Resumed: _resumed,
    a.Sibling: _sibling,
    a.Revealed: _revealed,
    a.Unasked: _unasked,
}
