"""What a screen reader is told of an answer: sentences, as soon as they are finished, and at the end its cost."""

from __future__ import annotations

import re

from .figures import money
from .screen import Screen
from .state import State, TurnState
from .words import words_of

END = re.compile(r"[.!?…:](?=[\s\"'”’)])|\n")
MARKS = re.compile(r"[*_`#>|]+")


class Reader:
    """Watches the state and reads out what is new."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._turn = 0
        self._read = 0

    def __call__(self, before: State, after: State) -> None:
        """An app watcher."""
        if before.turns is after.turns or not after.turns:
            return
        turn = after.turns[-1] if after.turns[-1].role == "assistant" else None
        if turn is None:
            turn = next((turn for turn in reversed(after.turns) if turn.id == self._turn), None)
        if turn is None:
            return
        if turn.id != self._turn:
            if turn.state is not TurnState.STREAMING:
                return
            self._turn, self._read = turn.id, 0
        finished = turn.state is not TurnState.STREAMING
        self._sentences(turn.text, finished)
        if (
            finished
            and turn.usage
            and any(old.id == turn.id and old.state is TurnState.STREAMING for old in before.turns)
        ):
            t, usage = words_of(after.language), turn.usage
            price = money(usage.amount, after.coin)
            self._screen.announce(t("chat.answered_free") if usage.free else t("chat.answered", price=price))

    def _sentences(self, text: str, finished: bool) -> None:
        ends = [match.end() for match in END.finditer(text, self._read)]
        until = len(text) if finished else max(ends, default=self._read)
        said = MARKS.sub("", text[self._read : until]).strip()
        self._read = until
        if said:
            self._screen.announce(said)
