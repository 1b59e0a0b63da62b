"""Counters around a step, one module per engine."""

from __future__ import annotations

from thplugins_dbmigration.measure.counters import difference, meaning, measured
from thplugins_dbmigration.measure.meaning import Meaning

__all__ = ["Meaning", "difference", "meaning", "measured"]
