"""The list of what must be right for a provider to earn: each line with its state and how to mend it.

`tallystick doctor` prints it, and whoever becomes a provider goes through the same list. A check is one small function
over `Patient`, the seat for all that it looks at; `examine` runs them in order and passes over those that need one that
failed.
"""

from __future__ import annotations

from .checks import CHECKS
from .examine import Told, examine
from .finding import Check, Finding, State
from .patient import Patient

__all__ = ["CHECKS", "Check", "Finding", "Patient", "State", "Told", "examine"]
