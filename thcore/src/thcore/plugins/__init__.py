"""Finding, loading and calling plugins."""

from __future__ import annotations

from thcore.plugins.discovery import GROUP, Candidate, Problem, candidates
from thcore.plugins.inventory import Entry, FieldDoc, inventory
from thcore.plugins.manager import Plugins

__all__ = ["GROUP", "Candidate", "Entry", "FieldDoc", "Plugins", "Problem", "candidates", "inventory"]
