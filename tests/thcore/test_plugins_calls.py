from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from attrs import frozen

from thcore.errors import (
    CancelledError,
    ChangeError,
    DeadlineError,
    InfrastructureError,
    PluginError,
    StoppedError,
    ThcoreError,
)
from thcore.hooks import hookimpl
from thcore.model import (
    Attempt,
    Checkout,
    Command,
    DatasetRun,
    Environment,
    Execution,
    Finding,
    Limit,
    Publication,
    Severity,
    Step,
    StepResult,
)
from thcore.plugins import Plugins
from thcore.testing import make_build

from parts.outcomes import passing

FOUND = Finding("odd", Severity.WARNING, "Odd")


class Analyser:
    """Answers, or raises, what it was made with; counts how often it was called."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer
        self.calls = 0

    @hookimpl
    def thcore_analyse(self) -> Any:
        self.calls += 1
        return self.answer()


class Doer:
    """Implements every hook with one answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    @hookimpl
    def thcore_checkout(self) -> Any:
        return self.answer

    @hookimpl
    def thcore_environment(self) -> Any:
        return self.answer

    @hookimpl
    def thcore_execute(self) -> Any:
        return self.answer

    @hookimpl
    def thcore_publish(self) -> Any:
        return self.answer

    @hookimpl
    def thcore_wrap_command(self) -> Any:
        return self.answer

    @hookimpl
    def thcore_health(self) -> Any:
        return self.answer

    @hookimpl
    def thcore_commands(self) -> Any:
        return self.answer


def loaded(**plugins: object) -> Plugins:
    made = Plugins()
    for name, plugin in plugins.items():
        assert made.add(name, plugin, distribution=f"acme-{name}", version="9.8.7"), made.problems
    return made


def analyse(plugins: Plugins, name: str) -> tuple[Finding, ...]:
    return plugins.analyse(name, None, None, Execution())  # type: ignore[arg-type] # the implementation ignores them


def fail(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def test_only_the_named_plugin_is_called() -> None:
    left, right = Analyser(lambda: [FOUND]), Analyser(lambda: [FOUND, FOUND])
    plugins = loaded(left=left, right=right)
    assert len(analyse(plugins, "left")) == 1
    assert (left.calls, right.calls) == (1, 0)
    assert [finding.plugin for finding in analyse(plugins, "right")] == ["right", "right"]
    assert (left.calls, right.calls) == (1, 1)


def test_a_plugin_that_is_added_later_is_not_called_in_the_place_of_another() -> None:
    early, late = Analyser(lambda: [FOUND]), Analyser(list)
    plugins = loaded(early=early)
    assert analyse(plugins, "early")
    plugins.add("late", late)
    assert analyse(plugins, "early")
    assert (early.calls, late.calls) == (2, 0)


def test_a_plugin_that_cannot_be_added_is_never_called() -> None:
    class Refused(Analyser):
        @hookimpl
        def thcore_job_options(self) -> Any:
            return "no class"

    good, refused = Analyser(lambda: [FOUND]), Refused(list)
    plugins = loaded(good=good)
    assert not plugins.add("refused", refused)
    assert analyse(plugins, "good")
    assert refused.calls == 0
    assert plugins.implementing("thcore_analyse") == ("good",)


def test_a_second_plugin_of_a_name_is_refused_and_the_first_stays() -> None:
    first, second = Analyser(lambda: [FOUND]), Analyser(list)
    plugins = loaded(one=first)
    assert not plugins.add("one", second)
    assert analyse(plugins, "one")
    assert (first.calls, second.calls) == (1, 0)


@pytest.mark.parametrize(
    "error", [ValueError("bad value"), SystemExit(3), GeneratorExit("over"), RecursionError("deep"), AssertionError()]
)
def test_whatever_a_hook_raises_becomes_an_error_that_names_plugin_distribution_version_and_hook(
    error: BaseException,
) -> None:
    plugins = loaded(sad=Analyser(fail(error)))
    with pytest.raises(PluginError) as caught:
        analyse(plugins, "sad")
    text = str(caught.value)
    assert text.startswith("plugin sad (acme-sad 9.8.7), thcore_analyse raised ")
    assert type(error).__name__ in text
    assert str(Path(__file__)) in text, "the author is shown the line"


@pytest.mark.parametrize(
    "error",
    [
        ChangeError("the change", code="its-code"),
        InfrastructureError("ours"),
        CancelledError("stop"),
        DeadlineError("late"),
        StoppedError("end"),
        KeyboardInterrupt(),
    ],
)
def test_errors_of_the_contract_pass_as_they_are(error: BaseException) -> None:
    plugins = loaded(honest=Analyser(fail(error)))
    with pytest.raises(type(error)) as caught:
        analyse(plugins, "honest")
    assert caught.value is error


def test_a_generator_that_raises_half_way_is_caught() -> None:
    def findings() -> Iterator[Finding]:
        yield FOUND
        raise ValueError("half way")

    plugins = loaded(half=Analyser(findings))
    with pytest.raises(PluginError, match=r"plugin half .* raised ValueError: half way"):
        analyse(plugins, "half")


def test_any_other_lazy_answer_that_raises_is_caught_as_well() -> None:
    plugins = loaded(lazy=Analyser(lambda: map(fail_on, [FOUND])))
    with pytest.raises(PluginError, match=r"plugin lazy .* raised ZeroDivisionError"):
        analyse(plugins, "lazy")


def fail_on(_finding: Finding) -> Finding:
    raise ZeroDivisionError("too late")


def test_a_lazy_answer_that_is_told_to_stop_stops() -> None:
    def findings() -> Iterator[Finding]:
        yield FOUND
        raise CancelledError("stop")

    with pytest.raises(CancelledError):
        analyse(loaded(half=Analyser(findings)), "half")


@pytest.mark.parametrize("answer", ["text", 7, {"code": "odd"}, [FOUND, "text"], FOUND])
def test_an_analyser_that_answers_anything_but_findings_is_told_so(answer: Any) -> None:
    plugins = loaded(odd=Analyser(lambda: answer))
    with pytest.raises(PluginError, match=r"plugin odd \(acme-odd 9\.8\.7\), thcore_analyse answered"):
        analyse(plugins, "odd")


def test_an_analyser_may_answer_none_a_list_or_a_generator() -> None:
    for answer in (lambda: None, list, tuple, lambda: iter(())):
        assert analyse(loaded(quiet=Analyser(answer)), "quiet") == ()


def test_an_answer_whose_text_raises_or_is_huge_is_still_told() -> None:
    class Rude:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(PluginError, match="answered"):
        analyse(loaded(rude=Analyser(lambda: [Rude()])), "rude")
    with pytest.raises(PluginError) as caught:
        analyse(loaded(huge=Analyser(lambda: ["x" * 10**6])), "huge")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("hook", ["checkout", "environment", "execute"])
@pytest.mark.parametrize("answer", [None, "text", {}])
def test_a_single_stage_must_answer_its_own_type(hook: str, answer: Any, tmp_path: Path) -> None:
    plugins = loaded(doer=Doer(answer))
    arguments: dict[str, tuple[Any, ...]] = {
        "checkout": (),
        "environment": (Checkout(tmp_path, "0" * 40),),
        "execute": (Checkout(tmp_path, "0" * 40), Environment()),
    }
    with (
        make_build(tmp_path) as build,
        pytest.raises(PluginError, match=f"thcore_{hook} answered .* where an? {hook.capitalize()[:6]}"),
    ):
        getattr(plugins, hook)("doer", build, None, *arguments[hook])


def test_publishers_and_wrappers_may_answer_none_but_nothing_odd(tmp_path: Path) -> None:
    command = Command(("true",))
    with make_build(tmp_path) as build:
        quiet, odd = loaded(doer=Doer(None)), loaded(doer=Doer(5))
        assert quiet.publish("doer", build, None, passing()) is None
        assert quiet.wrap_command("doer", build, None, command) is command
        assert quiet.health("doer", None, tmp_path, tmp_path) == ()
        assert quiet.commands("doer") == ()
        with pytest.raises(PluginError, match="a Publication was expected"):
            odd.publish("doer", build, None, passing())
        with pytest.raises(PluginError, match="a Command was expected"):
            odd.wrap_command("doer", build, None, command)
        with pytest.raises(PluginError, match="not a list"):
            odd.commands("doer")


def test_a_publication_and_a_check_carry_the_name_of_their_plugin(tmp_path: Path) -> None:
    with make_build(tmp_path) as build:
        published = loaded(doer=Doer(Publication("https://logs.example.org/"))).publish("doer", build, None, passing())
        assert published == Publication("https://logs.example.org/", "doer")
    assert loaded(doer=Doer([FOUND])).health("doer", None, tmp_path, tmp_path)[0].plugin == "doer"
    assert loaded(doer=Doer([click.Command("hello")])).commands("doer")[0].name == "hello"


def test_a_finding_with_plain_values_in_the_place_of_the_right_ones_is_read_as_meant() -> None:
    plain: Any = Finding("odd", Severity.FAILURE, "Odd", evidence=["line"])  # type: ignore[arg-type] # the point of it
    (found,) = analyse(loaded(plain=Analyser(lambda: [plain])), "plain")
    assert found.evidence == ("line",)


@pytest.mark.parametrize(
    "values",
    [
        {"severity": "terrible"},
        {"location": "somewhere"},
        {"evidence": 5},
        {"evidence": "text"},
        {"message": None},
        {"hint": object()},
    ],
)
def test_a_finding_that_could_not_be_written_down_is_the_plugins_error(values: dict[str, Any]) -> None:
    wrong = Finding(**{"code": "odd", "severity": Severity.INFO, "message": "Odd", **values})
    with pytest.raises(PluginError, match="thcore_analyse answered"):
        analyse(loaded(wrong=Analyser(lambda: [wrong])), "wrong")


def test_a_measurement_that_is_no_number_is_the_plugins_error(tmp_path: Path) -> None:
    limit = Limit("wall_s", float("nan"), "here")
    run = DatasetRun(
        "shop", "sqlite", "3", "f", "alembic", steps=(StepResult(Step("1"), added=True, result="ok", limits=(limit,)),)
    )
    plugins = loaded(doer=Doer(Execution(datasets=(run,))))
    with make_build(tmp_path) as build, pytest.raises(PluginError, match="thcore_execute answered"):
        plugins.execute("doer", build, None, Checkout(tmp_path, "0" * 40), Environment())


def test_events_health_and_cleanup_are_guarded_too(tmp_path: Path) -> None:
    class Grumpy:
        @hookimpl
        def thcore_cleanup(self) -> None:
            raise OSError(28, "disk full")

        @hookimpl
        def thcore_worker_event(self) -> None:
            raise SystemExit

        @hookimpl
        def thcore_build_event(self) -> None:
            raise ValueError

        @hookimpl
        def thcore_health(self) -> Iterator[Finding]:
            yield FOUND
            raise ThcoreError("on purpose")

    plugins = loaded(grumpy=Grumpy())
    with pytest.raises(PluginError, match="thcore_cleanup raised OSError"):
        plugins.cleanup("grumpy", Attempt("b", "job", 1, tmp_path, tmp_path), None)
    with pytest.raises(PluginError, match="thcore_worker_event raised SystemExit"):
        plugins.worker_event("grumpy", None)  # type: ignore[arg-type] # not looked at
    with pytest.raises(PluginError, match="thcore_build_event raised ValueError"):
        plugins.build_event("grumpy", None)  # type: ignore[arg-type] # not looked at
    with pytest.raises(ThcoreError, match="on purpose"):
        plugins.health("grumpy", None, tmp_path, tmp_path)


def test_options_and_settings_are_asked_for_once_when_a_plugin_is_added() -> None:
    asked: list[str] = []

    @frozen
    class Options:
        limit: int = 3

    class Asked:
        @hookimpl
        def thcore_job_options(self) -> type[Options]:
            asked.append("options")
            return Options

        @hookimpl
        def thcore_settings(self) -> None:
            asked.append("settings")

    plugins = loaded(asked=Asked())
    assert plugins.get("asked").options is Options
    assert plugins.get("asked").settings is None
    assert asked == ["options", "settings"]
