"""What Zuul v2 may ask to be checked out, as the refs and commits to fetch and where from."""

from __future__ import annotations

import re

from attrs import frozen

from thcore.builtin.git_process import Address, blank_credentials
from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Change, ChangeKind

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PROJECT = re.compile(r"(?!-)[^\x00-\x20\x7f\\]+")
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|\.$|/$|^[-/.]|^@$")
_URL = re.compile(r"(?:https?|git|ssh)://[^\x00-\x20\x7f]+|[A-Za-z0-9_.]+@[A-Za-z0-9.-]+:[^\x00-\x20\x7f]*")


@frozen
class Case:
    """What one change needs: which refs to try from which remotes, and the commit to end at.

    ``home`` is where the project's branches and tags are. ``moving``: the ref may have moved on from the commit.
    ``branch``, where known, is the one that it is on, or meant for.
    """

    home: Address
    remotes: tuple[Address, ...]
    refs: tuple[str, ...]
    commit: str | None = None
    moving: bool = False
    branch: str | None = None


def case_of(change: Change, base_url: str | None, default_branch: str | None) -> Case:
    """Which remotes and refs to try for a change. Raises ChangeError when its arguments cannot be used."""
    if change.kind is ChangeKind.REF_DELETED:
        raise ChangeError(f"{change.ref or 'the ref'} was deleted: there is nothing to check out", code="ref-deleted")
    _check_words(change, base_url, default_branch)
    origin = Address.parse(base_url) / change.project if base_url else None
    source = Address.parse(change.source) / change.project if change.source else None
    home = origin or source
    if home is None:
        raise InfrastructureError(
            f"nobody says where {change.project} is: the build has no ZUUL_URL and the git plugin no base_url",
            code="fetch-failed",
        )
    both = tuple(dict.fromkeys(remote for remote in (origin, source) if remote))
    ref, commit = change.ref or change.branch, change.commit.lower() if change.commit else None
    match change.kind:
        case ChangeKind.BRANCH:
            branch = change.branch or default_branch
            tip = f"refs/heads/{branch}" if branch else "HEAD"
            return Case(home, (home,), (tip,), commit, moving=commit is not None, branch=branch)
        case ChangeKind.REF_UPDATED:
            refs = tuple(name for name in (ref, commit) if name)
            found = Case(home, both, refs, commit, moving=commit is not None)
        case ChangeKind.TAG:
            found = Case(home, both, (ref,) if ref else (), commit)
        case _:
            found = Case(home, (source or home,), (change.ref,) if change.ref else (), commit, branch=change.branch)
    if not found.refs:
        raise ChangeError(f"{change} names nothing to fetch: neither a ref nor a commit")
    return found


def _check_words(change: Change, base_url: str | None, default_branch: str | None) -> None:
    """Refuse words that git could take for something else. They come with the build and are not to be trusted."""
    parts = change.project.split("/")
    if not _PROJECT.fullmatch(change.project) or not all(parts) or {".", ".."} & set(parts):
        raise ChangeError(f"{change.project!r} is no name of a project")
    for name in (change.ref, change.branch, default_branch):
        if name is not None and (not name or _NO_REF.search(name)):
            raise ChangeError(f"{name!r} is no name of a ref")
    if change.commit is not None and not _COMMIT.fullmatch(change.commit.lower()):
        raise ChangeError(f"{change.commit!r} is no name of a commit")
    local = base_url is not None and Address.parse(base_url).local
    if change.source is not None and not is_address(change.source, local=local):
        hint = "" if local else "; directories of this machine are allowed only where base_url is one"
        raise ChangeError(f"{blank_credentials(change.source)!r} is no address to fetch from{hint}")


def is_address(text: str, *, local: bool) -> bool:
    """Whether git may fetch from it: no option, no helper program, no directory unless that is allowed."""
    if _URL.fullmatch(text) and "::" not in text.partition("/")[0]:
        return True
    return local and Address.parse(text).local and not re.search(r"[\x00-\x1f\x7f]", text)
