"""How a developer has a build done again, without Zuul."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from thcore.model.change import Change, ChangeKind

__all__ = ["command"]


def command(job: str, change: Change, given: Mapping[str, str] = MappingProxyType({})) -> str:
    """The command that does one more build of a job for the same change, for a shell. ``given`` are options of the
    job's plugins that have other values in it, each by its plugin and name: ``dbmigration.begin_before``.

    What is in it comes from job arguments, so that every value is quoted and none can pass for an option.
    """
    updated = change.kind is ChangeKind.REF_UPDATED
    values = {
        "project": change.project,
        "branch": change.branch or (change.ref if updated else None),
        "ref": None if updated else change.ref,
        "commit": change.commit,
        "source": change.source,
    }
    options = (f"--{name}={value}" for name, value in values.items() if value is not None)
    others = (f"--option={name}={value}" for name, value in given.items())
    return shlex.join(("thcore", "run", *options, *others, "--", job))
