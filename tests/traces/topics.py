"""The twenty topics of `topics.txt`: a question each, asked of ten things."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).with_name("topics.txt")


def read_topics() -> dict[str, list[str]]:
    """The questions of each topic. A line that begins with a space is one more thing to ask about."""
    topics: dict[str, list[str]] = {}
    name = frame = ""
    for line in FILE.read_text().splitlines():
        if line.startswith(" "):
            topics[name].append(frame.format(line.strip()))
        elif line and not line.startswith("#"):
            name, frame = line.split(": ", 1)
            topics[name] = []
    return topics
