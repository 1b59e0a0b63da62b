"""What is put up of a build while it runs: a page, how the build stands for programs, and the log so far in pieces.

A site that is published in its place has none of these names but those of the pages::

    live/log-000001.txt    the log so far, cut at the ends of lines; the last piece grows
    live/state.json        how the build stands, and of which attempt that is told
    console.log.html       follows the log; the page of the whole log takes its place
    index.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from attrs import frozen

from thcore.model import Standing
from thcore.pages import html, viewer
from thcore.pages.html import INDEX

__all__ = ["DIRECTORY", "STATE"]

DIRECTORY = "live"
"""Everything but the pages is in here."""
STATE = f"{DIRECTORY}/state.json"
"""``thcore.pages.identity.read`` tells of which attempt it is."""
FOLLOWING = viewer.page_name("console.log")
"""Follows the log in a browser."""
STATE_SCHEMA_VERSION = 1
"""Version of state.json. It grows when a reader of the old one would be misled."""


@frozen
class LogSoFar:
    """What there is of the log: its last lines, its size in bytes, how many pieces of it are put up, and whether they
    hold all that was written when they were made, or no more of them will come."""

    tail: tuple[str, ...] = ()
    size: int = 0
    pieces: int = 0
    whole: bool = True


def piece_name(number: int) -> str:
    """The name of a piece of the log, from 1."""
    return f"{DIRECTORY}/log-{number:06d}.txt"


def files(standing: Standing, log: LogSoFar, pieces: Mapping[str, bytes], every_s: float) -> Mapping[str, bytes]:
    """All that is to be put up now, in the order in which it is: who finds the page finds what it links to.
    ``pieces`` are those that are new or have grown; the page is read again every ``every_s`` seconds."""
    names = [piece_name(number) for number in range(1, log.pieces + 1)]
    page = html.live_page(standing, log.tail, log.size, names, every_s)
    state = {STATE: _state(standing, log, names)}
    # It is the same all the time: it comes with the log's first lines, and stays.
    follower = {FOLLOWING: viewer.following("console.log", DIRECTORY)} if piece_name(1) in pieces else {}
    return {**pieces, **state, **follower, INDEX: page}


def _state(standing: Standing, log: LogSoFar, names: Sequence[str]) -> bytes:
    progress = standing.progress
    told = {
        "schema_version": STATE_SCHEMA_VERSION,
        "job": standing.job,
        "build": standing.build,
        "attempt": standing.attempt,
        "worker": {"name": standing.worker.name},
        "started": standing.started.isoformat(),
        "at": standing.at.isoformat(),
        "stage": standing.stage.value if standing.stage else None,
        "progress": None
        if progress is None
        else {"message": progress.message, "done": progress.done, "total": progress.total},
        "stages": [{"name": run.name.value, "result": run.result.value} for run in standing.stages],
        "verdict": standing.verdict.value if standing.verdict else "",
        "summary": standing.summary,
        "log": {"pieces": [name.removeprefix(f"{DIRECTORY}/") for name in names], "size": log.size, "whole": log.whole},
    }
    return json.dumps(told, indent=1).encode("ascii")
