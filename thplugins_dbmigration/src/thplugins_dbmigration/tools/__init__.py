"""One module per migration tool. Drivers, group ``thplugins_dbmigration.tools``."""

from __future__ import annotations
