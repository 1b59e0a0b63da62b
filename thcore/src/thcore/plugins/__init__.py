"""Finding, loading and calling plugins."""

from __future__ import annotations

from thcore.plugins.cost import Cost
from thcore.plugins.discovery import DISABLE, GROUP, Candidate, Problem, candidates, look_again
from thcore.plugins.inventory import Entry, FieldDoc, inventory
from thcore.plugins.manager import Plugins

__all__ = [
    "DISABLE",
    "GROUP",
    "Candidate",
    "Cost",
    "Entry",
    "FieldDoc",
    "Plugins",
    "Problem",
    "candidates",
    "inventory",
    "look_again",
]
