"""The source of a plugin that does nothing, to be made worse."""

from __future__ import annotations

QUIET = """
from thcore.hooks import hookimpl

class Quiet:
    @hookimpl
    def thcore_analyse(self):
        return None

plugin = Quiet()
"""
