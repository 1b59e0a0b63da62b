"""The words of the house as frozen values. No I/O, no processes, no clocks."""

from __future__ import annotations

from thcore.model.census import Census, ColumnCount, Count, TableCount
from thcore.model.change import Change, ChangeKind, Revision
from thcore.model.command import Command, CommandResult, OomKills
from thcore.model.event import BuildEvent, BuildEventKind, Progress, WorkerEvent, WorkerEventKind
from thcore.model.finding import Finding, Location, Severity
from thcore.model.job import Attempt, BuildRequest
from thcore.model.live import LivePage, Standing
from thcore.model.measurement import Measurement, Statement, TableLock, TableWork, Wait
from thcore.model.migration import (
    Check,
    DatasetRun,
    Excuse,
    Limit,
    Loss,
    Offence,
    Step,
    StepResult,
)
from thcore.model.outcome import (
    RESULT_SCHEMA_VERSION,
    Artifact,
    Checkout,
    Environment,
    Execution,
    Fence,
    Outcome,
    PluginInfo,
    Provision,
    Publication,
    Record,
    StageName,
    StageResult,
    StageRun,
    Verdict,
    WorkerInfo,
)
from thcore.model.past import Answered, JobHistory, PastAttempt
from thcore.model.quantity import Bytes, Seconds
from thcore.model.secret import Secret

__all__ = [
    "RESULT_SCHEMA_VERSION",
    "Answered",
    "Artifact",
    "Attempt",
    "BuildEvent",
    "BuildEventKind",
    "BuildRequest",
    "Bytes",
    "Census",
    "Change",
    "ChangeKind",
    "Check",
    "Checkout",
    "ColumnCount",
    "Command",
    "CommandResult",
    "Count",
    "DatasetRun",
    "Environment",
    "Excuse",
    "Execution",
    "Fence",
    "Finding",
    "JobHistory",
    "Limit",
    "LivePage",
    "Location",
    "Loss",
    "Measurement",
    "Offence",
    "OomKills",
    "Outcome",
    "PastAttempt",
    "PluginInfo",
    "Progress",
    "Provision",
    "Publication",
    "Record",
    "Revision",
    "Seconds",
    "Secret",
    "Severity",
    "StageName",
    "StageResult",
    "StageRun",
    "Standing",
    "Statement",
    "Step",
    "StepResult",
    "TableCount",
    "TableLock",
    "TableWork",
    "Verdict",
    "Wait",
    "WorkerEvent",
    "WorkerEventKind",
    "WorkerInfo",
]
