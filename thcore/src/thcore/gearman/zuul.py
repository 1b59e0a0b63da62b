"""Zuul v2's names, arguments and replies. Pure functions: nothing here talks to a server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from thcore.errors import ConfigError, RefusedError
from thcore.gearman import arguments as checks
from thcore.model import BuildRequest, Change, ChangeKind, Outcome, Verdict, WorkerInfo

BUILD = "build:"
STOP = "stop:"
PAYLOAD_LIMIT = 64 * 1024 - 1
"""Bytes of one reply: gear reads large packets slowly, and logs have a place of their own."""
INVALID_ARGUMENTS = "INVALID_ARGUMENTS"
"""Result of a build whose arguments cannot be used. With a result, Zuul does not launch it again."""

_SUMMARY_LIMIT = 2000
_URL_LIMIT = 2048
_NAME_LIMIT = 256
_NO_COMMIT = "0" * 40


@frozen
class Reply:
    """The end of a build as Zuul is told: the last WORK_DATA, then WORK_COMPLETE with the same data, or WORK_FAIL."""

    data: bytes
    complete: bool


def functions(job: str, nodes: Sequence[str] = ()) -> tuple[str, ...]:
    """The functions to offer for a job: ``build:NAME``, and ``build:NAME:NODE`` for every node label.

    Raises ConfigError for names that cannot be part of a function's name.
    """
    try:
        checks.check_job(job)
        for node in nodes:
            checks.check_job(node)
    except RefusedError as error:
        raise ConfigError(f"job {job!r} cannot be offered to Gearman: {error}") from None
    return (f"{BUILD}{job}", *(f"{BUILD}{job}:{node}" for node in nodes))


def job_name(function: str) -> str:
    """The job that a function is for: the middle part of ``build:NAME`` or ``build:NAME:NODE``."""
    return function.removeprefix(BUILD).partition(":")[0]


def parse(function: str, unique: str, arguments: bytes, *, default_branch: str | None = None) -> BuildRequest:
    """What Zuul asks for with this job.

    A build without any ref (timer pipeline) is for ``ZUUL_BRANCH``, else ``BRANCH``, else ``default_branch``.
    Parameters that may not be exported are left out, see ``arguments.exportable``. Raises RefusedError.
    """
    if not function.startswith(BUILD):
        raise RefusedError(f"function {checks.shown(function)} is no build")
    job = checks.check_job(job_name(function))
    checks.check_unique(unique)
    values = checks.read_object(arguments)
    change = _change(values, default_branch)
    sent = checks.text_of(values, "LOG_PATH")
    log_path = checks.check_log_path(sent) if sent else _log_path(values, change, job, unique)
    return BuildRequest(unique, job, change, checks.exportable(values), log_path)


def parse_stop(arguments: bytes) -> str | None:
    """The number (our unique id) of the build that a ``stop:`` job is about; None when it names none."""
    try:
        number = checks.read_object(arguments).get("number")
    except RefusedError:
        return None
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    return number if isinstance(number, str) and 0 < len(number) <= _NAME_LIMIT else None


def started(
    build: str,
    job: str,
    manager: str,
    worker: WorkerInfo | None,
    *,
    url: str | None = None,
    attempt: int | None = None,
) -> bytes:
    """Data of the first WORK_DATA: from it Zuul learns how to cancel the build. Also for later ones, with a new url."""
    return _payload(build, job, manager, worker, url, {"attempt": attempt})


def final(outcome: Outcome, manager: str, *, url: str | None = None) -> Reply:
    """The end of a build with an outcome. UNVERIFIED has no result, so that Zuul launches the build again. ``url`` is
    where its page will be; it counts while nothing is published."""
    url = outcome.publications[0].url if outcome.publications else url
    own = {
        "result": _result(outcome),
        "verdict": outcome.verdict.value,
        "summary": outcome.summary,
        "attempt": outcome.attempt,
    }
    data = _payload(outcome.build, outcome.job, manager, outcome.worker, url, own)
    return Reply(data, outcome.verdict is Verdict.SUCCESS)


def refused(
    build: str, job: str, manager: str, worker: WorkerInfo | None, reason: object, *, result: str = INVALID_ARGUMENTS
) -> Reply:
    """The end of a build that will not be run, now or later. ``result`` is one upper-case word, shown in the review."""
    own = {"result": result, "verdict": Verdict.UNVERIFIED.value, "summary": str(reason)}
    return Reply(_payload(build, job, manager, worker, None, own), complete=False)


def retry(build: str, job: str, manager: str, worker: WorkerInfo | None, reason: object) -> Reply:
    """The end of a build that could not be run here and now: without a result, so that Zuul launches it again."""
    own = {"verdict": Verdict.UNVERIFIED.value, "summary": str(reason)}
    return Reply(_payload(build, job, manager, worker, None, own), complete=False)


def _change(values: Mapping[str, Any], default_branch: str | None) -> Change:
    project = checks.text_of(values, "ZUUL_PROJECT")
    if project is None:
        raise RefusedError("ZUUL_PROJECT is missing: nobody can tell what to test")
    checks.check_project(project)
    # Null when Zuul's merger has died.
    source = checks.text_of(values, "ZUUL_URL", null=True)
    number, patchset = (_review_number(values, key) for key in ("ZUUL_CHANGE", "ZUUL_PATCHSET"))
    branch, ref, ref_name = (_ref(values, key) for key in ("ZUUL_BRANCH", "ZUUL_REF", "ZUUL_REFNAME"))
    commit, _, new = (_commit(values, key) for key in ("ZUUL_COMMIT", "ZUUL_OLDREV", "ZUUL_NEWREV"))
    kind = _kind(ref, new)
    if kind is ChangeKind.BRANCH:
        if number:
            raise RefusedError(f"ZUUL_REF is missing, so change {number} cannot be fetched")
        branch, commit = branch or _ref(values, "BRANCH") or default_branch, None
        if branch is None:
            raise RefusedError("there is no ZUUL_REF and no branch: give the job a default branch, or send BRANCH")
    elif kind is not ChangeKind.CHANGE:
        ref = ref or ref_name
        if ref is None:
            raise RefusedError("ZUUL_NEWREV comes without ZUUL_REF: nobody can tell which branch it is on")
        short = ref.removeprefix("refs/heads/")
        branch = branch or (None if short.startswith("refs/") else short)
        # Of an annotated tag Zuul tells the id of the tag, which is not that of the commit.
        commit = new if kind is ChangeKind.REF_UPDATED else None
    return Change(
        project=project,
        kind=kind,
        branch=branch,
        ref=ref,
        commit=commit,
        source=source and checks.check_url("ZUUL_URL", source),
        number=number,
        patchset=patchset,
    )


def _kind(ref: str | None, new: str | None) -> ChangeKind:
    if new == _NO_COMMIT:
        return ChangeKind.REF_DELETED
    if ref is not None and ref.startswith("refs/tags/"):
        return ChangeKind.TAG
    if new is not None:
        return ChangeKind.REF_UPDATED
    return ChangeKind.BRANCH if ref is None else ChangeKind.CHANGE


def _ref(values: Mapping[str, Any], key: str) -> str | None:
    ref = checks.text_of(values, key)
    return ref and checks.check_ref(key, ref)


def _commit(values: Mapping[str, Any], key: str) -> str | None:
    commit = checks.text_of(values, key)
    return commit and checks.check_commit(key, commit)


def _review_number(values: Mapping[str, Any], key: str) -> str | None:
    number = checks.text_of(values, key, number=True)
    return number and checks.check_review_number(key, number)


def _log_path(values: Mapping[str, Any], change: Change, job: str, unique: str) -> str:
    """As Zuul 2.1 and later make it; 2.0 sends none."""
    base = checks.text_of(values, "BASE_LOG_PATH")
    if base is None and change.number:
        base = "/".join((change.number[-2:], change.number, change.patchset or "0"))
    elif base is None and change.kind is not ChangeKind.CHANGE and change.commit:
        base = f"{change.commit[:2]}/{change.commit}"
    return checks.safe_path(base, checks.text_of(values, "ZUUL_PIPELINE"), job, unique[:7]) or unique[:7]


def _result(outcome: Outcome) -> str | None:
    if outcome.verdict is Verdict.UNVERIFIED:
        return None
    if outcome.verdict is Verdict.CANCELLED:
        return "ABORTED"
    if outcome.verdict is Verdict.FAILURE and outcome.timed_out:
        return "TIMED_OUT"
    return outcome.verdict.name


def _payload(
    build: str, job: str, manager: str, worker: WorkerInfo | None, url: str | None, own: Mapping[str, object]
) -> bytes:
    """One JSON object, under 64 KB. Only what is known goes in; a text without end is cut."""
    # An empty number would be no number to Zuul.
    values: dict[str, object] = {"name": job[:_NAME_LIMIT], "number": build[:_NAME_LIMIT] or "none", "manager": manager}
    if url is not None and url.isascii() and len(url) <= _URL_LIMIT:
        values["url"] = url
    if worker is not None:
        values |= {
            "worker_name": worker.name[:_NAME_LIMIT],
            "worker_hostname": worker.hostname[:_NAME_LIMIT],
            "worker_program": "thcore",
            "worker_version": worker.version[:_NAME_LIMIT],
            "worker_ips": [],
            "worker_extra": {},
        }
        if "." in worker.hostname:
            values["worker_fqdn"] = worker.hostname[:_NAME_LIMIT]
    for key, value in own.items():
        if value is not None:
            values[key] = value[:_SUMMARY_LIMIT] if isinstance(value, str) else value
    return json.dumps(values).encode("ascii")
