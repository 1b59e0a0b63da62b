"""Why a statement failed: the rows that it cannot do with, found by a query on the clone."""

from __future__ import annotations

from thplugins_dbmigration.offences.confidential import Confidential, blotted, without_values
from thplugins_dbmigration.offences.explanation import Explained, Failed, explain

__all__ = ["Confidential", "Explained", "Failed", "blotted", "explain", "without_values"]
