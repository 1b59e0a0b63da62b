"""Calls of uv: what it finds in its environment, and whose fault it is when it fails."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from thcore.builtin import system_packages
from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Command

_PASSED = re.compile(
    r"UV_(?:(?:DEFAULT_|EXTRA_)?INDEX(?:_URL)?|INDEX_\w+|NO_INDEX|FIND_LINKS|INSECURE_HOST|NATIVE_TLS|SYSTEM_CERTS|"
    r"HTTP_\w+|REQUEST_TIMEOUT|CACHE_DIR|LINK_MODE|KEYRING_PROVIDER|CONCURRENT_\w+|OFFLINE|CONFIG_FILE|"
    r"PYTHON_INSTALL_DIR)|"
    r"(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)|SSL_CLIENT_CERT|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NETRC|"
    r"XDG_CONFIG_HOME",
    re.IGNORECASE,
)
_FROM_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
}
_COMMAS = {"UV_FIND_LINKS"}
_UNREACHABLE = re.compile(
    r"error sending request|failed to fetch|request failed|connection (?:refused|reset|closed|timed out)|tcp connect|"
    r"dns error|timed? ?out|network was disabled|network connectivity is disabled|"
    r"status (?:code )?(?:401|403|407|408|429|5\d\d)|HTTP status server error|\((?:401|403|407|429|5\d\d) |"
    r"failed to download|invalid peer certificate|could not connect|unauthorized|forbidden|error decoding response",
    re.IGNORECASE,
)
_WORKER = re.compile(r"failed to read `--find-links`|failed to bytecode-compile", re.IGNORECASE)
_DISK = re.compile(
    r"no space left on device|disk quota exceeded|read-only file system|too many open files", re.IGNORECASE
)
_BUILD = re.compile(
    r"failed to (?:build|prepare)|build backend|failed to (?:resolve|install) requirements from", re.IGNORECASE
)
_UNSOLVABLE = re.compile(r"no solution found when resolving", re.IGNORECASE)
_OTHER_PYTHON = re.compile(r"current Python version \([^)]*\) does not satisfy")
_RAN = re.compile(r"build backend returned an error|\[std(?:err|out)\]", re.IGNORECASE)
_SHOWN_LINES = 15
_LOOKED_AT_LINES = 1000
"""What a compiler says of a missing header stands far above the last lines of a failed build."""


@frozen
class Uv:
    """Calls uv for one build. ``cache`` is used unless the worker names another cache. Packages that were published
    after ``exclude_newer`` are ignored; ``find_links`` are more places of packages."""

    build: Build
    cache: Path
    offline: bool = False
    exclude_newer: str | None = None
    find_links: tuple[str, ...] = ()

    @property
    def own_cache(self) -> bool:
        """Whether the cache is the worker's alone."""
        return not os.environ.get("UV_CACHE_DIR")

    def __call__(
        self,
        *argv: str,
        cwd: Path,
        third_party: bool = False,
        capture: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> str:
        """Run ``uv ARGV`` and answer its standard output, if that is captured. ``more`` are variables for it.

        Raises InfrastructureError (``index-unreachable``, ``environment-not-made``) or ChangeError
        (``environment-failed``). With ``third_party``, what is being installed is none of the change's own code: a
        package that does not build says more about the worker (no compiler, no headers) than about the change, and
        is an InfrastructureError (``package-not-built``).
        """
        from uv import find_uv_bin

        try:
            program = find_uv_bin()
        except FileNotFoundError as error:
            raise InfrastructureError(f"uv cannot be found: {error}", code="environment-not-made") from error
        options = ("--no-progress", "--color", "never", *(("--offline",) if self.offline else ()))
        command = Command(
            (program, *argv, *options),
            cwd=cwd,
            env={**variables(os.environ, self.cache), **(more or {})},
            source="uv",
            capture=capture,
            tail_lines=_LOOKED_AT_LINES,
        )
        result = self.build.run(command)
        if result.ok:
            return result.stdout.decode("utf-8", "replace")
        raise judged(f"uv {' '.join(argv[:2])}", result.reason(), result.tail, third_party=third_party)

    def install(self, venv: Path, *what: str, cwd: Path, third_party: bool = False) -> None:
        """Run ``uv pip install WHAT`` for a virtual environment, with packages from where the job says. Raises
        likewise."""
        python = ("--python", str(venv / "bin" / "python"))
        newest = ("--exclude-newer", self.exclude_newer) if self.exclude_newer else ()
        places = (part for links in self.find_links for part in ("--find-links", links))
        self("pip", "install", *python, *what, *newest, *places, cwd=cwd, third_party=third_party)


def variables(worker: Mapping[str, str], cache: Path) -> dict[str, str]:
    """What uv finds in its environment: of the worker's own only where and how to reach package indexes."""
    found = {name: value for name, value in worker.items() if _PASSED.fullmatch(name)}
    for theirs, ours in _FROM_PIP.items():
        if worker.get(theirs) and not found.get(ours):
            found[ours] = ",".join(worker[theirs].split()) if ours in _COMMAS else worker[theirs]
    home = Path(worker.get("HOME") or "/nonexistent")
    # The operator's own uv.toml and .netrc, while programs that uv starts get a home of their own.
    found.setdefault("XDG_CONFIG_HOME", str(home / ".config"))
    if (home / ".netrc").is_file():
        found.setdefault("NETRC", str(home / ".netrc"))
    found.setdefault("UV_CACHE_DIR", str(cache))
    found["UV_PYTHON_DOWNLOADS"] = "never"
    return found


def judged(what: str, reason: str, tail: tuple[str, ...], *, third_party: bool) -> Exception:
    """Whose fault a failed call of uv is, by what it said last."""
    words = "\n".join(tail)
    text = f"{what} failed ({reason}): " + "\n".join(tail[-_SHOWN_LINES:])
    if not reason.startswith("exit status") or _DISK.search(words) or _WORKER.search(words):
        return InfrastructureError(text, code="environment-not-made")
    # What a package's own build says may be about anything, also about networks.
    ran = _RAN.search(words) is not None
    if third_party and ran and (missing := system_packages.missing(words)) is not None:
        return InfrastructureError(f"{missing}\n{text}", code="package-not-built")
    if _UNREACHABLE.search(words) and (third_party or not ran):
        return InfrastructureError(text, code="index-unreachable")
    if third_party and (ran or _BUILD.search(words)):
        return InfrastructureError(text, code="package-not-built")
    return ChangeError(_unsolvable(words) or text, code="environment-failed")


def _unsolvable(words: str) -> str | None:
    """What the resolver found out, in its sentences but without its decoration; None when it found a solution."""
    found = _UNSOLVABLE.search(words)
    if found is None:
        return None
    reasons = re.sub(r"^\W*(?:cause:)?", "", words[found.end() :].partition("\n")[2])
    text = " ".join(reasons.split())
    advice = " (another Python: venv: {python: …})" if _OTHER_PYTHON.search(words) else ""
    return f"no set of packages meets what is required: {text}{advice}"
