"""How this plugin says that it cannot publish."""

from __future__ import annotations

from thcore.errors import InfrastructureError


def failure(message: str) -> InfrastructureError:
    """Something about the target is wrong; the operator must act. The evidence waits in the spool meanwhile."""
    return InfrastructureError(message, code="publish-failed")
