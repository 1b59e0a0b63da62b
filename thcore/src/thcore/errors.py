"""Every exception thcore raises on purpose, by who must act.

    ThcoreError
    ├── ConfigError            the operator: the configuration is wrong; carries every problem found
    ├── PluginError            the plugin's author: a hook raised or answered the wrong thing
    ├── RefusedError           whoever submitted the build: its arguments are unusable
    ├── ChangeError            the change's author: the change itself cannot be used
    ├── InfrastructureError    the operator: server, network, disk or dataset; the build is worth a retry
    └── StoppedError           nobody: the build was told to end
        ├── CancelledError     Zuul or a person asked for it
        └── DeadlineError      the job's timeout has passed

A stage plugin may raise ChangeError (the verdict becomes FAILURE) or InfrastructureError (UNVERIFIED, so that
Zuul retries). Anything else it raises is taken as a fault of the plugin: UNVERIFIED as well.
"""

from __future__ import annotations

import enum

__all__ = [
    "CancelledError",
    "ChangeError",
    "ConfigError",
    "DeadlineError",
    "ExitCode",
    "InfrastructureError",
    "PluginError",
    "RefusedError",
    "StoppedError",
    "ThcoreError",
]


class ExitCode(enum.IntEnum):
    """Exit codes of the ``thcore`` command.

    The first four are verdicts, so that a script can act on them, the fifth is what a worker says of itself; 64 and
    above follow sysexits.h.
    """

    SUCCESS = 0
    FAILURE = 1
    """The change is at fault."""
    UNVERIFIED = 2
    """Could not be measured: server, network, dataset. Worth a retry."""
    CANCELLED = 3
    """Stopped before it had a verdict."""
    NOT_READY = 4
    """The worker runs and answers, but takes no builds; it says why."""
    USAGE = 64
    """The command line is wrong, or names something that does not exist."""
    UNAVAILABLE = 69
    """A service that the command needs (such as the Gearman server) cannot be reached."""
    INTERNAL = 70
    """A fault of thcore itself."""
    CONFIG = 78
    """The configuration or an installed plugin is wrong."""
    KILLED = 75
    """The worker was stopped by force; its builds were handed back for a retry."""


class ThcoreError(Exception):
    """Base of all errors that thcore raises on purpose. Its text is fit for a person to read."""

    exit_code: ExitCode = ExitCode.INTERNAL


class ConfigError(ThcoreError):
    """The configuration cannot be used. ``problems`` holds every one found, each naming file, key and remedy."""

    exit_code = ExitCode.CONFIG

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class PluginError(ThcoreError):
    """A plugin raised, or answered a hook with something of the wrong type.

    Its text names plugin, distribution, version and hook.
    """

    exit_code = ExitCode.CONFIG


class RefusedError(ThcoreError):
    """What was asked for cannot be used: the arguments of a build, the name of a new plugin. Nothing was touched."""

    exit_code = ExitCode.USAGE


class ChangeError(ThcoreError):
    """The change itself is at fault: it does not install, or has no such file.

    ``code`` becomes the code of the finding.
    """

    exit_code = ExitCode.FAILURE

    def __init__(self, message: str, *, code: str = "change-unusable") -> None:
        self.code = code
        super().__init__(message)


class InfrastructureError(ThcoreError):
    """Server, network, disk or dataset is at fault, never the change. ``code`` becomes the code of the finding."""

    exit_code = ExitCode.UNVERIFIED

    def __init__(self, message: str, *, code: str = "infrastructure") -> None:
        self.code = code
        super().__init__(message)


class StoppedError(ThcoreError):
    """The build was told to end before it was done."""

    exit_code = ExitCode.CANCELLED


class CancelledError(StoppedError):
    """The build was cancelled: Zuul sent ``stop:``, a person pressed Ctrl-C, or the worker is stopping by force."""


class DeadlineError(StoppedError):
    """The job's timeout has passed."""
