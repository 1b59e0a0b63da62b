"""Which policy counts: the target branch's, so that no change excuses itself."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import Factory, frozen

from thcore.model import Finding, Location, Severity
from thplugins_dbmigration.policy.file import FILE, LARGEST, AllowedLoss, Policy, Waiver, parse

_REMEDY = "Correct what the evidence names; the schema of the file is published with the documentation."


@frozen
class Ruling:
    """The policy that counts for a build, and what is to be said of it."""

    policy: Policy = Factory(Policy)
    findings: tuple[Finding, ...] = ()


def ruling(own: str, theirs: str, branch: str, today: datetime.date) -> Ruling:
    """What the target branch's file says, ``theirs``, beside the change's ``own``."""
    if own == theirs:
        return _ruled(theirs, branch, Severity.UNVERIFIED, today)
    return _edited(own, theirs, branch, today)


def own_ruling(own: str, *, change: bool, today: datetime.date) -> Ruling:
    """What the file of the checkout says, where the job lets a change rule itself, or where there is no ``change``."""
    whose, severity = ("the change", Severity.FAILURE) if change else ("the checkout", Severity.UNVERIFIED)
    return _ruled(own, whose, severity, today)


def content(checkout: Path) -> str:
    """What a checkout's policy file holds, a bit more than is allowed at most; nothing where there is none, or anything
    that is no plain file. Bytes that are no UTF-8 are kept as Python keeps those of file names."""
    try:
        # No link: it could lead out of the checkout. Not blocking: opening a pipe would wait for a writer.
        descriptor = os.open(checkout / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return ""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(LARGEST + 1).decode("utf-8", "surrogateescape")


def _edited(own: str, theirs: str, branch: str, today: datetime.date) -> Ruling:
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


def _ruled(text: str, whose: str, severity: Severity, today: datetime.date) -> Ruling:
    found = parse(text)
    if isinstance(found, tuple):
        return Ruling(findings=(_unusable(f"of {whose}", found, severity),))
    return Ruling(found, tuple(_expired(found, today)))


def _unusable(which: str, problems: Sequence[str], severity: Severity) -> Finding:
    message = f"{FILE} {which} cannot be used"
    return Finding("policy-unusable", severity, message, Location(FILE), tuple(problems), _REMEDY)


def _expired(policy: Policy, today: datetime.date) -> Iterator[Finding]:
    said: list[tuple[str, Waiver | AllowedLoss]] = [
        *((f"exception of {waiver.counter}", waiver) for waiver in policy.exceptions),
        *((f"allowed loss in {loss.table}", loss) for loss in policy.allowed_losses),
    ]
    for what, each in said:
        if each.expires < today:
            yield Finding(
                "exception-expired",
                Severity.WARNING,
                f"The {what} for migration {each.step} has expired on {each.expires}",
                Location(FILE),
                (f"owner: {each.owner}", f"reason: {each.reason}"),
                "It excuses nothing any more. Take it out, or agree on another date.",
            )
