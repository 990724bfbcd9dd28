"""A question or an answer: its text, what it cost, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..chats.model import Chat
from ..chats.prompt import tokens
from ..figures import Coin, money
from ..markdown import Block, Cutter, visible
from ..state import Link, State, Turn, TurnState, Usage
from ..tree import Children, Element, Node, Prose, h
from ..words import Words
from .parts import provider_name, short_model
from .tools import item, menu, picture, tool

LARGE = 24_000  # letters of one block beyond which it is shown as it is: such a block is no prose
PIECE = 4_000
CUT_SHORT = ("length", "deposit", "interrupted", "cancelled", "gave_way")


@dataclass(frozen=True)
class Place:
    """Where a message stands: which of how many at its fork, its neighbours there, whether it is the last shown."""

    number: int = 1
    count: int = 1
    before: int = 0
    after: int = 0
    last: bool = False
    idle: bool = True


def place_of(chat: Chat, turn: Turn, *, last: bool, idle: bool) -> Place:
    ids = chat.siblings(turn)
    at = ids.index(turn.id)
    after = ids[at + 1] if at + 1 < len(ids) else 0
    return Place(at + 1, len(ids), ids[at - 1] if at else 0, after, last, idle)


class _Above:
    """What was shown last of all messages but the newest: while that grows, nothing above it is looked at."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._tree: object = None
        self._made: tuple[Element, ...] = ()

    def messages(self, turns: tuple[Turn, ...], chat: Chat, state: State, t: Words) -> tuple[Element, ...]:
        desk = state.desk
        waits = _waits(state, t) if chat.waiting else ""
        now = (t, turns, state.coin, desk.editing, desk.menu, waits, state.market.choices)
        if self._tree is not chat.children or self._of != now:
            made = tuple(message(turn, chat, state, t, last=False) for turn in turns)
            self._of, self._tree, self._made = now, chat.children, made
        return self._made


_above = _Above()


def messages(state: State, t: Words) -> tuple[Element, ...]:
    """All that is shown of the chat in front."""
    chat = state.chats.chat
    turns = chat.path
    return (*_above.messages(turns[:-1], chat, state, t), message(turns[-1], chat, state, t, last=True))


def message(turn: Turn, chat: Chat, state: State, t: Words, *, last: bool) -> Element:
    """One that no longer changes is made once: a long conversation is not cut up again and again."""
    place = place_of(chat, turn, last=last, idle=not (last and state.running))
    if state.desk.editing == turn.id:
        return _editor(turn, state, t)
    if state.desk.menu == f"turn:{turn.id}":
        return _message(turn, state.coin, place, t, "", tuple(_models(state, turn, t)))
    if turn.state is TurnState.WAITING:
        return _message(turn, state.coin, place, t, _waits(state, t))
    if turn.state is TurnState.STREAMING:
        return _message(turn, state.coin, place, t)
    return _settled(turn, state.coin, place, t)


def _message(
    turn: Turn, coin: Coin, place: Place, t: Words, waits: str = "", models: tuple[Element, ...] = ()
) -> Element:
    inner = _question(turn, place, t, waits) if turn.role == "user" else _reply(turn, coin, place, t, waits, models)
    return h(
        "article",
        inner,
        class_=f"message {turn.role}",
        data_prompt="" if turn.role == "user" else None,
        data_answer="" if turn.role == "assistant" else None,
        **(_figures(turn) if turn.role == "assistant" else {}),
        data_state=turn.state.value,
        key=f"turn-{turn.id}",
        id=f"turn-{turn.id}",
        aria_busy="true" if turn.state is TurnState.STREAMING else None,
    )


_settled = lru_cache(maxsize=2048)(_message)


# -- questions


def _question(turn: Turn, place: Place, t: Words, waits: str) -> list[Children]:
    unsent = turn.state is TurnState.FAILED
    state = waits or (t("chat.unsent") if unsent else "")
    return [
        h("h2", t("chat.you"), class_="visually-hidden"),
        h("ul", [_file(name, text, t) for name, text in _files(turn)], class_="chips") if turn.files else None,
        h("div", turn.text, class_="said", dir="auto") if turn.text else None,
        h("div", state, class_="state") if state else None,
        h("div", _question_tools(turn, place, t, unsent), class_="tools"),
    ]


def _files(turn: Turn) -> list[tuple[str, str]]:
    return [(file.name, file.text) for file in turn.files]


def _file(name: str, text: str, t: Words) -> Element:
    return h("li", picture("file"), h("span", name), h("span", t("files.size", tokens=tokens(text))))


def _question_tools(turn: Turn, place: Place, t: Words, unsent: bool) -> list[Children]:
    waiting = turn.state is TurnState.WAITING
    return [
        *_branches(place, t),
        tool("redo", t("do.retry"), "retry") if unsent and place.last else None,
        tool("copy", t("do.copy"), "copy-turn", str(turn.id)),
        tool("trash", t("do.unask"), "unask", str(turn.id))
        if waiting or unsent
        else tool("edit", t("do.edit"), "edit-turn", str(turn.id)),
    ]


def _editor(turn: Turn, state: State, t: Words) -> Element:
    return h(
        "article",
        h(
            "form",
            h("label", t("chat.edit_label"), for_="edit", class_="visually-hidden"),
            h("textarea", id="edit", name="value", rows="3", dir="auto", value=turn.text, data_cursor=True),
            h("p", t("chat.edit_help"), class_="help"),
            h(
                "div",
                h("button", t("do.cancel"), class_="button quiet", type="button", data_do="cancel-edit"),
                h("button", t("do.send"), class_="button primary", type="submit"),
                class_="do",
            ),
            class_="editor",
            data_submit="edit",
        ),
        class_="message user editing",
        key=f"edit-{turn.id}",
        id=f"turn-{turn.id}",
    )


def _branches(place: Place, t: Words) -> list[Element]:
    """‹ 2/3 › where there is more than one."""
    if place.count < 2:
        return []
    return [
        h(
            "span",
            tool("left", t("chat.branch_before"), "branch", str(place.before), disabled=not place.before),
            h(
                "span",
                f"{place.number}/{place.count}",
                class_="figure",
                aria_label=t("chat.branch", number=place.number, count=place.count),
                role="img",
            ),
            tool("right", t("chat.branch_after"), "branch", str(place.after), disabled=not place.after),
            class_="branches",
            key="branches",
        )
    ]


# -- answers


def _reply(turn: Turn, coin: Coin, place: Place, t: Words, waits: str, models: tuple[Element, ...]) -> list[Children]:
    streaming = turn.state is TurnState.STREAMING
    return [
        h("h2", turn.who or t("chat.answer"), class_="visually-hidden"),
        _thought(turn, t),
        _answer(turn, t, waits),
        _cost(turn, coin, t),
        None if streaming else h("div", _reply_tools(turn, place, t, models), class_="tools", key="tools"),
    ]


def _reply_tools(turn: Turn, place: Place, t: Words, models: tuple[Element, ...]) -> list[Children]:
    if turn.state is TurnState.WAITING:
        return list(_branches(place, t))
    short = turn.state is not TurnState.DONE or (turn.usage is not None and turn.usage.finish in CUT_SHORT)
    goes_on = place.last and place.idle and short and bool(turn.text)
    return [
        *_branches(place, t),
        tool("copy", t("do.copy"), "copy-turn", str(turn.id)) if turn.text else None,
        tool("redo", t("do.regenerate"), "regenerate", str(turn.id)),
        h(
            "span",
            tool("down", t("chat.other_model"), "turn-menu", str(turn.id), menu=bool(models)),
            menu(t("chat.other_model"), models) if models else None,
            class_="holds-menu",
            key="models",
        ),
        tool("branch", t("do.fork"), "fork-chat", str(turn.id)),
        h(
            "button",
            picture("play"),
            t("do.continue"),
            class_="tool wide",
            type="button",
            data_do="continue",
            data_arg=str(turn.id),
            key="continue",
        )
        if goes_on
        else None,
    ]


def _models(state: State, turn: Turn, t: Words) -> list[Element]:
    """Who else could answer: the deposit's provider now, others with a deposit of their own."""
    found = []
    for choice in state.market.choices:
        if choice.fault:
            continue
        holder = state.trial.provider if state.free else state.deposit.provider
        within = not (state.deposit.live or state.free) or choice.provider == holder
        label = f"{short_model(choice)} · {provider_name(choice)}"
        found.append(item(label, "regenerate", f"{turn.id} {choice.id}", why="" if within else t("chat.own_deposit")))
    return found or [item(t("chat.no_models"), "", why=t("chat.connect_first"))]


def _waits(state: State, t: Words) -> str:
    if state.busy:
        return t("chat.waiting_turn" if state.running else "chat.waiting_other")
    if state.asks:
        return t("chat.waiting_lost" if state.link is Link.LOST else "chat.waiting_link")
    return t("chat.waiting_deposit")


def _figures(turn: Turn) -> dict[str, str | None]:
    """What an answer took, for scripts: units of the model, the coin's smallest unit, milliseconds."""
    usage = turn.usage or Usage()
    return {
        "data_input_units": str(usage.input_units),
        "data_units": str(usage.output_units),
        "data_amount": str(usage.amount),
        "data_first_ms": None if usage.first_ms is None else str(usage.first_ms),
    }


def _thought(turn: Turn, t: Words) -> Element | None:
    """What the model thought, folded away once it answers."""
    if not turn.thought:
        return None
    words = h("div", visible(turn.thought), class_="plain", dir="auto")
    thinking = turn.state is TurnState.STREAMING and not turn.text
    label = t("chat.thinking_now" if thinking else "chat.thought")
    return h("details", h("summary", label), words, class_="thought", key="thought")


_cutters: dict[int, Cutter] = {}


def _answer(turn: Turn, t: Words, waits: str) -> Element:
    streaming = turn.state is TurnState.STREAMING
    if not turn.text:
        if waits:
            return h("div", h("span", waits), class_="answer-state", key="empty")
        waiting = streaming and not turn.thought
        spinner = [h("span", class_="spinner", aria_hidden="true"), h("span", t("chat.thinking"))] if waiting else None
        return h("div", spinner, class_="answer-state", key="empty")
    if streaming:
        cutter = _cutters.get(turn.id)
        if cutter is None:
            _cutters.clear()  # of answers that ended
            cutter = _cutters[turn.id] = Cutter()
    else:
        cutter = Cutter()
    pieces: list[Node] = []
    for index, block in enumerate(cutter.blocks(turn.text, finished=not streaming)):
        if block.open_fence:
            pieces.append(_fence(block, index, t))
        elif len(block.text) > LARGE:
            pieces.append(_plain(block.text, index))
        else:
            pieces.append(Prose(block.text, f"block-{index}"))
    return h("div", pieces, class_="answer", dir="auto", key="answer")


def _fence(block: Block, index: int, t: Words) -> Element:
    """Code that is still coming: plain, under the same head that it has when it is finished."""
    head = h("figcaption", h("span", block.language or t("answer.code")))
    return h("figure", head, h("pre", h("code", visible(block.text))), class_="code", key=f"fence-{index}")


def _plain(text: str, index: int) -> Element:
    """A block too long to be prose, in pieces of which only those in sight are laid out."""
    pieces = [h("div", visible(text[at : at + PIECE]), key=str(at)) for at in range(0, len(text), PIECE)]
    return h("div", pieces, class_="plain", key=f"plain-{index}")


def _cost(turn: Turn, coin: Coin, t: Words) -> Element | None:
    usage = turn.usage
    if turn.state is TurnState.WAITING or (turn.state is TurnState.STREAMING and not (usage and usage.output_units)):
        return None
    notes: list[Children] = []
    if turn.state is TurnState.STOPPED:
        notes.append(h("span", t("chat.stopped"), class_="stopped"))
    elif turn.state is TurnState.FAILED:
        notes.append(h("span", t("chat.failed"), class_="stopped"))
    elif usage and usage.finish in ("length", "deposit", "interrupted", "gave_way"):
        notes.append(h("span", t(f"chat.{usage.finish}"), class_="stopped"))
    if usage:
        notes += _usage(usage, coin, t)
    notes.append(h("span", turn.who) if turn.who and turn.state is not TurnState.STREAMING else None)
    return h("footer", notes, class_="cost figure", key="cost")


def _usage(usage: Usage, coin: Coin, t: Words) -> list[Children]:
    parts: list[Children] = [
        h("span", t("chat.free") if usage.free else t.say(money(usage.amount, coin)), class_="price"),
        h("span", t("chat.tokens", input=usage.input_units, output=usage.output_units)),
    ]
    if usage.first_ms is not None:
        parts.append(h("span", t("chat.first", seconds=t.decimal(usage.first_ms / 1000, 1))))
    if usage.per_second:
        parts.append(h("span", t("chat.speed", rate=t.decimal(usage.per_second))))
    return parts
