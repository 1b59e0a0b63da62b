"""The plugins of this process, and one typed method per hook. The only place that uses pluggy's manager.

Every method calls exactly one plugin. What an implementation answers is taken out of its iterator inside the guard, so
that a generator which raises is caught as well. Errors that are part of the contract (``thcore.errors``) pass; anything
else becomes a PluginError that names plugin, distribution, version and hook.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click
import pluggy
from attrs import evolve, frozen

from thcore import __version__
from thcore.errors import PluginError, ThcoreError
from thcore.hooks import PROJECT, Build, specs
from thcore.model import (
    Attempt,
    BuildEvent,
    BuildRequest,
    Checkout,
    Command,
    Environment,
    Execution,
    Finding,
    LivePage,
    Outcome,
    PluginInfo,
    Publication,
    WorkerEvent,
)
from thcore.model.document import checked
from thcore.plugins import discovery, trace
from thcore.plugins.cost import Cost, measured
from thcore.plugins.discovery import Candidate, Problem
from thcore.plugins.signature import implementations

T = TypeVar("T")

_COMMIT = re.compile(r"[0-9a-f]{40}")

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 200


@frozen
class Loaded:
    """A plugin that is ready to be called. ``cost`` is what loading it took, where it was found by its name."""

    info: PluginInfo
    plugin: object
    implementations: Mapping[str, Callable[..., Any]]
    options: type[Any] | None = None
    settings: type[Any] | None = None
    cost: Cost | None = None

    @property
    def hooks(self) -> frozenset[str]:
        """Names of the hooks that it implements."""
        return frozenset(self.implementations)


class Plugins:
    """Loaded plugins by name, and what kept others from loading."""

    def __init__(self) -> None:
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(specs)
        self._loaded: dict[str, Loaded] = {}
        self._problems: list[Problem] = []
        self._disabled: tuple[Candidate, ...] = ()
        self._callers: dict[tuple[str, str], Callable[..., Any]] = {}
        self._traced = trace.wanted()

    @classmethod
    def installed(cls, names: Collection[str] | None = None) -> Plugins:
        """Load installed plugins: those with the given names, or all. Others are not even imported.

        Nor are those that ``THCORE_DISABLE_PLUGINS`` names.
        """
        plugins = cls()
        found = [candidate for candidate in discovery.candidates() if names is None or candidate.name in names]
        off = discovery.disabled()
        plugins._disabled = tuple(candidate for candidate in found if discovery.is_disabled(candidate, off))
        found = [candidate for candidate in found if candidate not in plugins._disabled]
        plugins._problems.extend(discovery.duplicates(found))
        clashing = {problem.plugin for problem in plugins._problems}
        for candidate in found:
            if candidate.name not in clashing:
                plugins._load(candidate)
        return plugins

    def _load(self, candidate: Candidate) -> None:
        costs: list[Cost] = []
        with measured(costs):
            found = discovery.load(candidate, __version__)
            if isinstance(found, Problem):
                self._problems.append(found)
                return
            added = self.add(candidate.name, found, distribution=candidate.distribution, version=candidate.version)
        if added:
            self._loaded[candidate.name] = evolve(self._loaded[candidate.name], cost=costs[0])

    def add(self, name: str, plugin: object, *, distribution: str = "local", version: str = "0") -> bool:
        """Register an object as a plugin; answers whether it could be. Used for installed plugins and by tests."""
        info = PluginInfo(name, distribution, version)
        try:
            found = implementations(plugin, self._pluggy)
            self._pluggy.register(plugin, name)
            options = self._ask_class(info, plugin, "thcore_job_options") if "thcore_job_options" in found else None
            settings = self._ask_class(info, plugin, "thcore_settings") if "thcore_settings" in found else None
        except (ValueError, ThcoreError, pluggy.PluginValidationError) as error:
            if self._pluggy.has_plugin(name) and self._pluggy.get_plugin(name) is plugin:
                self._pluggy.unregister(name=name)
            self._problems.append(Problem(name, distribution, version, _without_label(info, str(error))))
            return False
        finally:
            self._callers.clear()  # each excludes the plugins known when it was made
        self._loaded[name] = Loaded(info, plugin, found, options, settings)
        return True

    def _ask_class(self, info: PluginInfo, plugin: object, hook: str) -> type[Any] | None:
        answer = self._guarded(info, hook, self._caller(info.name, plugin, hook))
        if answer is not None and not (isinstance(answer, type) and attrs.has(answer)):
            raise ValueError(f"{hook} must answer an attrs class, not {_shown(answer)}")
        return answer

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the loaded plugins, sorted."""
        return tuple(sorted(self._loaded))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What kept plugins from being loaded."""
        return tuple(self._problems)

    @property
    def disabled(self) -> tuple[Candidate, ...]:
        """Which plugins the environment keeps from being loaded."""
        return self._disabled

    def get(self, name: str) -> Loaded:
        """A loaded plugin. Raises KeyError."""
        return self._loaded[name]

    def implementing(self, hook: str, names: Iterable[str] | None = None) -> tuple[str, ...]:
        """Which of the named plugins (or of all) implement a hook, in the order given."""
        return tuple(name for name in (names if names is not None else self.names) if hook in self._loaded[name].hooks)

    def preload(self, name: str) -> None:
        """Let the named plugin prepare what builds need, in the nursery."""
        self._call(name, "thcore_preload")

    # Stages, in the child process.

    def checkout(self, name: str, build: Build, options: Any) -> Checkout:
        """Stage 1, by the named plugin."""
        answer = self._expect(Checkout, name, "thcore_checkout", build=build, options=options)
        return self._sound(name, "thcore_checkout", answer)

    def resolve(self, name: str, build: Build, options: Any) -> str | None:
        """The commit of another revision, by the named plugin; None when it cannot tell without checking it out."""
        answer = self._call(name, "thcore_resolve", build=build, options=options)
        if answer is None or (isinstance(answer, str) and _COMMIT.fullmatch(answer)):
            return answer
        label = _label(self._loaded[name].info, "thcore_resolve")
        raise PluginError(f"{label} answered {_shown(answer)} where a commit of 40 hexadecimal digits was expected")

    def stands_for(self, name: str, build: Build, options: Any) -> dict[str, Any]:
        """What those of the named plugin's options stand for now that name something, by field."""
        info, named = self._loaded[name].info, {}
        for each in attrs.fields(type(options)) if options is not None else ():
            if ask := each.metadata.get("stands_for"):
                value = getattr(options, each.name)
                named[each.name] = self._guarded(
                    info, f"option {each.name}", lambda ask=ask, value=value: [ask(build, value)]
                )
        return named

    def environment(self, name: str, build: Build, options: Any, checkout: Checkout) -> Environment:
        """Stage 2, by the named plugin."""
        return self._expect(Environment, name, "thcore_environment", build=build, options=options, checkout=checkout)

    def execute(self, name: str, build: Build, options: Any, checkout: Checkout, environment: Environment) -> Execution:
        """Stage 3, by the named plugin."""
        answer = self._expect(
            Execution,
            name,
            "thcore_execute",
            build=build,
            options=options,
            checkout=checkout,
            environment=environment,
        )
        # Records and artifacts stay on this side of result.json: their values are the plugin's own.
        told = self._sound(name, "thcore_execute", attrs.evolve(answer, records=(), artifacts=()))
        return attrs.evolve(told, records=answer.records, artifacts=answer.artifacts)

    def analyse(self, name: str, build: Build, options: Any, execution: Execution) -> tuple[Finding, ...]:
        """Stage 4, by the named plugin; each finding carries its name."""
        found = self._expect_all(Finding, name, "thcore_analyse", build=build, options=options, execution=execution)
        return tuple(attrs.evolve(self._sound(name, "thcore_analyse", finding), plugin=name) for finding in found)

    def publish(self, name: str, build: Build, options: Any, outcome: Outcome) -> Publication | None:
        """Stage 5, by the named plugin; the publication carries its name."""
        return self._publication(name, "thcore_publish", build=build, options=options, outcome=outcome)

    def publish_live(self, name: str, build: Build, options: Any, page: LivePage) -> Publication | None:
        """The page of a build that runs, by the named plugin; the publication carries its name."""
        return self._publication(name, "thcore_publish_live", build=build, options=options, page=page)

    def _publication(self, name: str, hook: str, **arguments: Any) -> Publication | None:
        answer = self._call(name, hook, **arguments)
        if answer is None:
            return None
        return attrs.evolve(self._sound(name, hook, self._checked(Publication, name, hook, answer)), plugin=name)

    def wrap_command(self, name: str, build: Build, options: Any, command: Command) -> Command:
        """Let the named plugin change a program call."""
        answer = self._call(name, "thcore_wrap_command", build=build, options=options, command=command)
        return command if answer is None else self._checked(Command, name, "thcore_wrap_command", answer)

    # In the worker.

    def address(self, name: str, request: BuildRequest, options: Any, settings: Any) -> str | None:
        """Where the named plugin will publish a build; None when it does not know yet."""
        answer = self._call(name, "thcore_address", request=request, options=options, settings=settings)
        return None if answer is None else self._checked(str, name, "thcore_address", answer)

    def cleanup(self, name: str, attempt: Attempt, options: Any) -> None:
        """Let the named plugin put away what an attempt left."""
        self._call(name, "thcore_cleanup", attempt=attempt, options=options)

    def build_event(self, name: str, event: BuildEvent) -> None:
        """Tell the named plugin what happened to a build."""
        self._call(name, "thcore_build_event", event=event)

    def worker_event(self, name: str, event: WorkerEvent) -> None:
        """Tell the named plugin what happened to the worker."""
        self._call(name, "thcore_worker_event", event=event)

    def health(
        self, name: str, settings: Any, state: Path, work: Path, options: tuple[Any, ...] = ()
    ) -> tuple[Finding, ...]:
        """The named plugin's checks."""
        found = self._expect_all(
            Finding, name, "thcore_health", settings=settings, state=state, work=work, options=options
        )
        return tuple(attrs.evolve(self._sound(name, "thcore_health", finding), plugin=name) for finding in found)

    def commands(self, name: str) -> tuple[click.Command, ...]:
        """Commands that the named plugin adds to the command line."""
        return self._expect_all(click.Command, name, "thcore_commands")

    # Calling.

    def _caller(self, name: str, plugin: object, hook: str) -> Callable[..., Any]:
        key = (name, hook)
        if key not in self._callers:
            others = [other for other in self._pluggy.get_plugins() if other is not plugin]
            self._callers[key] = self._pluggy.subset_hook_caller(hook, others)
        return self._callers[key]

    def _call(self, name: str, hook: str, **arguments: Any) -> Any:
        loaded = self._loaded[name]
        if hook not in loaded.implementations:
            return None
        return self._guarded(loaded.info, hook, self._caller(name, loaded.plugin, hook), **arguments)

    def _guarded(self, info: PluginInfo, hook: str, caller: Callable[..., Any], **arguments: Any) -> Any:
        if not self._traced:
            return self._answer(info, hook, caller, **arguments)
        with trace.told(info.name, hook, arguments) as call:
            call.answer = self._answer(info, hook, caller, **arguments)
            return call.answer

    def _answer(self, info: PluginInfo, hook: str, caller: Callable[..., Any], **arguments: Any) -> Any:
        try:
            answers = caller(**arguments)
            answer = answers[0] if answers else None
            return tuple(answer) if isinstance(answer, Iterator) else answer
        except (ThcoreError, KeyboardInterrupt):
            raise
        except BaseException as error:
            detail = f"{type(error).__name__}: {error}"
            raise PluginError(f"{_label(info, hook)} raised {detail}{_where(error)}") from error

    def _expect(self, kind: type[T], name: str, hook: str, **arguments: Any) -> T:
        return self._checked(kind, name, hook, self._call(name, hook, **arguments))

    def _expect_all(self, kind: type[T], name: str, hook: str, **arguments: Any) -> tuple[T, ...]:
        answer = self._call(name, hook, **arguments)
        if answer is None:
            return ()
        if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
            raise PluginError(f"{_label(self._loaded[name].info, hook)} answered {_shown(answer)}, not a list")
        return tuple(self._checked(kind, name, hook, item) for item in answer)

    def _checked(self, kind: type[T], name: str, hook: str, answer: Any) -> T:
        if not isinstance(answer, kind):
            raise PluginError(
                f"{_label(self._loaded[name].info, hook)} answered {_shown(answer)} where {_a(kind)} was expected"
            )
        return answer

    def _sound(self, name: str, hook: str, answer: T) -> T:
        try:
            return checked(answer)
        except ValueError as error:
            raise PluginError(f"{_label(self._loaded[name].info, hook)} answered {error}") from error


def _label(info: PluginInfo, hook: str) -> str:
    return f"plugin {info.name} ({info.distribution} {info.version}), {hook}"


def _without_label(info: PluginInfo, message: str) -> str:
    """The message without the plugin's label, which a Problem puts in front by itself; in one line."""
    return " ".join(message.removeprefix(_label(info, "")).split())


def _shown(answer: object) -> str:
    """An answer as text: short, and safe even where its own ``__repr__`` raises."""
    return _REPR.repr(answer)


def _a(kind: type[Any]) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def _where(error: BaseException) -> str:
    """The innermost line that the error came from, which is the plugin's author's way in."""
    traceback = error.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return f" ({traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno})" if traceback else ""
