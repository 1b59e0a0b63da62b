"""The ``thcore`` command line: arguments, tables and exit codes only."""

from __future__ import annotations
