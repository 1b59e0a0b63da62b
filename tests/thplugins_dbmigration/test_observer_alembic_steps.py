"""Alembic's steps as the observer tells them, from commands of the project's own."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from thcore.errors import ChangeError
from thcore.hooks import Build
from thcore.model import Step
from thcore.testing import make_build
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.alembic import Alembic, AlembicOptions
from thplugins_dbmigration.tools.tool import Enough, Plan, Project, Stop

from parts.alembic_project import ENV, AlembicProject
from parts.guide import Told

TOOL = Alembic()
CLI = (sys.executable, "-m", "alembic", "upgrade", "{target}")
OWN_ENV = "import os\n" + ENV.replace('context.config.get_main_option("sqlalchemy.url")', 'os.environ["DATABASE"]')
"""It knows its database without our help."""


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


@pytest.fixture
def made(tmp_path: Path) -> AlembicProject:
    return AlembicProject(tmp_path / "checkout", env=OWN_ENV)


def project_of(made: AlembicProject, build: Build, **variables: str) -> Project:
    server = SQLiteServer(made.path.parent)
    address = server.create("data", "", "")
    words = Placeholders.of(
        address, dataset="small", checkout=made.path, workspace=build.workspace.root, config=made.path.parent
    )
    variables = {"DATABASE": address.url(), **variables}
    return Project(made.provision(), address, server, made.path, variables, words, "small")


def walk(
    build: Build, project: Project, *, command: tuple[str, ...] = CLI, target: str = "heads", guide: Told | None = None
) -> tuple[Told, Stop]:
    guide = guide or Told()
    return guide, TOOL.walk(build, AlembicOptions(command=command, target=target), project, guide)


def versions(plan: Plan) -> list[str]:
    return [step.version for step in plan.steps]


def test_the_command_of_the_project_is_walked_in_one_process(build: Build, made: AlembicProject) -> None:
    made.revision("a", None, body="import os\nprint('process', os.getpid())")
    made.revision("b", "a", body="import os\nprint('process', os.getpid())")
    guide, stop = walk(build, project_of(made, build))
    assert (guide.told, stop) == (["before a", "after a", "before b", "after b"], Stop())
    numbers = [line.split()[-1] for line in build.workspace.log.read_text().splitlines() if "process " in line]
    assert len(numbers) == 2
    assert len(set(numbers)) == 1


@pytest.mark.parametrize(
    ("target", "steps", "head"),
    [
        ("heads", ["root", "e1", "e2", "c1"], {"e2", "c1"}),
        ("contract@head", ["root", "c1"], {"c1"}),
        ("expand@e1", ["root", "e1"], {"e1"}),
        ("contract", ["root", "c1"], {"c1"}),
        ("e2", ["root", "e1", "e2"], {"e2"}),
        ("+1", ["root"], {"root"}),
    ],
)
def test_a_command_can_have_any_of_alembics_targets(
    build: Build, made: AlembicProject, target: str, steps: list[str], head: set[str]
) -> None:
    made.revision("root", None).revision("e1", "root", label="expand").revision("e2", "e1")
    made.revision("c1", "root", label="contract")
    guide, stop = walk(build, project_of(made, build), target=target)
    (plan,) = guide.plans
    assert (sorted(versions(plan)), plan.head, stop) == (sorted(steps), head, Stop())


def test_expand_and_contract_in_one_command_are_the_same_chain_twice(build: Build, made: AlembicProject) -> None:
    made.revision("root", None).revision("e1", "root", label="expand").revision("c1", "root", label="contract")
    project = project_of(made, build)
    alembic = f"{sys.executable} -m alembic upgrade"
    guide, stop = walk(build, project, command=("sh", "-ec", f"{alembic} expand@head; {alembic} contract@head"))
    assert stop == Stop()
    assert [(plan.chain, versions(plan)) for plan in guide.plans] == [("", ["root", "e1"]), ("", ["c1"])]
    assert guide.plans[1].current == {"e1"}
    assert guide.plans[1].head == {"e1", "c1"}
    assert TOOL.versions(build, AlembicOptions(), project) == {"e1", "c1"}


def test_a_database_that_has_run_some_branches_is_taken_the_rest_of_the_way(build: Build, made: AlembicProject) -> None:
    made.revision("root", None).revision("left", "root").revision("right", "root")
    project = project_of(made, build)
    walk(build, project, target="left")
    made.revision("merge", ["left", "right"]).revision("apart", None, depends_on="right")
    guide, stop = walk(build, project)
    (plan,) = guide.plans
    assert stop == Stop()
    assert plan.current == {"left"}
    assert sorted(versions(plan)) == ["apart", "merge", "right"]
    assert (plan.head, plan.implied) == ({"merge", "apart"}, {"root", "left", "right"})
    assert plan.reached(TOOL.versions(build, AlembicOptions(), project))
    assert walk(build, project)[0].plans[0].steps == (), "there is nothing left to do, and that is no error"


def test_a_walk_ends_where_the_guide_wants_it_to(build: Build, made: AlembicProject) -> None:
    made.revision("a", None, "create table t (x integer)").revision("b", "a", "drop table t").revision("c", "b")
    project = project_of(made, build)
    guide, stop = walk(build, project, guide=Told(most=1))
    assert (guide.told, stop) == (["before a", "after a"], Stop())
    assert versions(guide.plans[0]) == ["a", "b", "c"]
    assert TOOL.versions(build, AlembicOptions(), project) == {"a"}
    guide, stop = walk(build, project)
    assert (guide.told[0], stop) == ("before b", Stop())


def test_what_the_project_does_after_a_walk_that_was_cut_short_says_nothing(build: Build, made: AlembicProject) -> None:
    made.env(OWN_ENV + "\nraise SystemExit('the schema is too old')\n")
    made.revision("a", None).revision("b", "a")
    project = project_of(made, build)
    assert walk(build, project, guide=Told(most=1))[1] == Stop()
    _, stop = walk(build, project)
    assert stop.failed is not None
    assert (stop.failed.version, stop.message) == ("b", "the migration program failed after this step: exit status 1")
    assert "the schema is too old" in stop.evidence


@pytest.mark.parametrize("where", ["choose", "after"])
def test_a_guide_that_has_enough_ends_the_program_between_two_steps(
    build: Build, made: AlembicProject, where: str
) -> None:
    made.env(
        OWN_ENV.replace("        context.run", "      try:\n        context.run") + "      except: pass\nprint('on')"
    )
    made.revision("a", None).revision("b", "a")

    def enough(_step: Step) -> None:
        raise Enough

    class Picky(Told):
        def choose(self, plan: Plan) -> tuple[Step, ...]:
            if where == "choose":
                raise Enough
            return plan.steps

    project = project_of(made, build)
    guide, stop = walk(build, project, guide=Picky(ended=enough))
    assert (guide.told, stop) == ([] if where == "choose" else ["before a", "after a"], Stop())
    assert "small | on" not in build.workspace.log.read_text()
    assert project.server.versions(project.address, "alembic_version") == (None if where == "choose" else {"a"})


def test_each_section_with_a_version_table_of_its_own_is_a_chain(build: Build, made: AlembicProject) -> None:
    made.env(
        OWN_ENV.replace(
            "connection=connection,", 'connection=connection, version_table="version_" + context.config.name,'
        ).replace("context.config.name", "context.config.config_ini_section")
    )
    (made.path / "other").mkdir()
    (made.path / "other" / "env.py").write_text((made.path / "migrations" / "env.py").read_text())
    (made.path / "other" / "versions").mkdir()
    made.revision("a", None)
    made.file("a").rename(made.path / "other" / "versions" / "a.py")
    made.revision("m", None)
    (made.path / "alembic.ini").write_text(
        "[main]\nscript_location = %(here)s/migrations\n[api]\nscript_location = %(here)s/other\n"
    )
    project, guide = project_of(made, build), Told()
    options = AlembicOptions(name="main, api", version_table="version_main")
    assert TOOL.walk(build, options, project, guide) == Stop()
    assert [(plan.chain, versions(plan)) for plan in guide.plans] == [("", ["m"]), ("version_api", ["a"])]
    assert guide.plans[1].steps[0] == Step("a", (), "Step a", "other/versions/a.py", "version_api")
    assert TOOL.versions(build, options, project) == {"m"}
    assert TOOL.versions(build, options, project, "version_api") == {"a"}


@pytest.mark.parametrize(
    "wrapper",
    [
        ("sh", "-c", f"true; {sys.executable} -m alembic upgrade heads"),
        (sys.executable, "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))", *CLI),
        (sys.executable, "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])", *CLI),
        (
            sys.executable,
            "-c",
            "import eventlet_like, sys\nfrom alembic.config import main\nmain(sys.argv[1:])",
            *CLI[3:],
        ),
    ],
    ids=["shell", "subprocess", "exec", "monkeypatched"],
)
def test_wrappers_pass_the_channel_on(build: Build, made: AlembicProject, wrapper: tuple[str, ...]) -> None:
    (made.path / "eventlet_like.py").write_text("import os\nos.read = os.write = None\n")
    made.revision("a", None)
    guide, stop = walk(build, project_of(made, build), command=wrapper)
    assert (guide.told, stop) == (["before a", "after a"], Stop())


def test_a_command_that_migrates_nothing_is_an_error_whatever_it_answers(build: Build, made: AlembicProject) -> None:
    made.revision("a", None)
    project = project_of(made, build)
    for command, told in (
        (("true",), r"No migration found: Alembic showed none.*exit status 0"),
        ((sys.executable, "-m", "alembic", "heads"), r"No migration found.*its last line: a \(head\)"),
        ((sys.executable, "-m", "alembic", "current"), "No migration found"),
        ((sys.executable, "-m", "alembic", "stamp", "head"), "No migration found"),
    ):
        with pytest.raises(ChangeError, match=told) as caught:
            walk(build, project, command=command)
        assert caught.value.code == "tool-unusable"
    assert TOOL.versions(build, AlembicOptions(), project) == {"a"}, "what is no upgrade is let through"


def test_a_command_that_does_not_import_is_told_as_such(build: Build, made: AlembicProject) -> None:
    made.revision("a", None)
    with pytest.raises(ChangeError, match=r"Could not import required module\. ModuleNotFoundError.*nowhere") as caught:
        walk(build, project_of(made, build), command=(sys.executable, "-c", "import nowhere"))
    assert caught.value.code == "import-failed"


def test_a_command_that_ends_with_a_word_of_alembics_is_told_it(build: Build, made: AlembicProject) -> None:
    made.revision("a", None)
    with pytest.raises(ChangeError, match="cannot read the project's migrations: CommandError: Can't locate revision"):
        walk(build, project_of(made, build), target="nowhere")


def test_a_failure_that_env_py_keeps_to_itself_is_heard(build: Build, made: AlembicProject) -> None:
    made.env(
        OWN_ENV.replace("        context.run", "      try:\n        context.run") + "      except BaseException: pass\n"
    )
    made.revision("a", None, body="print('row 17 is broken')\nraise ValueError('no')").revision("b", "a")
    guide, stop = walk(build, project_of(made, build))
    assert guide.told == ["before a", "failed a"]
    assert stop.failed is not None
    assert stop.message == "ValueError: no"
    assert "Traceback (most recent call last):" in stop.evidence
    assert "row 17 is broken" in stop.evidence


def test_the_first_cause_of_an_error_is_in_the_evidence(build: Build, made: AlembicProject) -> None:
    made.revision(
        "a",
        None,
        body="try:\n    raise ValueError('real')\nfinally:\n    raise RuntimeError('SAVEPOINT does not exist')",
    )
    _, stop = walk(build, project_of(made, build))
    assert stop.message == "RuntimeError: SAVEPOINT does not exist"
    assert "ValueError: real" in stop.evidence


def test_two_databases_of_one_env_py_end_their_transactions_together(build: Build, made: AlembicProject) -> None:
    """As Alembic's template ``multidb`` has it."""
    made.env("""
        import os
        from alembic import context
        from sqlalchemy import create_engine
        connections = [create_engine(os.environ["DATABASE"]).connect() for _ in "ab"]
        for connection in connections:
            transaction = connection.begin()
            context.configure(connection=connection, version_table="v_" + "ab"[connections.index(connection)])
            context.run_migrations()
            transaction.commit()
    """)
    made.revision("a", None).revision("b", "a")
    guide, stop = walk(build, project_of(made, build))
    assert stop == Stop()
    assert [plan.chain for plan in guide.plans] == ["v_a", "v_b"]
    assert guide.told == ["before a", "after a", "before b", "after b"] * 2


def test_a_step_is_committed_when_it_has_ended_though_env_py_holds_the_transaction(
    build: Build, made: AlembicProject
) -> None:
    made.env(OWN_ENV.replace("engine.connect()", "engine.begin()").replace(", transaction_per_migration=True", ""))
    made.revision("a", None, "create table t (x integer)", "insert into t values (1)")
    made.revision("b", "a", "insert into t values (2)").revision("c", "b", "insert into t values (3)", body="1 / 0")
    project = project_of(made, build)
    seen: list[object] = []

    def look(_step: Step) -> None:
        with closing(sqlite3.connect(project.address.database)) as connection:
            seen.extend(connection.execute("select count(*) from t"))

    guide, _ = walk(build, project, guide=Told(ended=look))
    assert guide.told == ["before a", "after a", "before b", "after b", "before c", "failed c"]
    assert seen == [(1,), (2,), (2,)]
    assert TOOL.versions(build, AlembicOptions(), project) == {"b"}


def test_the_projects_own_start_and_modules_are_as_they_were(build: Build, made: AlembicProject) -> None:
    own = made.path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys\nprint('started', sys.modules['sitecustomize'].__file__)\n")
    (own / "channel.py").write_text("WHOSE = 'ours'\n")
    made.revision("a", None, top="import channel\nassert channel.WHOSE == 'ours'")
    project = project_of(made, build, PYTHONPATH=str(own))
    assert walk(build, project)[1] == Stop()
    assert f"started {own}/sitecustomize.py" in build.workspace.log.read_text()


@pytest.mark.parametrize("channel", ["", "1"], ids=["none", "no-socket"])
def test_a_migration_that_a_step_starts_in_a_program_of_its_own_is_a_part_of_the_step(
    build: Build, made: AlembicProject, tmp_path: Path, channel: str
) -> None:
    other = AlembicProject(tmp_path / "other", env=OWN_ENV).revision("x", None)
    database = tmp_path / "other.sqlite"
    variables = {"DATABASE": f"sqlite:///{database}", "THCORE_CHANNEL": channel}
    call = f"[sys.executable, '-m', 'alembic', 'upgrade', 'heads'], cwd={str(other.path)!r}, check=True"
    body = f"import os, subprocess, sys\nsubprocess.run({call}, env={{**os.environ, **{variables!r}}})"
    made.revision("a", None, body=body)
    guide, stop = walk(build, project_of(made, build))
    assert (guide.told, stop) == (["before a", "after a"], Stop())
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("select * from alembic_version").fetchall() == [("x",)]
