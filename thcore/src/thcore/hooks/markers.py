"""The pluggy markers of project ``thcore``."""

from __future__ import annotations

import pluggy

PROJECT = "thcore"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function or method as an implementation of the hook of the same name."""
