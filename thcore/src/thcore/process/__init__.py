"""The only place that starts programs: spawn, stream to the build log, end."""

from __future__ import annotations

from thcore.process.buildlog import BuildLog, LogLine, Stream, read
from thcore.process.command import run, service
from thcore.process.foreground import foreground
from thcore.process.group import end, end_session
from thcore.process.identity import Identity
from thcore.process.interrupt import Interrupt
from thcore.process.kin import become_subreaper, descendants

__all__ = [
    "BuildLog",
    "Identity",
    "Interrupt",
    "LogLine",
    "Stream",
    "become_subreaper",
    "descendants",
    "end",
    "end_session",
    "foreground",
    "read",
    "run",
    "service",
]
