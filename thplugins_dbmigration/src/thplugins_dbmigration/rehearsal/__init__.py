"""What the statements of a step really do to each table, told by saying them again where the tables have no rows."""

from __future__ import annotations

from thplugins_dbmigration.rehearsal.classes import WORKS, classify, worth_rehearsing

__all__ = ["WORKS", "classify", "worth_rehearsing"]
