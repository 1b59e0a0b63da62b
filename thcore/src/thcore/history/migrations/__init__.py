"""Alembic's migrations of the history. A new one goes to ``versions/`` and its revision to ``revision.REVISIONS``."""

from __future__ import annotations
