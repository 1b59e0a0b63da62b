"""The plugins that thcore ships, found through entry points like any other."""

from __future__ import annotations
