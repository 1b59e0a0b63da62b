"""What ``thcore doctor`` looks at: could a build be published as the jobs say?"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.model import Finding, Severity
from thcore.model.quantity import format_duration, format_size
from thplugins_publish_local import directories, tree
from thplugins_publish_local.access import Access
from thplugins_publish_local.options import PublishLocalOptions


def checks(options: Sequence[PublishLocalOptions], work: Path) -> Iterator[Finding]:
    """One finding per check, for each directory that builds are published below."""
    for path in dict.fromkeys(each.path for each in options):
        those = [each for each in options if each.path == path]
        if path.absolute().is_relative_to(work.absolute()):
            yield Finding(
                "publish-local-in-work",
                Severity.UNVERIFIED,
                f"{path} is inside the work directory {work}, which a worker empties when it starts",
                hint="Let path name a directory elsewhere.",
            )
            continue
        for access in dict.fromkeys(each.access for each in those):
            yield _writable(path, access)
        yield from _kept(path, those)


def _writable(path: Path, access: Access) -> Finding:
    """Do what publishing does: a directory and a file, with their modes and owners, renamed and removed."""
    try:
        if not path.exists():
            return _missing(path)
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            probe = directories.temporary_name("doctor")
            made = directories.make_directory(root, probe, access)
            try:
                tree.write_file(made, "probe", b"thcore\n", access)
                os.rename(probe, f"{probe}.renamed", src_dir_fd=root, dst_dir_fd=root)
            finally:
                os.close(made)
                directories.remove(root, probe)
                directories.remove(root, f"{probe}.renamed")
        finally:
            os.close(root)
    except (OSError, InfrastructureError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        return Finding(
            "publish-local-unusable",
            Severity.UNVERIFIED,
            f"Builds cannot be published below {path}: {reason}",
            hint="The worker's account must be able to write there, and to give files the owner and group of the job.",
        )
    free = shutil.disk_usage(path).free
    return Finding("publish-local-usable", Severity.INFO, f"{path} takes builds; {format_size(free)} are free")


def _missing(path: Path) -> Finding:
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if os.access(above, os.W_OK | os.X_OK):
        return Finding("publish-local-usable", Severity.INFO, f"{path} will be made when the first build is published")
    return Finding(
        "publish-local-unusable",
        Severity.UNVERIFIED,
        f"{path} is not there, and cannot be made in {above}",
        hint="Make it, and give it to the account of the worker.",
        command=f"sudo install --directory --owner={_account()} {shlex.quote(str(path.absolute()))}",
    )


def _account() -> str:
    """The account that this runs as: its name where it has one."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _kept(path: Path, options: Sequence[PublishLocalOptions]) -> Iterator[Finding]:
    rules = list(dict.fromkeys(each.retention for each in options))
    if len(rules) > 1:
        yield Finding(
            "publish-local-retention",
            Severity.WARNING,
            f"The jobs that publish below {path} do not agree on what is kept; each build is removed by the strictest",
            hint="Give them the same keep, keep_size and keep_at_least, or a path each.",
        )
        return
    (rule,) = rules
    if rule.everything:
        words = "for ever"
    else:
        limits = [format_duration(rule.age_s)] if rule.age_s is not None else []
        limits += [f"the newest {format_size(rule.size)}"] if rule.size is not None else []
        words = " and ".join(limits)
    yield Finding("publish-local-retention", Severity.INFO, f"{path} keeps builds {words}")
