"""One module per database server family. Drivers, group ``thplugins_dbmigration.engines``."""

from __future__ import annotations
