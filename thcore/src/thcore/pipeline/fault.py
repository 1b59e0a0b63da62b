"""What the error that ended a stage says about the build, and whose fault it is."""

from __future__ import annotations

from thcore.errors import ChangeError, DeadlineError, InfrastructureError, PluginError, ThcoreError
from thcore.model import Finding, Severity, StageName


def finding(error: Exception, stage: StageName, plugin: str | None) -> Finding:
    """The finding for an exception that ``plugin`` raised in a stage. Only a ChangeError is the change's fault."""
    message, *evidence = str(error).splitlines() or [type(error).__name__]
    if isinstance(error, ChangeError):
        return Finding(error.code, Severity.FAILURE, message, evidence=tuple(evidence), plugin=plugin)
    if isinstance(error, InfrastructureError):
        code, hint = error.code, "This is not the change's fault; it is worth a retry."
    elif isinstance(error, PluginError):
        code, hint = "plugin-failed", "Report it to the author of the plugin; the change is not at fault."
    elif isinstance(error, ThcoreError):
        code, hint = "stage-failed", None
    else:
        code, hint = "internal-error", "This is a fault of the worker; the change is not at fault."
        message = f"{stage.value}: {type(error).__name__}: {message}"
    return Finding(code, Severity.UNVERIFIED, message, evidence=tuple(evidence), hint=hint, plugin=plugin)


def timed_out(stage: StageName, error: DeadlineError) -> Finding:
    """The finding for a deadline that passed in a stage.

    Time that runs out while the change's own code runs is the change's; before that, it is ours.
    """
    message, *evidence = str(error).splitlines() or ["the job's time limit has passed"]
    return Finding(
        "build-timed-out",
        Severity.FAILURE if stage is StageName.EXECUTE else Severity.UNVERIFIED,
        f"The build ran into the job's time limit in stage {stage.value}: {message}",
        evidence=tuple(evidence),
        hint="Look at the last lines of console.log for what was running.",
    )
