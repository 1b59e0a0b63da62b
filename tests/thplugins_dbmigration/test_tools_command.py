from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Checkout, Environment, Provision, Step
from thcore.testing import make_build
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.command import CommandOptions, CommandTool
from thplugins_dbmigration.tools.tool import OneWay, Plan, Project, Stop

from parts.guide import Told

MANAGE = """
import re, sqlite3, sys
base = sqlite3.connect(sys.argv[1])
where = base.execute("select max(version) from migrate_version").fetchone()[0]
word, *rest = sys.argv[2:]
if word == "version":
    print("Loaded the configuration")
    print(f"\\x1b[1m{where}\\x1b[0m")
elif word == "list":
    print("254\\n255 add  a column\\n\\n256")
elif word == "head":
    print("the head is 256.")
elif word == "sync":
    step = int(rest[rest.index("--version") + 1])
    if step == 256 and "--break" in rest:
        print("Traceback (most recent call last):", file=sys.stderr)
        print("OperationalError: (1265) Data truncated", file=sys.stderr)
        print("see the log", file=sys.stderr)
        sys.exit(255)
    if "--lazy" not in rest:
        base.execute("update migrate_version set version = ?", (step,))
        base.commit()
"""
PROGRAM = (sys.executable, "manage.py", "{database}")
NOVA = CommandOptions(
    go=(*PROGRAM, "sync", "--version", "{step}"), current=(*PROGRAM, "version"), steps=(*PROGRAM, "list")
)
TOOL = CommandTool()


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, build: Build) -> Project:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "manage.py").write_text(MANAGE)
    server = SQLiteServer(tmp_path)
    address = server.create("nova", "", "")
    with closing(sqlite3.connect(address.database)) as connection:
        connection.executescript(
            "create table migrate_version (repository_id, version); insert into migrate_version values ('nova', 254)"
        )
    words = Placeholders.of(
        address, dataset="nova", checkout=checkout, workspace=build.workspace.root, config=tmp_path / "config"
    )
    return Project(Provision(Checkout(checkout, "0" * 40), Environment()), address, server, checkout, {}, words, "nova")


def walk(build: Build, project: Project, options: CommandOptions = NOVA) -> tuple[list[str], Stop]:
    guide = Told()
    stop = TOOL.walk(build, options, project, guide)
    return guide.told, stop


def plan_of(build: Build, options: CommandOptions, project: Project) -> Plan:
    guide = Told(most=0)
    TOOL.walk(build, options, project, guide)
    (plan,) = guide.plans
    return plan


def test_nova_manage_db_sync_version_is_walked_one_call_a_step(build: Build, project: Project) -> None:
    plan = plan_of(build, NOVA, project)
    assert plan == Plan(
        current=frozenset({"254"}),
        head=frozenset({"256"}),
        steps=(Step("255", ("254",), "add  a column"), Step("256", ("255",))),
    )
    assert walk(build, project) == (["before 255", "after 255", "before 256", "after 256"], Stop())
    assert TOOL.versions(build, NOVA, project) == {"256"}
    assert plan_of(build, NOVA, project).steps == ()


def test_a_step_with_an_exit_status_failed_and_its_error_is_told(build: Build, project: Project) -> None:
    told, stop = walk(build, project, evolve(NOVA, go=(*NOVA.go, "--break")))
    assert told == ["before 255", "after 255", "before 256", "failed 256"]
    assert stop.failed == Step("256", ("255",))
    assert stop.message == "OperationalError: (1265) Data truncated (exit status 255)"
    assert stop.evidence[-1] == "see the log"
    assert "OperationalError" not in "\n".join(stop.evidence), "said once"


def test_a_step_that_leaves_the_version_as_it_was_is_no_success(build: Build, project: Project) -> None:
    told, stop = walk(build, project, evolve(NOVA, go=(*NOVA.go, "--lazy")))
    assert told == ["before 255", "after 255"]
    assert stop.code == "final-version-mismatch"
    assert "at 254 and not at 255" in stop.message


def test_versions_are_read_from_a_table_when_no_program_tells_them(build: Build, project: Project) -> None:
    options = evolve(NOVA, current=None, version_table="migrate_version:version")
    told, stop = walk(build, project, options)
    assert len(told) == 4
    assert stop == Stop()


def test_a_pattern_finds_the_version_in_what_a_program_prints(build: Build, project: Project) -> None:
    options = evolve(NOVA, head=(*PROGRAM, "head"), version_pattern=r"(\d+)\.?$")
    assert plan_of(build, options, project).head == {"256"}


def test_steps_are_read_from_numbered_files(build: Build, project: Project) -> None:
    versions = project.directory / "versions"
    versions.mkdir()
    for name in ("216_havana.py", "255_add_a_column.py", "1000_last.py", "256.py", "__init__.py"):
        (versions / name).touch()
    options = evolve(NOVA, steps=None, step_files="versions/*.py")
    plan = plan_of(build, options, project)
    assert [str(step) for step in plan.steps] == ["254 -> 255", "255 -> 256", "256 -> 1000"]
    assert plan.steps[0] == Step("255", ("254",), "add a column", "versions/255_add_a_column.py")
    assert plan.head == {"1000"}
    (versions / "0255_again.py").touch()
    with pytest.raises(ChangeError, match="Two files are step 255"):
        plan_of(build, options, project)


def test_no_file_of_a_step_is_an_error(build: Build, project: Project) -> None:
    with pytest.raises(ChangeError, match="No migration found"):
        plan_of(build, evolve(NOVA, steps=None, step_files="nowhere/*.py"), project)


def test_a_list_that_was_given_the_version_is_taken_as_it_is(build: Build, project: Project) -> None:
    printer = (sys.executable, "-c", "print('x1\\nx2')", "{current}")
    plan = plan_of(build, evolve(NOVA, steps=printer), project)
    assert [str(step) for step in plan.steps] == ["254 -> x1", "x1 -> x2"]
    with pytest.raises(ChangeError, match="254, which is not in the list"):
        plan_of(build, evolve(NOVA, steps=printer[:-1]), project)


def test_a_program_that_cannot_tell_the_version_is_an_error_with_its_words(build: Build, project: Project) -> None:
    options = evolve(NOVA, current=(sys.executable, "-c", "import sys; sys.exit('Error: no configuration')"))
    with pytest.raises(ChangeError, match=r"command\.current failed: Error: no configuration \(exit status 1\)"):
        plan_of(build, options, project)
    options = evolve(NOVA, current=(sys.executable, "-c", ""))
    with pytest.raises(ChangeError, match="printed no version"):
        plan_of(build, options, project)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (CommandOptions(), r"command\.go: it is required"),
        (evolve(NOVA, current=None), r"command\.current: neither it nor version_table"),
        (evolve(NOVA, steps=None), r"command\.steps: neither it nor step_files"),
        (evolve(NOVA, steps=("x", "{nothing}")), r"command\.steps.*\{nothing\} is not a placeholder; there are .*url"),
        (evolve(NOVA, step_files="../*"), r"command\.step_files: '\.\./\*' must be a path inside"),
        (evolve(NOVA, version_pattern="("), r"command\.version_pattern: it is no regular expression"),
    ],
)
def test_options_that_do_not_fit_are_the_operators_to_mend(
    build: Build, project: Project, options: CommandOptions, told: str
) -> None:
    with pytest.raises(InfrastructureError, match=told) as caught:
        plan_of(build, options, project)
    assert caught.value.code == "options-invalid"


def test_a_template_can_fill_in_nothing_but_its_placeholders(project: Project) -> None:
    words = project.placeholders
    assert words.fill("{{x}} {dataset}", "k") == "{x} nova"
    assert words.fill("{url:pysqlite}", "k") == f"sqlite+pysqlite:///{project.address.database}"
    for wrong in ("{dataset.__class__}", "{dataset[0]}", "{dataset!r}", "{}", "{", "{dataset:>9}"):
        with pytest.raises(InfrastructureError, match=r"Option dbmigration\.k"):
            words.fill(wrong, "k")
    assert json.loads(words.fill('{{"a": "{dialect}"}}', "k")) == {"a": "sqlite"}


def test_templates_can_name_the_logging_configuration_of_the_dataset(tmp_path: Path) -> None:
    address = Address("sqlite", "/d")
    place = {"dataset": "nova", "checkout": tmp_path, "workspace": tmp_path, "config": tmp_path}

    with_one = Placeholders.of(address, **place, logging_conf=tmp_path / "logging.conf")
    without = Placeholders.of(address, **place)

    assert with_one.fill("--log-config={logging_conf}", "command.go") == f"--log-config={tmp_path}/logging.conf"
    assert without.fill("--log-config={logging_conf}", "command.go") == "--log-config="


def test_steps_are_taken_back_by_a_program_that_the_job_names(build: Build, project: Project) -> None:
    steps = plan_of(build, NOVA, project).steps
    walk(build, project)
    with pytest.raises(OneWay, match=r"dbmigration\.command\.back"):
        TOOL.back(build, NOVA, project, steps)
    options = evolve(NOVA, back=(*PROGRAM, "sync", "--version", "{step}"))

    assert TOOL.back(build, options, project, steps).ok
    assert TOOL.versions(build, options, project) == {"254"}
