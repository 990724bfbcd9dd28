"""What a model is given of a chat, and roughly how much that is."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Attached, Chat, Turn

MOST_UNITS = 2048
USUAL_UNITS = 400  # of an answer, where the chat has none to go by
LETTERS = 4  # of a token, in texts of ASCII
AROUND = 4  # tokens of a chat template around each message


def said(turn: Turn) -> str:
    """A message as the model reads it: files first, each with its name."""
    return "\n\n".join([*(_file(file) for file in turn.files), *([turn.text] if turn.text else [])])


def _file(file: Attached) -> str:
    fence = "```"
    while fence in file.text:
        fence += "`"
    return f"{file.name}:\n{fence}\n{file.text.rstrip()}\n{fence}"


def conversation(chat: Chat, to: Turn) -> list[tuple[str, str]]:
    """(role, text) of everything on the way to the question `to`, and the question; the system prompt first."""
    above = [turn for turn in chat.before(to) if turn.text or turn.files]
    system = [("system", chat.setup.system)] if chat.setup.system else []
    return [*system, *((turn.role, said(turn)) for turn in above), (to.role, said(to))]


def tokens(text: str) -> int:
    """About how many tokens a text is: four letters of English each, one for every other sign."""
    plain = len(text.encode("ascii", "ignore"))
    return (plain + LETTERS - 1) // LETTERS + len(text) - plain


@dataclass(frozen=True)
class Estimate:
    """What the next question will about take: tokens read, tokens usually written, and at most."""

    read: int
    usual: int
    most: int

    def amount(self, price_in: int, price_out: int, *, most: bool = False) -> int:
        """In the coin's smallest unit; the prices are of a million tokens."""
        written = self.most if most else self.usual
        return (self.read * price_in + written * price_out) // 1_000_000


def estimate(chat: Chat, draft: str, files: tuple[Attached, ...] = (), context: int = 0) -> Estimate:
    """For `draft`, asked at the end of what is shown. What the chat's answers were counted at is believed over the
    rule of thumb.
    """
    path = chat.path
    counted = next((turn for turn in reversed(path) if turn.usage and turn.usage.input_units), None)
    read = tokens(draft) + AROUND + sum(tokens(_file(file)) for file in files)
    if counted is not None and counted.usage is not None:
        read += counted.usage.input_units + counted.usage.output_units
        read += sum(tokens(said(turn)) + AROUND for turn in path[path.index(counted) + 1 :])
    else:
        read += tokens(chat.setup.system) + sum(tokens(said(turn)) + AROUND for turn in path)
    answers = [turn.usage.output_units for turn in chat.turns if turn.usage and turn.usage.output_units]
    most = most_units(chat, context)
    usual = sum(answers) // len(answers) if answers else USUAL_UNITS
    return Estimate(read, min(usual, most), most)


def most_units(chat: Chat, context: int) -> int:
    """Tokens that an answer may have; `context` is the model's, 0 where that is not known."""
    return min(chat.setup.most or MOST_UNITS, context or MOST_UNITS)
