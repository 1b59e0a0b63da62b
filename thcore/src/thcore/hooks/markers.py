"""The pluggy markers of project ``thcore``."""

from __future__ import annotations

import pluggy

PROJECT = "thcore"
"""The name under which pluggy keeps the hooks."""

hookspec = pluggy.HookspecMarker(PROJECT)
"""Marks what declares a hook: not for plugins, whose hooks are all declared here."""
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function or method as an implementation of the hook of the same name."""
