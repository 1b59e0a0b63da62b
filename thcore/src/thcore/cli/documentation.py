"""Where the documentation says more about an error."""

from __future__ import annotations

import traceback

from thcore.errors import ChangeError, ConfigError, InfrastructureError, PluginError, RefusedError, ThcoreError

CONFIGURATION = "configuration.html, plugins.html"
"""The pages with every key of the file."""

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
            return "security.html#job-arguments"
        case InfrastructureError() | ChangeError() if _is_ours(error):
            return f"messages.html#{error.code}"
        case _:
            return None


def _is_ours(error: ThcoreError) -> bool:
    raised = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(raised) and raised[-1].partition(".")[0] in _OURS
