"""An eavesdropper who guesses an answer's topic from sizes and times; how often it is right, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.shared.eavesdropper import Seen

FIRST = 48
"""So many records of each side are looked at one by one; of the others only the sums."""


def features(session: Sequence[Seen]) -> list[float]:
    """Of each side: how many, how much, how long, the spread of sizes and of gaps, and each of the first records."""
    made: list[float] = []
    for sender in ("provider", "client"):
        records = [seen for seen in session if seen.sender == sender]
        sizes = [float(seen.size) for seen in records]
        times = [seen.at for seen in records]
        gaps = [after - before for before, after in zip([0.0, *times], times, strict=False)]
        made += [len(records), sum(sizes), times[-1] if times else -1.0]
        for values in (sizes, gaps):
            made += [*_spread(values), *(values + [-1.0] * FIRST)[:FIRST]]
    return made


def _spread(values: Sequence[float]) -> list[float]:
    if not values:
        return [-1.0] * 9
    return [float(np.mean(values)), float(np.std(values)), *np.quantile(values, (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1))]


def attackers(*, thorough: bool) -> dict[str, Any]:
    """Untrained, by name."""
    made = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
        "extra trees": ExtraTreesClassifier(300 if thorough else 100, random_state=1),
    }
    return made | ({"random forest": RandomForestClassifier(300, random_state=1)} if thorough else {})


@dataclass(frozen=True)
class Guess:
    """How well the best attacker did: right `hits` times of `count` held-out sessions; `chance` is the share of the
    commonest topic.
    """

    attacker: str
    hits: int
    count: int
    chance: float

    @property
    def accuracy(self) -> float:
        return self.hits / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        z, n, p = 1.96, self.count, self.accuracy
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.accuracy:6.1%} right ({low:.1%} to {high:.1%}), chance {self.chance:.1%}, "
            f"n = {self.count}, {self.attacker}"
        )


def attack(sessions: Sequence[Sequence[Seen]], topics: Sequence[int], *, thorough: bool) -> Guess:
    """Every session is guessed once, by attackers that learned from the others. The best of them counts, by hindsight:
    that favours the attack.
    """
    known, truth = np.array([features(session) for session in sessions]), np.array(topics)
    folds = StratifiedKFold(5 if thorough else 2, shuffle=True, random_state=7)
    hits = {
        name: int((cross_val_predict(made, known, truth, cv=folds) == truth).sum())
        for name, made in attackers(thorough=thorough).items()
    }
    best = max(hits, key=lambda name: hits[name])
    return Guess(best, hits[best], len(truth), float(np.bincount(truth).max() / len(truth)))
