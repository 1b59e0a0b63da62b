"""What must hold when the storm is over. Every function answers what does not hold, each in a sentence."""

from __future__ import annotations

import collections
import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from parts.check_queue import RETRY_LIMIT, Submission
from parts.checkpoint import Entry
from parts.zuul import ZuulBuild

RECORDED = ("SUCCESS", "FAILURE", RETRY_LIMIT, "QUARANTINED")
_JUDGED = ("SUCCESS", "FAILURE")
_COMPLETE = ("result.json", "index.html", "console.log")


@frozen
class Page:
    """A build's evidence as it is published."""

    path: Path
    build: str
    attempt: int
    worker: str
    verdict: str


@frozen
class Answer:
    """The end of a build as the worker told it. ``attempt`` is None when the worker could not begin."""

    worker: str
    attempt: int | None
    verdict: str
    at: float


def answer_of(build: ZuulBuild) -> Answer | None:
    """What ended a build; None while it has not ended, or was lost with the server."""
    ends = [packet for packet in build.packets if packet.kind in {"COMPLETE", "FAIL", "EXCEPTION"}]
    if not ends or not build.data:
        return None
    data = build.data[-1]
    return Answer(data["manager"], data.get("attempt") or None, data.get("verdict", ""), ends[0].at)


def outcomes(submissions: Sequence[Submission]) -> Iterator[str]:
    """Every change has exactly one recorded outcome, of its own kind, and every launch but the last none."""
    for submission in submissions:
        name = f"change {submission.number} ({submission.kind})"
        results = [
            build.result for build in submission.launches if build.result in {"SUCCESS", "FAILURE", "QUARANTINED"}
        ]
        if submission.outcome not in RECORDED:
            yield f"{name}: outcome {submission.outcome}"
        if results not in ([submission.outcome], [] if submission.outcome == RETRY_LIMIT else None):
            yield f"{name}: outcome {submission.outcome} of results {results}"
        expected = "FAILURE" if submission.kind == "failing" else "SUCCESS"
        if submission.outcome in _JUDGED and submission.outcome != expected:
            yield f"{name}: {submission.outcome}, expected {expected}"


def launches(submissions: Sequence[Submission]) -> Iterator[str]:
    """Every launch was ended once by a worker, or lost with the server; none was left waiting."""
    for build in _builds(submissions):
        ends = [packet for packet in build.packets if packet.kind in {"COMPLETE", "FAIL", "EXCEPTION"}]
        if len(ends) > 1:
            yield f"build {build.unique}: answered {len(ends)} times"
        if not ends and not build.lost and build.launch_result is None:
            yield f"build {build.unique}: never answered; it got {[packet.kind for packet in build.packets]}"


def publications(submissions: Sequence[Submission], root: Path, entries: Iterable[Entry]) -> Iterator[str]:
    """What was answered is what is published, whole, once, and by whoever answered; nobody published after it."""
    found: dict[str, list[Page]] = collections.defaultdict(list)
    for page in pages(root):
        found[page.build].append(page)
    published: dict[str, list[Entry]] = collections.defaultdict(list)
    for entry in entries:
        if entry.stage == "published" and entry.told["present"] == [entry.worker, entry.attempt]:
            published[entry.build].append(entry)
    for build in _builds(submissions):
        here = found.pop(build.unique, [])
        yield from _page_of(build, here, root, published[build.unique])
        yield from _order_of(build, published[build.unique])
    for unknown in found.values():
        yield f"{unknown[0].path}: evidence of a build that was never launched"


def _page_of(build: ZuulBuild, here: list[Page], root: Path, published: list[Entry]) -> Iterator[str]:
    name = f"build {build.unique}"
    if len(here) > 1:
        yield f"{name}: published {len(here)} times: {[str(page.path) for page in here]}"
    for page in here:
        if page.path != root / json.loads(build.gearman_job.arguments)["LOG_PATH"]:
            yield f"{name}: published in {page.path}"
        missing = [file for file in _COMPLETE if not (page.path / file).is_file()]
        if missing:
            yield f"{name}: {page.path} has no {', '.join(missing)}"
    answer = answer_of(build)
    if answer is None or answer.attempt is None:
        return
    if not here:
        yield f"{name}: answered {answer.verdict} as attempt {answer.attempt} by {answer.worker}, and not published"
        return
    page = here[0]
    if (page.worker, page.attempt, page.verdict) != (answer.worker, answer.attempt, answer.verdict):
        yield (
            f"{name}: answered {answer.verdict} as attempt {answer.attempt} by {answer.worker}, but published is"
            f" {page.verdict} of attempt {page.attempt} by {page.worker};"
            f" publications: {[(entry.worker, entry.attempt, entry.at - answer.at) for entry in published]}"
        )


def _order_of(build: ZuulBuild, published: list[Entry]) -> Iterator[str]:
    """Nobody takes the place of a later attempt, or of the one that was answered.

    Where the answer was only that Zuul may try again, there is nothing to take the place of.
    """
    name = f"build {build.unique}"
    answer = answer_of(build)
    last: dict[str, int] = {}
    for entry in sorted(published, key=lambda entry: entry.at):
        if entry.attempt < last.get(entry.worker, 0):
            yield f"{name}: {entry.worker} published attempt {entry.attempt} over {last[entry.worker]}"
        last[entry.worker] = entry.attempt
        if answer is None or answer.attempt is None or entry.at < answer.at:
            continue
        if (entry.worker, entry.attempt) != (answer.worker, answer.attempt):
            yield (
                f"{name}: attempt {entry.attempt} by {entry.worker} published {entry.at - answer.at:.3f} s after"
                f" attempt {answer.attempt} by {answer.worker} was answered"
            )


def pages(root: Path) -> Iterator[Page]:
    """What is published below a directory."""
    for path in sorted(root.rglob("result.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        yield Page(path.parent, document["build"], document["attempt"], document["worker"]["name"], document["verdict"])


def journal(state: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """What a worker's journal and its quarantine have of every attempt, by build and attempt."""
    found = {}
    for path in (*(state / "journal").glob("*.json"), *(state / "quarantine").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        found.update({(document["request"]["id"], entry["attempt"]): entry for entry in document["attempts"]})
    return found


def journals(submissions: Sequence[Submission], states: Mapping[str, Path], entries: Iterable[Entry]) -> Iterator[str]:
    """Every attempt that was begun is in its worker's journal, with an end, and with the one that was answered.

    ``LOST`` is the end of one that a worker died with; it may have been answered a moment before.
    """
    known = {name: journal(state) for name, state in states.items()}
    for name, attempts in known.items():
        for (build_id, number), noted in attempts.items():
            if noted["verdict"] is None:
                yield f"the journal of {name} has no end of build {build_id} attempt {number}"
    for worker, build_id, number in {(entry.worker, entry.build, entry.attempt) for entry in entries}:
        if (build_id, number) not in known[worker]:
            yield f"the journal of {worker} does not know build {build_id} attempt {number}"
    for build in _builds(submissions):
        answer = answer_of(build)
        if answer is None or answer.attempt is None:
            continue
        verdict = known[answer.worker].get((build.unique, answer.attempt), {}).get("verdict")
        if verdict not in {answer.verdict, "LOST"}:
            yield f"build {build.unique}: answered {answer.verdict}, and {verdict} in the journal of {answer.worker}"


def history(state: Path) -> dict[tuple[str, int], tuple[str, str]]:
    """What a worker's history has of every attempt, by build and attempt: the verdict, and whether it was answered."""
    with contextlib.closing(sqlite3.connect(state / "history.sqlite")) as database:
        rows = database.execute("SELECT build, attempt, verdict, answered FROM attempts")
        return {(build, attempt): (verdict, answered) for build, attempt, verdict, answered in rows}


def histories(submissions: Sequence[Submission], states: Mapping[str, Path]) -> Iterator[str]:
    """Every attempt of the journal is in the history, with the verdict that Zuul was given if it was given one."""
    known = {name: history(state) for name, state in states.items()}
    for name, state in states.items():
        for build_id, number in journal(state).keys() - known[name].keys():
            yield f"the history of {name} does not know build {build_id} attempt {number}"
    for build in _builds(submissions):
        answer = answer_of(build)
        if answer is None or answer.attempt is None:
            continue
        noted = known[answer.worker].get((build.unique, answer.attempt))
        if noted not in {(answer.verdict, "yes"), (answer.verdict, "unknown")}:
            yield f"build {build.unique}: answered {answer.verdict}, and {noted} in the history of {answer.worker}"


def quarantine(submissions: Sequence[Submission], entries: Iterable[Entry], max_attempts: int) -> Iterator[str]:
    """A build was refused for its many attempts only when there were so many."""
    attempts = collections.Counter(
        (build, worker) for build, worker, _ in {(e.build, e.worker, e.attempt) for e in entries}
    )
    for build in _builds(submissions):
        answer = answer_of(build)
        if build.result == "QUARANTINED" and answer is not None:
            seen = attempts[build.unique, answer.worker]
            if seen < max_attempts:
                yield f"build {build.unique}: quarantined by {answer.worker} after {seen} attempts"


def server(status: Mapping[str, tuple[int, int, int]], workers: int) -> Iterator[str]:
    """The Gearman server has no job left, and knows every worker once."""
    for function, (total, running, offered) in status.items():
        if total or running:
            yield f"gearmand: {function} has {total} jobs, {running} of them running"
        if function.startswith("build:") and ":" not in function.removeprefix("build:") and offered != workers:
            yield f"gearmand: {function} is offered {offered} times by {workers} workers"


def _builds(submissions: Sequence[Submission]) -> Iterator[ZuulBuild]:
    for submission in submissions:
        yield from submission.launches
