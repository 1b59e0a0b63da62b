from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.builtin import interpreters, seal
from thcore.builtin.lock import locked
from thcore.builtin.requirements import Requirements, logical_lines, read
from thcore.builtin.uv_process import Uv, judged, variables
from thcore.builtin.venv import VenvOptions, VenvPlugin, plugin
from thcore.errors import CancelledError, ChangeError, InfrastructureError
from thcore.hooks import Build, hookimpl
from thcore.model import Attempt, Checkout, Command, Environment, Execution, Verdict
from thcore.process import Interrupt
from thcore.testing import make_build, run_job

from parts.package import project_files, wheel
from parts.package_index import package_index


@pytest.fixture(autouse=True)
def _no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_CACHE_DIR", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def options(tmp_path: Path) -> VenvOptions:
    (tmp_path / "wheels").mkdir()
    return VenvOptions(find_links=(str(tmp_path / "wheels"),), offline=True)


def tree(path: Path, files: Mapping[str, str]) -> Checkout:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return Checkout(path, "1" * 40)


def make(
    tmp_path: Path, options: VenvOptions, files: Mapping[str, str], build_id: str = "b1"
) -> tuple[Environment, Path]:
    with make_build(tmp_path, build_id=build_id) as build:
        checkout = tree(build.workspace.source, files)
        return plugin.thcore_environment(build, options, checkout), build.workspace.log


def says(build: Build, environment: Environment, *argv: str) -> str:
    result = build.run(Command(argv, capture=True), environment=environment)
    assert result.ok, result.tail
    return result.stdout.decode().strip()


def bases(tmp_path: Path) -> set[str]:
    return {path.parent.name for path in (tmp_path / "state").rglob("OK")}


def test_requirements_are_installed_once_and_the_project_for_each_build(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "tool", text="def main():\n    import product\n    print('tool sees', product.WHO)\n",
          scripts={"tool": "tool:main"})  # fmt: skip

    for build_id in ("b1", "b2"):
        files = project_files("product", text=f"WHO = {build_id!r}\n", requires=["unheard-of"])
        files["requirements.txt"] = "tool>=1  # the tool\n"
        with make_build(tmp_path, build_id=build_id) as build:
            checkout = tree(build.workspace.source, files)
            environment = plugin.thcore_environment(build, options, checkout)

            assert environment.python is not None
            assert says(build, environment, "python", "-c", "import tool, product; print(product.WHO)") == build_id
            assert says(build, environment, "tool") == f"tool sees {build_id}"
            assert says(build, environment, "python", "-c", "import product; print(product.__file__)") == str(
                build.workspace.source / "product.py"
            )
            assert environment.description == ("tool==1.0",)
            assert environment.variables["VIRTUAL_ENV"] == str(build.workspace.root / "venv")
            log = build.workspace.log.read_text()
            assert ("making the environment" in log) == (build_id == "b1")
            assert ("is here already" in log) == (build_id == "b2")

    assert len(bases(tmp_path)) == 1


def test_a_project_without_requirement_files_gets_what_it_declares(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed")

    environment, _ = make(tmp_path, options, project_files("product", requires=["needed==1.0"]))

    assert environment.description == ("needed==1.0",)


def test_a_project_that_declares_when_built_gets_its_needs_too(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed", text="VALUE = 7\n")
    files = project_files("product", requires=["needed"], dynamic=True)

    with make_build(tmp_path) as build:
        environment = plugin.thcore_environment(build, options, tree(build.workspace.source, files))
        assert says(build, environment, "python", "-c", "import needed, product; print(needed.VALUE)") == "7"


def test_a_project_can_be_installed_as_its_users_get_it(tmp_path: Path, options: VenvOptions) -> None:
    with make_build(tmp_path) as build:
        checkout = tree(build.workspace.source, project_files("product", scripts={"product": "product:main"}))
        environment = plugin.thcore_environment(build, evolve(options, editable=False), checkout)
        place = says(build, environment, "python", "-c", "import product; print(product.__file__)")

    assert place.startswith(str(build.workspace.root / "venv"))


def test_a_tree_that_is_no_project_gets_its_requirements_only(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed")

    environment, _ = make(tmp_path, options, {"requirements.txt": "needed\n", "manage.py": ""})

    assert environment.description == ("needed==1.0",)


def test_packages_of_the_options_and_constraints_count(tmp_path: Path, options: VenvOptions) -> None:
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", "needed", version)
        wheel(tmp_path / "wheels", "driver", version)
    (tmp_path / "upper.txt").write_text("driver==1.0\n")
    more = evolve(options, packages=("driver",), constraints=("limits/upper.txt", str(tmp_path / "upper.txt")))

    environment, _ = make(tmp_path, more, {"requirements.txt": "needed\n", "limits/upper.txt": "needed<2\n"})

    assert environment.description == ("driver==1.0", "needed==1.0")


def test_the_content_decides_not_the_name_of_the_file(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed")
    included = {"requirements.txt": "-r more/base.txt\n", "more/base.txt": "needed  # here\n"}

    make(tmp_path, options, {"requirements.txt": "# other words\nneeded\n"}, "b1")
    make(tmp_path, options, included, "b2")
    assert len(bases(tmp_path)) == 1

    make(tmp_path, options, {"requirements.txt": "needed==1.0\n"}, "b3")
    assert len(bases(tmp_path)) == 2


def test_a_wheel_that_is_added_counts(tmp_path: Path, options: VenvOptions) -> None:
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", "tool", version)
        environment, _ = make(tmp_path, options, {"requirements.txt": "tool"}, f"b{version}")
        assert environment.description == (f"tool=={version}",)
    assert len(bases(tmp_path)) == 2


class Asking(VenvPlugin):
    """Asks how a job is prepared, and makes no environment."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @hookimpl
    def thcore_checkout(self, build: Build) -> Checkout:
        return tree(build.workspace.source, {"README": ""})

    @hookimpl
    def thcore_environment(self) -> Environment:
        return Environment()

    @hookimpl
    def thcore_execute(self, build: Build) -> Execution:
        self.told.append(build.preparation())
        return Execution(0)


@pytest.fixture
def preparation(tmp_path: Path) -> Callable[[VenvOptions], str]:
    """Says how a job with such options is prepared at this moment."""
    asking = Asking()

    def told(options: VenvOptions) -> str:
        outcome, _ = run_job(tmp_path / f"job{len(asking.told)}", {"venv": asking}, options={"venv": options})
        assert outcome.verdict is Verdict.SUCCESS, outcome.summary
        return asking.told[-1]

    return told


def test_the_words_of_a_workers_constraint_file_are_part_of_the_preparation(
    tmp_path: Path, preparation: Callable[[VenvOptions], str]
) -> None:
    upper, included = tmp_path / "upper.txt", tmp_path / "included.txt"
    options = VenvOptions(constraints=("in/the/checkout.txt", str(upper)))
    upper.write_text("tool<2\n-c included.txt\n")
    included.write_text("other<2\n")
    first = preparation(options)
    upper.write_text("# the same\ntool<2\n-c included.txt\n")
    assert preparation(options) == first
    included.write_text("other<3\n")
    second = preparation(options)
    upper.write_text("tool<3\n-c included.txt\n")
    assert len({first, second, preparation(options)}) == 3


@pytest.mark.parametrize("address", ["{}", "file://{}"])
def test_the_wheels_of_a_directory_are_part_of_the_preparation(
    tmp_path: Path, preparation: Callable[[VenvOptions], str], address: str
) -> None:
    directory = tmp_path / "wheels"
    options = VenvOptions(find_links=("https://wheels.example.org/", address.format(directory)))
    told = [preparation(options)]
    directory.mkdir()
    for version in ("1.0", "2.0"):
        wheel(directory, "tool", version)
        told += [preparation(options), preparation(options)]
    (directory / "tool-2.0-py3-none-any.whl").write_bytes(b"built again")
    told.append(preparation(options))
    assert told[1] == told[2]
    assert told[3] == told[4]
    assert len(set(told)) == 4


def test_the_interpreter_that_a_version_means_is_part_of_the_preparation(
    preparation: Callable[[VenvOptions], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def machine(path: str, version: str) -> None:
        found = interpreters.Interpreter(Path(path), version)
        monkeypatch.setattr(interpreters, "find", lambda *_arguments, **_keys: found)

    told = []
    for path, version in (
        ("/opt/a/python3.9", "CPython 3.9.18"),
        ("/opt/a/python3.9", "CPython 3.9.18"),
        ("/opt/a/python3.9", "CPython 3.9.19"),
        ("/opt/b/python3.9", "CPython 3.9.19"),
    ):
        machine(path, version)
        told.append(preparation(VenvOptions(python="3.9")))
    assert told[0] == told[1]
    assert len(set(told)) == 3


def test_the_interpreter_of_a_preparation_is_found_as_for_environments(
    preparation: Callable[[VenvOptions], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[interpreters.Interpreter] = []
    find = interpreters.find

    def noted(*arguments: Any, **keys: Any) -> interpreters.Interpreter:
        found.append(find(*arguments, **keys))
        return found[-1]

    monkeypatch.setattr(interpreters, "find", noted)
    own = Path(sys.executable).resolve()
    preparation(VenvOptions(python=str(own)))
    (python,) = found
    assert python.identity == [str(own), f"CPython {platform.python_version()}"]


def test_builds_at_once_make_an_environment_once(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed")

    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda number: make(tmp_path, options, {"requirements.txt": "needed"}, f"b{number}"), range(4))
        )

    assert sum("making the environment" in log.read_text() for _, log in made) == 1
    assert {environment.description for environment, _ in made} == {("needed==1.0",)}


def test_a_build_that_waits_for_an_environment_says_so(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed")
    files = {"requirements.txt": "needed\n"}
    make(tmp_path, options, files)
    (ready,) = (tmp_path / "state").rglob("OK")
    log = tmp_path / "workspace-b2-1" / "artifacts" / "console.log"

    with ThreadPoolExecutor(1) as pool:
        with locked(ready.parent.with_suffix(".lock"), lambda: None):
            waiting = pool.submit(make, tmp_path, options, files, "b2")
            deadline = time.monotonic() + 30
            while not (log.exists() and "waiting for another build" in log.read_text()):
                assert time.monotonic() < deadline
        waiting.result()

    assert "is here already" in log.read_text()


def test_a_half_made_environment_is_not_used(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed")
    files = {"requirements.txt": "needed\n"}
    make(tmp_path, options, files)
    (ok,) = (tmp_path / "state").rglob("OK")
    ok.unlink()
    seal.remove(ok.parent / "venv" / "lib")

    environment, log = make(tmp_path, options, files, "b2")

    assert "making the environment" in log.read_text()
    assert environment.description == ("needed==1.0",)


def test_cleanup_removes_a_half_made_environment_unless_it_is_being_made(tmp_path: Path, options: VenvOptions) -> None:
    wheel(tmp_path / "wheels", "needed")
    make(tmp_path, options, {"requirements.txt": "needed\n"})
    (ok,) = (tmp_path / "state").rglob("OK")
    state = next(path for path in ok.parents if (path / "environments").exists())
    attempt = Attempt("b1", "job", 1, tmp_path, state)

    plugin.thcore_cleanup(attempt)
    assert ok.exists(), "it is whole"
    ok.unlink()
    with locked(ok.parent.with_suffix(".lock"), lambda: None):
        plugin.thcore_cleanup(attempt)
        assert ok.parent.exists()
    plugin.thcore_cleanup(attempt)
    assert not ok.parent.exists()


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        ("needed==1\nneeded==2\n", "unsatisfiable"),
        ("not a requirement\n", "parse"),
        ("-r /etc/passwd\n", "outside the checkout"),
        ("-c ../../../secret.txt\n", "outside the checkout"),
        ("-r requirements.txt\n", "include each other"),
        ("-r missing.txt\n", "no missing.txt"),
        ("-e ../..\n", "outside the checkout"),
        ("other @ file:///etc\n", "outside the checkout"),
        ("-f /\nneeded\n", "outside the checkout"),
    ],
)
def test_requirements_that_cannot_be_are_the_changes_fault(
    tmp_path: Path, options: VenvOptions, requirements: str, words: str
) -> None:
    with pytest.raises(ChangeError, match=words) as raised:
        make(tmp_path, options, {"requirements.txt": requirements})

    assert raised.value.code == "environment-failed"
    assert bases(tmp_path) == set()


def test_a_link_out_of_the_checkout_is_not_followed(tmp_path: Path, options: VenvOptions) -> None:
    (tmp_path / "secret.txt").write_text("secret-package\n")
    with make_build(tmp_path) as build:
        checkout = tree(build.workspace.source, {"README": ""})
        (checkout.path / "requirements.txt").symlink_to(tmp_path / "secret.txt")
        with pytest.raises(ChangeError, match="outside the checkout"):
            plugin.thcore_environment(build, options, checkout)


def test_a_named_requirement_file_must_be_there(tmp_path: Path, options: VenvOptions) -> None:
    with pytest.raises(ChangeError, match=r"the change has no test-requirements\.txt"):
        make(tmp_path, evolve(options, requirements=("test-requirements.txt",)), {"README": ""})


def test_a_constraint_file_of_the_worker_that_is_missing_is_no_fault_of_the_change(
    tmp_path: Path, options: VenvOptions
) -> None:
    with pytest.raises(InfrastructureError, match="is not there"):
        make(tmp_path, evolve(options, constraints=(str(tmp_path / "none.txt"),)), {"README": ""})


def test_a_project_that_does_not_build_is_the_changes_fault(tmp_path: Path, options: VenvOptions) -> None:
    files = project_files("product")
    files["own_backend.py"] = "def build_editable(*_):\n    raise OSError('Connection refused')\n"

    with pytest.raises(ChangeError) as raised:
        make(tmp_path, options, files)

    assert raised.value.code == "environment-failed"
    assert "Connection refused" in str(raised.value)


def test_an_index_that_does_not_answer_is_no_fault_of_the_change(
    tmp_path: Path, options: VenvOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")

    with pytest.raises(InfrastructureError) as raised:
        make(tmp_path, evolve(options, offline=False), {"requirements.txt": "needed\n"})

    assert raised.value.code == "index-unreachable"


def test_a_package_that_an_offline_worker_lacks_is_no_fault_of_the_change(tmp_path: Path, options: VenvOptions) -> None:
    with pytest.raises(InfrastructureError) as raised:
        make(tmp_path, options, {"requirements.txt": "unheard-of\n"})

    assert raised.value.code == "index-unreachable"


def test_a_python_that_is_not_here_is_no_fault_of_the_change(tmp_path: Path, options: VenvOptions) -> None:
    with pytest.raises(InfrastructureError) as raised:
        make(tmp_path, evolve(options, python="2.7.99"), {"README": ""})

    assert raised.value.code == "python-missing"


def test_a_named_python_is_used(tmp_path: Path, options: VenvOptions) -> None:
    other = another_python(tmp_path)
    with make_build(tmp_path) as build:
        environment = plugin.thcore_environment(
            build, evolve(options, python=other), tree(build.workspace.source, {"README": ""})
        )
        assert says(build, environment, "python", "-c", "import platform; print(platform.python_version())") == other


def another_python(tmp_path: Path) -> str:
    """The exact version of an interpreter of this machine that is not the one of the tests. Without one, the test that
    asks is skipped."""
    own = platform.python_version()
    with make_build(tmp_path, build_id="search") as build:
        uv = Uv(build, tmp_path / "cache")
        try:
            found = interpreters.find(uv, f"!={own}", interpreters.PLACES, cwd=tmp_path)
        except InfrastructureError as error:
            pytest.skip(f"there is no Python but the {own} of the tests: {error}")
    return found.version.removeprefix("CPython ")


def test_packages_that_were_published_after_the_date_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {wheel(tmp_path / "old", "needed", "1.0"): "2024-01-31", wheel(tmp_path, "needed", "2.0"): "2024-03-31"}
    options = VenvOptions(install_project=False)
    with package_index(published) as url:
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        newest, _ = make(tmp_path, options, {"requirements.txt": "needed\n"}, "b1")
        before, _ = make(tmp_path, evolve(options, exclude_newer="2024-02-28"), {"requirements.txt": "needed\n"}, "b2")

    assert (newest.description, before.description) == (("needed==2.0",), ("needed==1.0",))


def test_parts_of_the_checkout_are_installed_for_the_build_alone(tmp_path: Path, options: VenvOptions) -> None:
    files = project_files("product")
    files |= {f"libs/part/{name}": text for name, text in project_files("part", text="X = 1\n").items()}
    files["requirements.txt"] = "-e .\n./libs/part\n"

    with make_build(tmp_path) as build:
        environment = plugin.thcore_environment(build, options, tree(build.workspace.source, files))
        assert says(build, environment, "python", "-c", "import product, part; print(part.X)") == "1"
        assert environment.description == ()


def test_a_cancel_ends_it(tmp_path: Path, options: VenvOptions) -> None:
    with Interrupt() as interrupt, make_build(tmp_path, interrupt=interrupt) as build:
        interrupt.cancel("enough")
        with pytest.raises(CancelledError):
            plugin.thcore_environment(build, options, tree(build.workspace.source, {"requirements.txt": "needed"}))

    assert bases(tmp_path) == set()


def test_lines_are_joined_and_comments_left_out() -> None:
    text = "a==1 \\\n  --hash=sha256:00 # why\n\n#b\nc #d\ne#f\r\n"

    assert list(logical_lines(text)) == ["a==1    --hash=sha256:00", "c", "e#f"]


@pytest.mark.parametrize(
    ("line", "unsteady", "local"),
    [
        ("needed @ git+https://git.example.org/needed@main", True, False),
        (f"needed @ git+https://git.example.org/needed@{'a' * 40}", False, False),
        ("-r https://example.org/more.txt", True, False),
        ("needed[extra]>=1,<2; python_version < '4'", False, False),
        ("needed @ https://example.org/needed-1.0.tar.gz", False, False),
        ("https://example.org/needed-1.0.whl", False, False),
        ("--index-url https://example.org/simple", False, False),
        ("libs/part", False, True),
        (".[test]", False, True),
        ("--editable=./libs", False, True),
        ("part @ file:libs/part", False, True),
        ("needed-1.0-py3-none-any.whl", False, True),
    ],
)
def test_a_line_is_shared_only_if_it_means_the_same_everywhere(
    tmp_path: Path, line: str, unsteady: bool, local: bool
) -> None:
    tree(tmp_path, {"requirements.txt": line})

    found = read(tmp_path, ("requirements.txt",), (), optional=False, project=False)

    assert found == Requirements(() if local else (line,), (), found.local, unsteady)
    assert bool(found.local) == local


def test_an_old_project_declares_in_setup_cfg(tmp_path: Path) -> None:
    tree(tmp_path, {"setup.cfg": "[options]\ninstall_requires =\n    one\n    two>=2  # why\n", "README": ""})

    found = read(tmp_path, ("requirements.txt",), (), optional=True, project=True)

    assert found.lines == ("one", "two>=2")


def test_uv_sees_of_the_worker_only_how_to_reach_an_index(tmp_path: Path) -> None:
    worker = {
        "HOME": str(tmp_path),
        "PATH": "/bin",
        "AWS_SECRET": "x",
        "UV_PYTHON": "2.7",
        "VIRTUAL_ENV": "/venv",
        "PYTHONPATH": "/x",
        "PIP_INDEX_URL": "https://index.example.org/simple",
        "PIP_FIND_LINKS": "/a /b",
        "https_proxy": "http://proxy.example.org",
        "UV_INDEX_OURS_PASSWORD": "y",
    }

    assert variables(worker, tmp_path / "cache") == {
        "UV_DEFAULT_INDEX": "https://index.example.org/simple",
        "UV_FIND_LINKS": "/a,/b",
        "https_proxy": "http://proxy.example.org",
        "UV_INDEX_OURS_PASSWORD": "y",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_PYTHON_DOWNLOADS": "never",
        "XDG_CONFIG_HOME": str(tmp_path / ".config"),
    }


@pytest.mark.parametrize(
    ("words", "third_party", "code"),
    [
        ("error: No space left on device (os error 28)", True, "environment-not-made"),
        (
            "error: Failed to read `--find-links` directory: /opt/w\n  cause: No such file",
            False,
            "environment-not-made",
        ),
        ("error: Failed to bytecode-compile installed packages", True, "environment-not-made"),
        ("Failed to fetch: `https://i/`\nHTTP status server error (503 Service)", False, "index-unreachable"),
        ("Failed to build `x==1`\nThe build backend returned an error\n[stderr]\npg_config", True, "package-not-built"),
        ("Failed to resolve requirements from `build-system`\nRequest failed", False, "index-unreachable"),
        ("Failed to build `product`\n[stderr]\nRequest failed after 3 retries", False, "environment-failed"),
        ("No solution found\nBecause x was not found in the package registry", True, "environment-failed"),
    ],
)
def test_the_fault_is_told_by_what_uv_says(words: str, third_party: bool, code: str) -> None:
    error = judged("uv", "exit status 1", tuple(words.splitlines()), third_party=third_party)

    assert isinstance(error, ChangeError | InfrastructureError)
    assert error.code == code


def test_requirements_that_contradict_each_other_are_told_in_sentences() -> None:
    words = """
error: No solution found when resolving dependencies
  cause: Because you require x<2 and x>2, we can conclude that
         your requirements are unsatisfiable.

hint: look closer"""

    error = judged("uv pip install", "exit status 1", tuple(words.splitlines()), third_party=True)

    assert isinstance(error, ChangeError)
    assert str(error) == (
        "no set of packages meets what is required: Because you require x<2 and x>2, we can conclude that"
        " your requirements are unsatisfiable. hint: look closer"
    )


def test_requirements_that_want_another_python_are_told_how_to_have_it() -> None:
    words = (
        "No solution found when resolving dependencies:\n"
        "  \u2570\u2500\u25b6 Because the current Python version (3.8.18) does not satisfy Python>=3.10"
    )

    error = judged("uv pip install", "exit status 1", tuple(words.splitlines()), third_party=True)

    assert str(error) == (
        "no set of packages meets what is required: Because the current Python version (3.8.18) does not satisfy"
        " Python>=3.10 (another Python: venv: {python: …})"
    )


def test_uv_that_was_killed_is_no_fault_of_the_change() -> None:
    assert isinstance(judged("uv", "killed by SIGKILL", (), third_party=False), InfrastructureError)


@pytest.mark.parametrize(
    "wrong",
    [{"python": "-x"}, {"exclude_newer": "soon"}, {"packages": ("-r/etc/passwd",)}, {"find_links": ("relative",)}],
)
def test_options_that_cannot_be_are_configuration_errors(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VenvOptions(**wrong)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.slow
def test_a_real_project_from_the_index(tmp_path: Path) -> None:
    files = project_files("product", requires=["alembic>=1.13", "PyMySQL"])
    files["requirements.txt"] = "alembic>=1.13\nPyMySQL\n"
    for build_id in ("b1", "b2", "b3"):
        with make_build(tmp_path, build_id=build_id) as build:
            checkout = tree(build.workspace.source, files)
            environment = plugin.thcore_environment(build, VenvOptions(exclude_newer="2025-06-30"), checkout)
            assert says(build, environment, "alembic", "--version") == "alembic 1.16.2"
            assert ("is here already" in build.workspace.log.read_text()) == (build_id != "b1")
