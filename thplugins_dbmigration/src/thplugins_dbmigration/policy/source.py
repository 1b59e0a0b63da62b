"""Which policy counts: the target branch's, so that no change excuses itself.

The policy of a commit of the target branch is kept below the plugin's state, so that only the first build of that
commit needs its work tree.
"""

from __future__ import annotations

import datetime
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import Factory, frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Checkout, DatasetRun, Finding, Location, Revision, Severity
from thplugins_dbmigration.options import DbmigrationOptions, PolicyFrom
from thplugins_dbmigration.policy.file import FILE, LARGEST, Policy, parse

KEPT = "policies"
MOST_KEPT = 200
_REMEDY = "Correct what the evidence names; the schema of the file is published with the documentation."


@frozen
class Ruling:
    """The policy that counts for a build, and what is to be said of it. ``unread`` is why there is none."""

    policy: Policy = Factory(Policy)
    findings: tuple[Finding, ...] = ()
    unread: Finding | None = None

    def told(self, runs: Iterable[DatasetRun]) -> tuple[Finding, ...]:
        """What is to be said beside these runs. A target branch that cannot be had is no news where no step could be
        judged on account of that."""
        if self.unread is None or not any(step.added and step.result == "ok" for run in runs for step in run.steps):
            return self.findings
        return (*self.findings, self.unread)


def ruling(
    build: Build, options: DbmigrationOptions, checkout: Checkout, branch: str | None, today: datetime.date
) -> Ruling:
    """Find and read the policy. ``branch`` is the target branch, None where every step is judged: then, and with
    ``policy_from: change``, the checkout's own counts. Raises only CancelledError and DeadlineError."""
    own = content(checkout.path)
    if branch is None or options.policy_from is PolicyFrom.CHANGE:
        severity = Severity.FAILURE if branch is not None else Severity.UNVERIFIED
        return _ruled(own, "the change" if branch is not None else "the checkout", severity, today)
    try:
        theirs = _of_target(build, branch)
    except (ChangeError, InfrastructureError) as error:
        told = _unusable(f"of {branch} cannot be had", str(error).splitlines(), Severity.UNVERIFIED)
        return Ruling(unread=told)
    if own == theirs:
        return _ruled(theirs, branch, Severity.UNVERIFIED, today)
    return _edited(own, theirs, branch, today)


def content(checkout: Path) -> bytes:
    """What a checkout's policy file holds, one byte more than allowed at most; nothing where there is none, or anything
    that is no plain file."""
    try:
        # No link: it could lead out of the checkout. Not blocking: opening a pipe would wait for a writer.
        descriptor = os.open(checkout / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(LARGEST + 1)


def _edited(own: bytes, theirs: bytes, branch: str, today: datetime.date) -> Ruling:
    """The policy, where the change writes another one than its target branch has."""
    mended, valid = parse(own), parse(theirs)
    if isinstance(mended, tuple):
        return Ruling(
            valid if isinstance(valid, Policy) else Policy(), (_unusable("of the change", mended, Severity.FAILURE),)
        )
    if isinstance(valid, tuple):
        told = Finding(
            "policy-edited",
            Severity.WARNING,
            f"{FILE} of {branch} cannot be used; the change mends it, and is judged by its own",
            Location(FILE),
            valid,
        )
        return Ruling(mended, (told, *_expired(mended, today)))
    told = Finding(
        "policy-edited",
        Severity.INFO,
        f"The change edits {FILE}; it is judged by the one of {branch}",
        Location(FILE),
        hint="What it allows counts for changes that come after it. Merge the policy first.",
    )
    return Ruling(valid, (told, *_expired(valid, today)))


def _ruled(text: bytes, whose: str, severity: Severity, today: datetime.date) -> Ruling:
    found = parse(text)
    if isinstance(found, tuple):
        return Ruling(findings=(_unusable(f"of {whose}", found, severity),))
    return Ruling(found, tuple(_expired(found, today)))


def _unusable(which: str, problems: Sequence[str], severity: Severity) -> Finding:
    which = which if which.endswith("had") else f"{which} cannot be used"
    return Finding("policy-unusable", severity, f"{FILE} {which}", Location(FILE), tuple(problems), _REMEDY)


def _expired(policy: Policy, today: datetime.date) -> Iterator[Finding]:
    for waiver in policy.exceptions:
        if waiver.expires < today:
            yield Finding(
                "exception-expired",
                Severity.WARNING,
                f"The exception of {waiver.counter} for migration {waiver.step} has expired on {waiver.expires}",
                Location(FILE),
                (f"owner: {waiver.owner}", f"reason: {waiver.reason}"),
                "It excuses nothing any more. Take it out, or agree on another date.",
            )


def _of_target(build: Build, branch: str) -> bytes:
    revision = Revision(branch=branch)
    kept = build.state / KEPT / build.resolve(revision)
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        pass
    text = content(build.provision(revision).checkout.path)
    _keep(kept, text)
    return text


def _keep(kept: Path, text: bytes) -> None:
    kept.parent.mkdir(exist_ok=True)
    draft = kept.with_suffix(f".{secrets.token_hex(8)}")
    draft.write_bytes(text)
    draft.replace(kept)
    old = sorted(kept.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-MOST_KEPT]
    for path in old:
        path.unlink(missing_ok=True)
