"""Single values of a job's arguments. They come from outside: each is checked before anything uses it."""

from __future__ import annotations

import json
import math
import re
import unicodedata
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from thcore.errors import RefusedError

ARGUMENTS_LIMIT = 1024 * 1024
"""Bytes of JSON that a job may have."""
PARAMETER_LIMIT = 64 * 1024
"""Bytes (UTF-8) of one parameter's value."""
LOG_PATH_LIMIT = 1024
"""Characters of a log path."""

_UNIQUE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PROJECT_PART = re.compile(r"[A-Za-z0-9._+~][A-Za-z0-9._+~-]*")
_REVIEW_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COMMIT = re.compile(r"[0-9a-fA-F]{40}")
_JOB = re.compile(r"[^\s:/\\]{1,255}")
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH_PART = re.compile(r"[A-Za-z0-9._:+-]{1,255}")
_BAD_IN_REF = frozenset(" ~^:?*[\\")
_ENCODED_CONTROL = re.compile(r"%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
_UPWARDS = "it has a .. in it"
_URL_SCHEMES = ("http", "https", "git", "ssh", "file")

# Variables by which the linker, a shell, an interpreter or git can be told to run something else. A change may run what
# it likes inside its sandbox, but whoever submits a job must not steer the worker's own programs.
_STEERING = re.compile(
    r"PATH|HOME|SHELL|ENV|BASH_ENV|BASH_FUNC_.*|SHELLOPTS|BASHOPTS|IFS|PS4|PROMPT_COMMAND|TMPDIR"
    r"|LD_.*|DYLD_.*|GLIBC_.*|GCONV_PATH|PYTHON.*|PERL.*|RUBY.*|NODE_.*|GIT_.*|SSH_.*|PAGER|EDITOR|VISUAL"
)


def read_object(arguments: bytes) -> dict[str, Any]:
    """The arguments as a JSON object, read as strictly as its standard says. Raises RefusedError."""
    if len(arguments) > ARGUMENTS_LIMIT:
        raise RefusedError(f"the job's arguments are {len(arguments)} bytes long; at most {ARGUMENTS_LIMIT} are taken")
    try:
        value = json.loads(arguments.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"the job's arguments are not JSON in UTF-8: {shown(str(error))}") from None
    if not isinstance(value, dict):
        raise RefusedError(f"the job's arguments are a JSON {type(value).__name__}; Zuul sends an object")
    return value


def exportable(values: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that may go into an environment, as text.

    Numbers and booleans are written as JSON writes them. Left out are: nulls, lists and objects; names that are no
    shell names, or that steer a program (``PATH``, ``LD_*``, ``GIT_*`` and so on); values with a NUL, of more than
    64 KiB, or that are not Unicode text.
    """
    found = {}
    for name, value in values.items():
        text = _as_text(value)
        if text is None or not _PARAMETER_NAME.fullmatch(name) or _STEERING.fullmatch(name):
            continue
        if "\0" not in text and is_unicode(text) and len(text.encode()) <= PARAMETER_LIMIT:
            found[name] = text
    return found


def text_of(values: Mapping[str, Any], key: str, *, number: bool = False, null: bool = False) -> str | None:
    """The text under ``key``; None where it is missing or empty. ``number`` and ``null`` permit these too.

    Raises RefusedError when it is something else.
    """
    value = values.get(key)
    if value is None and (null or key not in values):
        return None
    if number and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise RefusedError(f"{key}: {shown(value)} is no text")
    if not is_unicode(value):
        raise RefusedError(f"{key}: {shown(value)} is not Unicode text")
    return value or None


def check_unique(unique: str) -> str:
    """A build's unique id. Raises RefusedError."""
    if not _UNIQUE.fullmatch(unique) or unique in {".", ".."}:
        raise RefusedError(f"unique id {shown(unique)}: it must be 1 to 128 letters, digits or any of . _ : -")
    return unique


def check_job(job: str) -> str:
    """A job's name, as it is part of a function's name. Raises RefusedError."""
    if not _JOB.fullmatch(job) or not job.isprintable() or job in {".", ".."}:
        raise RefusedError(f"job name {shown(job)}: it must have no white space, colon, slash or control character")
    return job


def check_project(project: str) -> str:
    """A project's name, such as ``openstack/nova``. Raises RefusedError."""
    parts = project.split("/")
    good = all(_PROJECT_PART.fullmatch(part) and part not in {".", ".."} and part.lower() != ".git" for part in parts)
    if not good or len(project) > 255:
        raise RefusedError(
            f"ZUUL_PROJECT: {shown(project)} is no project name; it must be like openstack/nova, of letters, digits "
            "and . _ + ~ -, without .., with no leading slash or dash, and of at most 255 characters"
        )
    return project


def check_ref(key: str, ref: str) -> str:
    """The name of a ref or a branch, by the rules of git check-ref-format. Raises RefusedError."""
    bad = (
        ref.startswith("-")
        or ref.endswith(".")
        or ref == "@"
        or ".." in ref
        or "@{" in ref
        or not ref.isprintable()
        or not _BAD_IN_REF.isdisjoint(ref)
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in ref.split("/"))
        or len(ref.encode()) > 512
    )
    if bad:
        raise RefusedError(f"{key}: {shown(ref)} is no valid name of a git ref (see git help check-ref-format)")
    return ref


def check_commit(key: str, commit: str) -> str:
    """A commit id, in lower case. Raises RefusedError."""
    if not _COMMIT.fullmatch(commit):
        raise RefusedError(f"{key}: {shown(commit)} is no commit id of 40 hexadecimal digits")
    return commit.lower()


def check_review_number(key: str, number: str) -> str:
    """A change number or patch set. Raises RefusedError."""
    if not _REVIEW_NUMBER.fullmatch(number):
        raise RefusedError(f"{key}: {shown(number)} is no number of a review system")
    return number


def check_url(key: str, url: str) -> str:
    """The base URL, or absolute path, of a git server, without a slash at the end. Raises RefusedError."""
    reason = _url_fault(url)
    if reason is not None:
        # Without the URL: there may be a password in it.
        raise RefusedError(f"{key}: {reason}; it must be an http, https, git, ssh or file URL, or an absolute path")
    return url.rstrip("/") or "/"


def check_log_path(path: str) -> str:
    """A relative path for the evidence. Raises RefusedError."""
    # A web server decodes the path that it is asked for; some stores write characters alike that look alike.
    readings = (path, urllib.parse.unquote(path), unicodedata.normalize("NFKC", path))
    if not all(_stays_below(reading) for reading in readings):
        raise RefusedError(
            f"LOG_PATH: {shown(path)} is not taken; it must be relative, without .., empty parts, backslashes and "
            "control characters (written as %2e%2e or as characters that look like them neither), and of at most 1024 "
            "characters"
        )
    return path


def safe_path(*parts: str | None) -> str:
    """A relative path of those parts that may be part of one; the others are left out, and the first ones if it is too
    long. A part may have slashes."""
    names = [name for part in parts if part for name in part.split("/")]
    safe = [name for name in names if _PATH_PART.fullmatch(name) and name not in {".", ".."}]
    while len("/".join(safe)) > LOG_PATH_LIMIT:
        del safe[0]
    return "/".join(safe)


def is_unicode(text: str) -> bool:
    """It can be encoded: JSON can hold halves of surrogate pairs, which neither a file name nor a log can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """A value from outside, fit for a log: in quotes, short, with nothing but printable ASCII."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """With a key twice, what was checked and what a program reads of it could be two values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _stays_below(path: str) -> bool:
    """Whether the path leads to a place below the directory that it is joined to, and to nothing odd."""
    parts = path.split("/")
    good = all(part not in {"", ".", ".."} and len(part.encode()) <= 255 for part in parts)
    return good and "\\" not in path and path.isprintable() and len(path) <= LOG_PATH_LIMIT


def _as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    return None


def _url_fault(url: str) -> str | None:
    if len(url) > 2048 or not url.isprintable() or " " in url or "\\" in url or _ENCODED_CONTROL.search(url):
        return "it is too long, or has white space, backslashes or control characters"
    if url.startswith("/"):
        return _UPWARDS if ".." in url.split("/") else None
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port
    except ValueError:
        return "it cannot be read as a URL"
    if parts.scheme not in _URL_SCHEMES or not url.lower().startswith(f"{parts.scheme}://"):
        return "it is of a kind that git would run a helper program for, or of none"
    return _parts_fault(parts)


def _parts_fault(parts: urllib.parse.SplitResult) -> str | None:
    host, user = parts.hostname or "", parts.username or ""
    if host.startswith("-") or user.startswith("-") or not (host or parts.scheme == "file"):
        return "it has no host, or one or a user that starts with a dash"
    if parts.password is not None:
        return "it has a password in it, which the build's result would show to everybody"
    if parts.scheme == "file" and ".." in urllib.parse.unquote(parts.path).split("/"):
        return _UPWARDS
    return None
