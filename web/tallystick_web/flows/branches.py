"""What people do with single messages: edit, answer again, go on, look at other branches; and the small menus."""

from __future__ import annotations

from ..actions import NoticeCleared
from ..app import App
from ..chats.actions import Asked, Regenerated, Resumed, Sibling, Unasked
from ..chats.desk import moved


class BranchFlow:
    """Intents of the conversation and of the desk around it. What then waits to be sent, ChatFlow sends."""

    def __init__(self, app: App) -> None:
        self._app = app
        app.on("edit-turn", lambda turn: app.dispatch(moved(editing=int(turn), menu="")))
        app.on("cancel-edit", lambda _: app.dispatch(moved(editing=0, renaming="")))
        app.on("edit-last", self._edit_last)
        app.on("edit", self._edit)
        app.on("branch", self._branch)
        app.on("regenerate", self._regenerate)
        app.on("continue", self._continue)
        app.on("unask", lambda turn: app.dispatch(Unasked(int(turn))))
        app.on("copy-turn", self._copy)
        app.on("turn-menu", lambda turn: self._menu(f"turn:{turn}"))
        app.on("chat-menu", lambda chat: self._menu(f"chat:{chat}"))
        app.on("attach-menu", lambda _: self._menu("attach"))
        app.on("close-menu", lambda _: app.dispatch(moved(menu="")))
        app.on("input:draft", lambda text: app.dispatch(moved(draft=text)))

    def _menu(self, name: str) -> None:
        self._app.dispatch(moved(menu="" if self._app.state.desk.menu == name else name))

    def _edit_last(self, _: str) -> None:
        last = next((turn for turn in reversed(self._app.state.turns) if turn.role == "user"), None)
        if last is not None:
            self._app.dispatch(moved(editing=last.id))

    def _edit(self, text: str) -> None:
        """The question in other words: a branch beside the old one."""
        chat = self._app.state.chats.chat
        old = chat.turn(self._app.state.desk.editing)
        self._app.dispatch(moved(editing=0))
        if old is None or not text.strip() or text.strip() == old.text:
            return
        self._app.dispatch(NoticeCleared())
        self._app.dispatch(Asked(text, old.files, old.parent, self._app.seats.world.wall()))
        self._app.seats.screen.to_end()

    def _branch(self, turn: str) -> None:
        self._app.dispatch(moved(menu="", editing=0))
        self._app.dispatch(Sibling(int(turn)))

    def _regenerate(self, argument: str) -> None:
        """`argument`: the answer's id, and after a space the choice's where it is not the one in use."""
        turn, _, model = argument.partition(" ")
        self._app.dispatch(NoticeCleared())
        self._app.dispatch(moved(menu="", editing=0))
        self._app.dispatch(Regenerated(int(turn), model))
        self._app.seats.screen.to_end()

    def _continue(self, turn: str) -> None:
        """ChatFlow asks the model to go on; where that is not to be had, it asks with a question that is seen."""
        self._app.dispatch(NoticeCleared())
        self._app.dispatch(Resumed(int(turn)))
        self._app.seats.screen.to_end()

    def _copy(self, turn_id: str) -> None:
        turn = self._app.state.chats.chat.turn(int(turn_id))
        if turn is not None:
            self._app.seats.screen.copy(turn.text)
