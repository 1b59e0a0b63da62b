"""Whether a plugin keeps the contract, as findings: ``info`` for what is well, else with what to do."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import frozen
from cattrs import structure
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from thcore import __version__
from thcore.errors import InfrastructureError
from thcore.model import Command, Finding, Seconds, Severity
from thcore.plugins import discovery, fit, import_time
from thcore.plugins.examination import BEGIN, END, MODULE, Examination
from thcore.plugins.subject import Subject
from thcore.process import BuildLog, Interrupt, read, run

TIMEOUT_S = Seconds(60.0)
"""How long the import of a plugin may take before it is ended."""

_NAMED = 3
_NOTICED_S = 0.01

_SUITES = {
    "thcore_checkout": "CheckoutContract",
    "thcore_environment": "EnvironmentContract",
    "thcore_execute": "ExecutorContract",
    "thcore_analyse": "AnalyserContract",
    "thcore_publish": "PublisherContract",
}


@frozen
class _Seen:
    """What was found in an interpreter of its own, and the seconds that each package's modules took there."""

    examination: Examination
    spent: Mapping[str, float]


def check(subject: Subject) -> tuple[Finding, ...]:
    """Look at the plugin's metadata, and import it in another process to look at the rest.

    Severities: ``unverified`` keeps it from being used, or breaks the contract; ``warning`` is worth mending.
    """
    metadata = tuple(_of_metadata(subject))
    if any(finding.code == "plugin-core-unfit" for finding in metadata):
        return metadata  # it is not imported for a build either
    try:
        seen = _examined(subject)
    except InfrastructureError as error:
        return (*metadata, Finding("plugin-not-loaded", Severity.UNVERIFIED, str(error)))
    return (*metadata, *_of_contract(seen.examination), *_of_cost(seen))


def _of_metadata(subject: Subject) -> Iterator[Finding]:
    others = [
        each
        for each in discovery.candidates()
        if each.name == subject.name and each.distribution.lower() != subject.distribution.lower()
    ]
    for other in others:
        told = f"{other.distribution} {other.version} has a plugin {subject.name} as well; neither can be used"
        yield Finding("plugin-name-taken", Severity.UNVERIFIED, told, hint="Give the entry point another name.")
    if problem := fit.misfit(subject.wants, __version__, subject.distribution):
        yield Finding("plugin-core-unfit", Severity.UNVERIFIED, problem)
    elif not subject.wants and subject.distribution != fit.CORE:
        told = "its distribution does not say which versions of thcore it works with"
        yield Finding("plugin-core-unsaid", Severity.WARNING, told, hint=f'Add to its dependencies: "{_suggested()}"')
    if not _fits_python(subject.python):
        told = f"it is for Python {subject.python}, and this is {platform.python_version()}"
        yield Finding("plugin-python-unfit", Severity.UNVERIFIED, told)
    wants = f" for thcore{subject.wants}" if subject.wants else ""
    yield Finding("plugin-metadata", Severity.INFO, f"{subject.distribution} {subject.version}{wants}")


def _suggested() -> str:
    major, minor = __version__.split(".")[:2]
    return f"thcore>={major}.{minor},<{int(major) + 1}"


def _fits_python(specifiers: str) -> bool:
    try:
        return SpecifierSet(specifiers).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        return False


def _of_contract(found: Examination) -> Iterator[Finding]:
    for problem in found.problems:
        yield Finding("plugin-not-loaded", Severity.UNVERIFIED, problem)
    for place in found.privates:
        hint = "Import the public name instead; public-names.html in the documentation lists them all."
        yield Finding("plugin-private-import", Severity.UNVERIFIED, f"imports what is private: {place}", hint=hint)
    for told in found.deprecations:
        yield Finding("plugin-deprecated", Severity.WARNING, told)
    for told in found.unclear:
        yield Finding("plugin-option-unclear", Severity.WARNING, told)
    if found.hooks:
        yield Finding("plugin-hooks", Severity.INFO, f"implements {', '.join(found.hooks)}")
        suites = ", ".join(suite for hook, suite in _SUITES.items() if hook in found.hooks) or "PluginContract"
        yield Finding(
            "plugin-behaviour", Severity.INFO, f"what it does is checked by thcore.testing.contract: {suites}"
        )


def _of_cost(seen: _Seen) -> Iterator[Finding]:
    cost = seen.examination.cost
    if cost is None:
        return
    told = f"loads in {cost.cpu_s * 1000:.0f} ms of CPU, {cost.wall_s * 1000:.0f} ms in all"
    most = [
        f"{'its own modules' if package == seen.examination.package else package} {spent * 1000:.0f} ms"
        for package, spent in seen.spent.items()
        if spent >= _NOTICED_S
    ]
    told += f"; the most of it: {', '.join(most[:_NAMED])}" if most else ""
    if cost.slow:
        hint = "Import what is large where it is used, and in thcore_preload: every start of every command pays for it."
        yield Finding("plugin-import-slow", Severity.WARNING, told, hint=hint)
    else:
        yield Finding("plugin-import", Severity.INFO, told)


def _examined(subject: Subject) -> _Seen:
    """Raises InfrastructureError when the interpreter ended without an answer."""
    with tempfile.TemporaryDirectory(prefix="thcore-check-") as made, Interrupt() as interrupt:
        directory = Path(made)
        paths = [_unpacked(Path(path), directory / "wheel") for path in subject.paths]
        command = Command(
            (sys.executable, "-P", "-X", "importtime", "-m", MODULE, subject.value, *paths),
            env=os.environ,
            source="import",
            timeout_s=TIMEOUT_S,
            stdout_to=directory / "answer",
        )
        with BuildLog(directory / "log") as log:
            result = run(command, log, interrupt)
        lines = [line.text for line in read(directory / "log")]
        try:
            answer = json.loads((directory / "answer").read_text("utf-8").replace(f"{directory}/wheel/", ""))
        except (OSError, ValueError):
            last = "; ".join(_said(lines)[-3:])
            raise InfrastructureError(
                f"its import ended the interpreter: {result.reason()}{f'; {last}' if last else ''}"
            ) from None
        return _Seen(structure(answer, Examination), import_time.by_package(lines, BEGIN, END))


def _unpacked(path: Path, directory: Path) -> str:
    """Where to import from: the path itself, unless it is a wheel, whose modules are no files yet."""
    if path.suffix != ".whl":
        return str(path)
    try:
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(directory)
    except (OSError, zipfile.BadZipFile) as error:
        raise InfrastructureError(f"{path} cannot be read: {error}") from error
    return str(directory)


def _said(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if not line.startswith(("import time:", "thcore: "))]
