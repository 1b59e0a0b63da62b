"""A build as it arrives, and one delivery of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from thcore.model.change import Change


@frozen
class BuildRequest:
    """One execution of a job for one change, as asked for.

    ``id`` is Zuul's unique id. ``parameters`` are the job arguments that may be exported to a program's environment:
    names and values are text without NUL. ``log_path`` is where the evidence goes below a publisher's root: relative,
    without ``..``, never empty.
    """

    id: str
    job: str
    change: Change
    parameters: Mapping[str, str]
    log_path: str


@frozen
class Attempt:
    """One delivery of a build to a worker; Gearman may deliver a build again.

    It has no more than ids and paths, so that ``thcore_cleanup`` can work from it after a kill or at the next start of
    the worker. ``number`` counts from 1. ``workspace`` is the directory of this attempt alone; ``state`` is the
    directory that the called plugin keeps between builds.
    """

    build_id: str
    job: str
    number: int
    workspace: Path
    state: Path
