"""What is under test."""

from __future__ import annotations

import enum

from attrs import frozen


class ChangeKind(enum.Enum):
    """What Zuul wants checked out; each needs its own way of fetching."""

    CHANGE = "change"
    """A proposed change, merged speculatively by Zuul: fetch ``ref`` from ``source``."""
    REF_UPDATED = "ref-updated"
    """A branch that moved (post pipeline): ``commit`` on ``ref``."""
    TAG = "tag"
    """A tag was pushed."""
    BRANCH = "branch"
    """No ref at all (timer pipeline): the tip of ``branch`` at the origin."""
    REF_DELETED = "ref-deleted"
    """The ref is gone; there is nothing to check out."""


@frozen
class Change:
    """A project at one state: what a build tests.

    ``project`` is Zuul's name of it, such as ``openstack/nova``. ``source`` is the base URL that ``ref`` is fetched
    from (``ZUUL_URL``), to which ``/project`` is appended; None means the origin that the checkout plugin is
    configured with. ``commit``, where known, is what must be checked out in the end: 40 hexadecimal digits.
    ``branch`` is the target branch of a change. ``number`` and ``patchset`` are the review system's.
    """

    project: str
    kind: ChangeKind
    branch: str | None = None
    ref: str | None = None
    commit: str | None = None
    source: str | None = None
    number: str | None = None
    patchset: str | None = None

    def __str__(self) -> str:
        if self.number:
            return f"{self.project} {self.number},{self.patchset or '?'}"
        where = self.ref or self.branch or self.commit or "?"
        return f"{self.project} {where}"


@frozen
class Revision:
    """Another state of the same project, for ``build.provision``: exactly one of branch, tag or commit is set."""

    branch: str | None = None
    tag: str | None = None
    commit: str | None = None

    def __str__(self) -> str:
        return self.branch or self.tag or self.commit or "?"
