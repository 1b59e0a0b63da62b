"""One plugin in one build, a stage at a time."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.model import (
    Attempt,
    Checkout,
    Environment,
    Execution,
    Finding,
    Outcome,
    Provision,
    Publication,
    Secret,
    Severity,
    Verdict,
)
from thcore.model.document import to_json
from thcore.testing.build import WORKER, ProvidedBuild, make_build
from thcore.testing.fakes import COMMIT
from thcore.testing.local import LocalPlugin, load
from thcore.testing.tree import write_tree

__all__ = ["Stage", "stage"]

_STARTED = datetime.datetime(2026, 3, 1, 10, 0, 0, tzinfo=datetime.UTC)
_ENDED = _STARTED + datetime.timedelta(seconds=12)


@frozen(eq=False)
class Stage:
    """A plugin, its options, and a real build to call it in. Each method calls one hook as the worker does: what the
    plugin answers is checked, and what it raises by mistake is a PluginError that names the line."""

    plugin: LocalPlugin
    options: Any
    build: ProvidedBuild

    @property
    def log(self) -> str:
        """The build log so far."""
        return self.build.workspace.log.read_text("utf-8", "replace")

    def checkout(self) -> Checkout:
        """Stage 1."""
        return self.plugin.plugins.checkout(self.plugin.name, self.build, self.options)

    def environment(self, checkout: Checkout | None = None) -> Environment:
        """Stage 2, of the build's work tree unless another one is given."""
        return self.plugin.plugins.environment(self.plugin.name, self.build, self.options, checkout or self._checkout())

    def execute(self, environment: Environment | None = None, checkout: Checkout | None = None) -> Execution:
        """Stage 3, in a bare environment unless one is given."""
        source, inside = checkout or self._checkout(), environment or Environment()
        return self.plugin.plugins.execute(self.plugin.name, self.build, self.options, source, inside)

    def analyse(self, execution: Execution | None = None) -> tuple[Finding, ...]:
        """Stage 4, of an execution that went well unless another one is given."""
        return self.plugin.plugins.analyse(self.plugin.name, self.build, self.options, execution or Execution(0))

    def publish(
        self,
        verdict: Verdict = Verdict.SUCCESS,
        *,
        summary: str = "",
        findings: Sequence[Finding] = (),
        evidence: Mapping[str, bytes | str] | None = None,
    ) -> Publication | None:
        """Stage 5, of a build that came to this; ``evidence`` are files by name, beside the log and result.json."""
        artifacts = self.build.workspace.artifacts
        for name, content in (evidence or {}).items():
            path = artifacts / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        outcome = self.outcome(verdict, summary=summary, findings=findings)
        (artifacts / "result.json").write_text(to_json(outcome), "utf-8")
        return self.plugin.plugins.publish(self.plugin.name, self.build, self.options, outcome)

    def outcome(self, verdict: Verdict, *, summary: str = "", findings: Sequence[Finding] = ()) -> Outcome:
        """An outcome of the build."""
        heaviest = {Verdict.FAILURE: Severity.FAILURE, Verdict.UNVERIFIED: Severity.UNVERIFIED}.get(verdict)
        found = tuple(findings) or ((Finding("made-up", heaviest, "Something"),) if heaviest else ())
        build = self.build
        return Outcome(
            build.job,
            build.id,
            build.attempt,
            build.change,
            build.log_path,
            verdict,
            summary or (found[0].message if found else "All checks passed"),
            WORKER,
            _STARTED,
            _ENDED,
            findings=found,
        )

    def cleanup(self) -> None:
        """What the worker calls after each attempt."""
        build = self.build
        attempt = Attempt(build.id, build.job, build.attempt, build.workspace.root, build.state)
        self.plugin.plugins.cleanup(self.plugin.name, attempt, self.options)

    def _checkout(self) -> Checkout:
        return Checkout(self.build.workspace.source, self.build.change.commit or COMMIT)


@contextmanager
def stage(
    directory: Path,
    plugin: object,
    options: Mapping[str, Any] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    files: Mapping[str, str] | None = None,
    log: str | None = None,
    provide: Callable[..., Provision] | None = None,
    secrets: Mapping[str, str] | None = None,
    **build: Any,
) -> Iterator[Stage]:
    """One plugin, an object or a class, in a real build in ``directory``.

    ``options`` and ``settings`` are written as in a configuration. ``files`` are in the work tree, ``log`` is what the
    build log holds; what is left out is as ``make_build`` has it, which takes the rest: ``change``, ``parameters``,
    ``attempt``, ``timeout_s`` and others. Raises AssertionError for a plugin that cannot be loaded, and ConfigError.
    """
    loaded = load(plugin)
    given = {name: Secret(text) for name, text in (secrets or {}).items()}
    with make_build(directory, settings=loaded.settings(settings), provide=provide, secrets=given, **build) as made:
        if files is not None:
            write_tree(made.workspace.source, files)
        if log is not None:
            made.workspace.log.write_text(log, "utf-8")
        yield Stage(loaded, loaded.options(options), made)
