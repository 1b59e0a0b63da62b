"""Statuses of a worker, as its pages, probes and tables get them."""

from __future__ import annotations

import datetime

from attrs import evolve

from thcore.model import Verdict, WorkerInfo
from thcore.monitoring.status import (
    DiskStatus,
    LastOutcome,
    Phase,
    Reading,
    RunningBuild,
    ServerStatus,
    SpoolStatus,
    Status,
)

NOW = datetime.datetime(2026, 11, 26, 7, 30, tzinfo=datetime.UTC)
GIB = 1024**3


def ago(seconds: float) -> datetime.datetime:
    return NOW - datetime.timedelta(seconds=seconds)


def idle() -> Status:
    """A worker that waits for builds, and has had none yet."""
    return Status(
        worker=WorkerInfo("gate-1-998", "gate-1", "0.1.0"),
        pid=4711,
        started=ago(90),
        at=NOW,
        phase=Phase.SERVING,
        slots=2,
        servers=(ServerStatus("127.0.0.1:4730", connected=True, since=ago(89)),),
        reading=Reading(ago(90)),
    )


def busy() -> Status:
    """A worker in the middle of its day: ready, with something to look at in every part."""
    return Status(
        worker=WorkerInfo("gate-1-998", "gate-1", "0.1.0"),
        pid=4711,
        started=ago(30 * 3600),
        at=NOW,
        phase=Phase.SERVING,
        slots=4,
        builds=(
            RunningBuild(
                "6f1f0d1b7c0a4a5d9a3a6c1de2b6f001",
                "gate-real-db-upgrade_nova_mysql",
                "openstack/nova 123456,3",
                1,
                ago(754),
                754.0,
                "execute",
                "dataset user_001",
                229,
                240,
                87,
            ),
            RunningBuild(
                "1c7be2d6a1a24f3b8f7f0a5f3d9a0002",
                "gate-real-db-upgrade_glance_postgresql",
                "openstack/glance 123460,1",
                2,
                ago(3),
                3.2,
                "checkout",
            ),
        ),
        servers=(
            ServerStatus("zuul-a.example.org:4730", connected=True, since=ago(29 * 3600)),
            ServerStatus("zuul-b.example.org:4730", connected=False, since=ago(340), problem="connection refused"),
        ),
        spool=SpoolStatus(2, 610.0, 48_211, "/srv/logs: no space left on device"),
        quarantine=1,
        refused=3,
        last=(
            LastOutcome(
                "aa01", "gate-shop", 1, Verdict.SUCCESS, "All is well", ago(60), 93.0, "https://logs.example.org/1/"
            ),
            LastOutcome(
                "aa02",
                "gate-real-db-upgrade_nova_mysql",
                1,
                Verdict.FAILURE,
                "WARNING - Migration 231 took too long",
                ago(400),
                2710.0,
                "https://logs.example.org/2/",
            ),
            LastOutcome("aa03", "gate-shop", 3, Verdict.UNVERIFIED, "The server would not start", ago(4000), 12.0),
            LastOutcome("aa04", "gate-shop", 1, Verdict.CANCELLED, "Cancelled: Zuul asked for it", ago(9000), 0.4),
        ),
        disks=(
            DiskStatus("/var/lib/thcore", "state", 212 * GIB, 500 * GIB),
            DiskStatus("/srv/logs", "publishing", 0, 100 * GIB, "full"),
        ),
    )


def paused() -> Status:
    """The busy worker, after its disk has filled up."""
    return evolve(
        busy(), phase=Phase.PAUSED, reasons=("/var/lib/thcore has 0.4 GiB left, less than 2 GiB",), history="disk full"
    )


def hostile(text: str = "\x1b[2J<script>alert(1)</script> [bold]x[/bold]\nready: 1 \u202e") -> Status:
    """A worker whose every text was written by somebody else."""
    return evolve(
        paused(),
        reasons=(text,),
        builds=(RunningBuild(text, text, text, 1, ago(1), 1.0, text, text, 1, 2, 50),),
        servers=(ServerStatus(text, connected=True, problem=text),),
        spool=SpoolStatus(1, 1.0, 1, text),
        last=(LastOutcome(text, text, 1, Verdict.FAILURE, text, ago(1), 1.0, f"javascript:alert(1)//{text}"),),
        disks=(DiskStatus(text, text, 1, 2, text),),
        history=text,
    )
