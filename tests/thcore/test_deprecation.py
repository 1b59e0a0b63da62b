from __future__ import annotations

import sys
import types
import warnings
from pathlib import Path

import pluggy
import pytest

from thcore import deprecation, errors
from thcore.deprecation import Deprecated, ThcoreDeprecation, deprecated, renamed
from thcore.hooks import hookimpl, hookspec


@pytest.fixture
def old_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """``thcore.errors.Fault`` is an old name of ``ChangeError``."""
    look_up = renamed("thcore.errors", {"Fault": ("ChangeError", "0.4")})
    monkeypatch.setattr(errors, "__getattr__", look_up, raising=False)


def imported(source: str, directory: Path) -> tuple[types.ModuleType, list[warnings.WarningMessage]]:
    """A plugin's module of that source, and what was said while it was imported."""
    name = f"deprecating_{abs(hash(source))}"
    (directory / f"{name}.py").write_text(source)
    sys.path.insert(0, str(directory))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return __import__(name), [each for each in caught if each.category is ThcoreDeprecation]
    finally:
        sys.path.remove(str(directory))
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("old_name")
@pytest.mark.parametrize(
    "source",
    ["\nfrom thcore.errors import Fault\n", "from thcore import errors\nFault = errors.Fault\n"],
    ids=["from import", "attribute"],
)
def test_an_old_name_works_and_is_told_at_the_plugins_own_line(tmp_path: Path, source: str) -> None:
    module, (told,) = imported(source, tmp_path)

    assert module.Fault is errors.ChangeError
    assert (told.filename, told.lineno) == (module.__file__, 2)
    assert str(told.message) == "thcore.errors.Fault is gone in thcore 0.5; its name is ChangeError now"


@pytest.mark.usefixtures("old_name")
def test_a_name_that_never_was_is_missing_as_ever(tmp_path: Path) -> None:
    with pytest.raises(ImportError, match="cannot import name 'Fold'"):
        imported("from thcore.errors import Fold\n", tmp_path)


def test_an_old_function_works_and_is_told_at_the_line_that_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def double(value: int) -> int:
        """Twice as much."""
        return 2 * value

    old = deprecated(since="1.9", instead="multiply")(double)
    monkeypatch.setattr(errors, "double", old, raising=False)

    module, (told,) = imported("import thcore.errors\n\n\nfour = thcore.errors.double(2)\n", tmp_path)

    assert module.four == 4
    assert old.__doc__ == "Twice as much."
    assert (told.filename, told.lineno) == (module.__file__, 4)
    assert str(told.message).endswith("double is gone in thcore 1.10; multiply")


def test_the_line_is_the_plugins_however_deep_in_thcore_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = compile("def outer(warn):\n    warn()\n", f"{Path(deprecation.__file__).parent}/plugins/deep.py", "exec")
    names: dict[str, object] = {}
    exec(inner, names)
    monkeypatch.setattr(errors, "outer", names["outer"], raising=False)
    monkeypatch.setattr(errors, "warn", Deprecated("it", "0.1", "do not").warn, raising=False)

    module, (told,) = imported("from thcore import errors\nerrors.outer(errors.warn)\n", tmp_path)

    assert (told.filename, told.lineno) == (module.__file__, 2)


def test_an_old_hook_is_told_at_its_implementation() -> None:
    class Specs:
        @hookspec(warn_on_impl=Deprecated("the hook thcore_old", "0.4", "implement thcore_new").warning())
        def thcore_old(self) -> None:
            """Old."""

    class Plugin:
        @hookimpl
        def thcore_old(self) -> None:
            """Old."""

    manager = pluggy.PluginManager("thcore")
    manager.add_hookspecs(Specs)

    with pytest.warns(ThcoreDeprecation, match=r"thcore_old is gone in thcore 0\.5; implement thcore_new") as caught:
        manager.register(Plugin())

    assert caught[0].filename == __file__
    assert caught[0].lineno == Plugin.thcore_old.__code__.co_firstlineno
