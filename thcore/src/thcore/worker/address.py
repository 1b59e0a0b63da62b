"""Where the page of a build will be, before anything of it is there."""

from __future__ import annotations

import logging

from thcore.errors import ThcoreError
from thcore.model import BuildRequest, StageName
from thcore.monitoring.action import event
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins
from thcore.worker import waiting

log = logging.getLogger(__name__)


def address(request: BuildRequest, plan: Plan, plugins: Plugins) -> str | None:
    """What the first publisher says that knows. One that fails costs the build its link, and nothing else."""
    for name in plugins.implementing("thcore_address", plan.stages[StageName.PUBLISH]):
        try:
            with waiting.for_hook(plugins.get(name).info, "thcore_address"):
                found = plugins.address(name, request, plan.options.get(name), plan.settings.get(name))
        except ThcoreError as error:
            told = event("plugin_failed", build=request.id, job=request.job)
            log.warning("nobody knows yet where the page of this build will be: %s", error, extra=told)
        else:
            if found:
                return found
    return None
