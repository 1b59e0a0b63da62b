"""Where the documentation says more about an error."""

from __future__ import annotations

import traceback

from thcore.errors import ChangeError, ConfigError, InfrastructureError, PluginError, RefusedError, ThcoreError

CONFIGURATION = "configuration.html, plugins.html"
"""The pages with every key of the file."""

NEW_PLUGIN = "tutorial-plugin.html"
"""The page on ``thcore plugin new``, which refuses names and directories where others refuse the arguments of jobs."""

_STARTER = frozenset({"thcore.starter.distribution", "thcore.cli.plugin"})
_OURS = frozenset({"thcore", "thplugins_dbmigration", "thplugins_publish_local", "thplugins_publish_swift"})
"""The packages whose codes have a section each; those of other people's plugins are described by them."""


def documented(error: ThcoreError) -> str | None:
    """The page of the documentation that is about an error, with the section; None where there is none."""
    match error:
        case ConfigError():
            return CONFIGURATION
        case PluginError():
            return "writing-a-plugin.html#when-it-goes-wrong"
        case RefusedError():
            return NEW_PLUGIN if _raised_in(error) in _STARTER else "security.html#job-arguments"
        case InfrastructureError() | ChangeError() if _is_ours(error):
            return f"messages.html#{error.code}"
        case _:
            return None


def _is_ours(error: ThcoreError) -> bool:
    return _raised_in(error).partition(".")[0] in _OURS


def _raised_in(error: ThcoreError) -> str:
    """The module that raised it, empty where nobody has yet."""
    raised = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return raised[-1] if raised else ""
