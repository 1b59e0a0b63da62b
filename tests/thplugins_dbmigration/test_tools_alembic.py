from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import alembic
import pytest
from attrs import evolve

from thcore.errors import CancelledError, ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Step
from thcore.testing import make_build
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.alembic import Alembic, AlembicOptions
from thplugins_dbmigration.tools.tool import Plan, Project, Stop

from parts.alembic_project import ENV, AlembicProject
from parts.guide import Told

TOOL = Alembic()
OPTIONS = AlembicOptions()


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


@pytest.fixture
def made(tmp_path: Path) -> AlembicProject:
    return AlembicProject(tmp_path / "checkout")


def project_of(made: AlembicProject, build: Build, **variables: str) -> Project:
    server = SQLiteServer(made.path.parent)
    address = server.create("data", "", "")
    words = Placeholders.of(
        address, dataset="small", checkout=made.path, workspace=build.workspace.root, config=made.path.parent
    )
    return Project(made.provision(), address, server, made.path, variables, words, "small")


def rows(project: Project, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(project.address.database)) as connection:
        return connection.execute(query).fetchall()


def walk(build: Build, project: Project, options: AlembicOptions = OPTIONS) -> tuple[list[str], Stop]:
    """Walk everything; answers what was told in which order."""
    guide = Told()
    stop = TOOL.walk(build, options, project, guide)
    return guide.told, stop


def plan_of(build: Build, project: Project, options: AlembicOptions = OPTIONS) -> Plan:
    """The way ahead of the one chain, nothing run."""
    guide = Told(most=0)
    TOOL.walk(build, options, project, guide)
    (plan,) = guide.plans
    return plan


def test_a_line_of_revisions_is_planned_and_walked_one_at_a_time(build: Build, made: AlembicProject) -> None:
    made.revision("a", None, "create table t (x integer)").revision("b", "a", "insert into t values (1)")
    project = project_of(made, build)
    plan = plan_of(build, project)
    assert plan.current == frozenset()
    assert plan.head == {"b"}
    assert plan.steps == (
        Step("a", (), "Step a", "migrations/versions/a.py"),
        Step("b", ("a",), "Step b", "migrations/versions/b.py"),
    )
    assert project.server.versions(project.address, "alembic_version") is None, "a plan changes nothing"
    told, stop = walk(build, project)
    assert told == ["before a", "after a", "before b", "after b"]
    assert stop == Stop()
    assert TOOL.versions(build, OPTIONS, project) == {"b"}
    assert plan_of(build, project).steps == ()


def test_a_measurement_between_two_steps_sees_only_the_first(build: Build, made: AlembicProject) -> None:
    made.revision("a", None, "create table t (x integer)").revision("b", "a", "insert into t values (1)")
    project = project_of(made, build)
    seen: list[object] = []
    TOOL.walk(build, OPTIONS, project, Told(ended=lambda _step: seen.append(rows(project, "select count(*) from t"))))
    assert seen == [[(0,)], [(1,)]]


def test_branches_dependencies_and_merge_points_are_walked_in_order(build: Build, made: AlembicProject) -> None:
    made.revision("root", None, "create table t (x integer)")
    made.revision("left", "root").revision("right", "root").revision("merge", ["left", "right"])
    made.revision("other", None, depends_on="merge").revision("side", "root")
    project = project_of(made, build)
    plan = plan_of(build, project)
    order = [step.version for step in plan.steps]
    assert sorted(order) == ["left", "merge", "other", "right", "root", "side"]
    assert order.index("merge") > max(order.index("left"), order.index("right"))
    assert order.index("other") > order.index("merge")
    assert plan.head == {"other", "side"}
    assert next(step for step in plan.steps if step.version == "merge").parents == ("left", "right")
    told, stop = walk(build, project)
    assert stop == Stop()
    assert len(told) == 12
    assert plan.reached(TOOL.versions(build, OPTIONS, project))


def test_labels_of_branches_name_their_first_revisions_and_their_heads(build: Build, made: AlembicProject) -> None:
    made.revision("root", None).revision("e1", "root", label="expand").revision("e2", "e1")
    made.revision("c1", "root", label=["contract", "newton"])
    project = project_of(made, build)
    assert plan_of(build, project).names == {
        "expand": ("e1",),
        "contract": ("c1",),
        "newton": ("c1",),
        "expand@head": ("e2",),
        "contract@head": ("c1",),
        "newton@head": ("c1",),
    }


def test_a_database_may_or_may_not_list_a_head_that_another_one_implies(build: Build, made: AlembicProject) -> None:
    made.revision("a", None).revision("b", None, depends_on="a")
    plan = plan_of(build, project_of(made, build))
    assert plan.head == {"b"}
    assert plan.reached(frozenset({"b"}))
    assert plan.reached(frozenset({"a", "b"}))
    assert not plan.reached(frozenset({"a"}))
    assert not plan.reached(frozenset({"b", "unknown"}))


def test_a_step_that_fails_on_data_tells_the_servers_error_statement_and_line(
    build: Build, made: AlembicProject
) -> None:
    made.revision("a", None, "create table t (x integer)", "insert into t values (1), (1)")
    made.revision("b", "a", "create unique index u on t (x)").revision("c", "b")
    told, stop = walk(build, project_of(made, build))
    assert told == ["before a", "after a", "before b", "failed b"]
    assert stop.failed is not None
    assert stop.failed.version == "b"
    assert stop.code == "migration-not-ended"
    assert stop.message == "IntegrityError: UNIQUE constraint failed: t.x"
    assert "statement: create unique index u on t (x)" in stop.evidence
    assert stop.line == 11
    assert stop.evidence[2] == "b.py, line 11: op.execute('create unique index u on t (x)')"
    said = "\n".join(stop.evidence)
    assert "Traceback" in said
    assert "observer/" not in said, "our own frames"
    assert "sqlalche.me" not in said


def test_a_step_that_ends_its_process_is_a_step_that_failed(build: Build, made: AlembicProject) -> None:
    made.revision("a", None, body="import os\nprint('last words', flush=True)\nos._exit(3)")
    told, stop = walk(build, project_of(made, build))
    assert told == ["before a", "failed a"]
    assert stop.failed is not None
    assert "exit status 3" in stop.message
    assert "last words" in stop.evidence


def test_a_step_that_calls_exit_is_a_step_that_failed(build: Build, made: AlembicProject) -> None:
    made.revision("a", None, body="import sys\nsys.exit(0)").revision("b", "a")
    told, stop = walk(build, project_of(made, build))
    assert told == ["before a", "failed a"]
    assert stop.message == "SystemExit: 0"


def test_an_env_py_that_fails_after_it_had_nothing_to_run_is_not_taken_for_well(
    build: Build, made: AlembicProject
) -> None:
    made.revision("a", None, "create table t (x integer)")
    project = project_of(made, build)
    walk(build, project)
    path = made.path / "migrations" / "env.py"
    path.write_text(path.read_text() + "\nraise LookupError('no such tenant')\n")
    with pytest.raises(ChangeError, match=r"had no migration to run: exit status 1; it said: .*no such") as caught:
        walk(build, project)
    assert caught.value.code == "tool-unusable"


def test_an_env_py_that_prints_and_sets_up_logging_does_no_harm(build: Build, made: AlembicProject) -> None:
    made.env(
        ENV
        + """
import sys
import logging.config
logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
sys.__stdout__.write('{"event": "plan", "current": ["made up"]}')
"""
    )
    made.revision("a", None, body="print('noise')").revision("b", "a")
    told, stop = walk(build, project_of(made, build))
    assert told == ["before a", "after a", "before b", "after b"]
    assert stop == Stop()
    assert "noise" in build.workspace.log.read_text()


def test_an_env_py_that_does_not_commit_is_found_at_its_last_step(build: Build, made: AlembicProject) -> None:
    made.env("""
        from alembic import context
        from sqlalchemy import create_engine
        engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
        with engine.connect() as connection:
            transaction = connection.begin()
            context.configure(connection=connection)
            context.run_migrations()
            transaction.rollback()
    """)
    made.revision("a", None, "create table t (x integer)").revision("b", "a")
    told, stop = walk(build, project_of(made, build))
    assert told == ["before a", "after a", "before b", "after b"]
    assert stop.code == "final-version-mismatch"
    assert stop.failed is not None
    assert stop.failed.version == "b"


@pytest.mark.parametrize("where", ["revision", "env"])
def test_migrations_that_do_not_import_are_the_changes_fault(build: Build, made: AlembicProject, where: str) -> None:
    made.revision("a", None, top="import nowhere_to_be_found" if where == "revision" else "")
    if where == "env":
        made.env("import nowhere_to_be_found")
    with pytest.raises(ChangeError, match=r"^FAILURE - Could not import required module\. .*nowhere") as caught:
        plan_of(build, project_of(made, build))
    assert caught.value.code == "import-failed"


def test_a_migration_with_a_syntax_error_is_the_changes_fault(build: Build, made: AlembicProject) -> None:
    made.revision("a", None, top="def (")
    with pytest.raises(ChangeError, match="SyntaxError") as caught:
        plan_of(build, project_of(made, build))
    assert caught.value.code == "tool-unusable"


def test_a_checkout_without_alembic_ini_is_told_what_to_write(build: Build, made: AlembicProject) -> None:
    (made.path / "alembic.ini").unlink()
    with pytest.raises(ChangeError, match=r"has no alembic\.ini.*working_directory") as caught:
        plan_of(build, project_of(made, build))
    assert caught.value.code == "tool-unusable"


def test_scripts_are_found_without_alembic_ini_when_the_options_name_them(build: Build, made: AlembicProject) -> None:
    (made.path / "alembic.ini").unlink()
    made.revision("a", None)
    told, _ = walk(build, project_of(made, build), AlembicOptions(script_location="migrations"))
    assert told == ["before a", "after a"]


def test_scripts_are_found_through_pyproject_toml(build: Build, made: AlembicProject) -> None:
    (made.path / "alembic.ini").unlink()
    (made.path / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "migrations"\n')
    made.revision("a", None)
    told, _ = walk(build, project_of(made, build))
    assert told == ["before a", "after a"]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").symlink_to("/dev/zero")
    assert TOOL.detect(tmp_path) is None


def test_an_env_py_with_an_address_of_its_own_is_not_taken_for_the_dataset(
    build: Build, made: AlembicProject, tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite"
    made.env(ENV.replace('context.config.get_main_option("sqlalchemy.url")', repr(f"sqlite:///{other}")))
    with closing(sqlite3.connect(other)) as connection:
        connection.executescript("create table alembic_version (version_num); insert into alembic_version values ('a')")
    made.revision("a", None)
    with pytest.raises(InfrastructureError, match="does not look where it should") as caught:
        plan_of(build, project_of(made, build))
    assert caught.value.code == "wrong-database"


def test_an_env_py_with_an_empty_database_of_its_own_is_found_before_its_first_step(
    build: Build, made: AlembicProject, tmp_path: Path
) -> None:
    made.env(ENV.replace('context.config.get_main_option("sqlalchemy.url")', repr(f"sqlite:///{tmp_path / 'o'}")))
    made.revision("a", None)
    with pytest.raises(InfrastructureError, match="which is not the dataset's"):
        walk(build, project_of(made, build))
    assert not (tmp_path / "o").stat().st_size, "nothing was run there"


def test_a_version_table_of_another_name_is_the_main_one_or_a_chain_of_that_name(
    build: Build, made: AlembicProject
) -> None:
    made.env(ENV.replace("connection=connection,", "connection=connection, version_table='mine',"))
    made.revision("a", None)
    project = project_of(made, build)
    assert plan_of(build, project, AlembicOptions(version_table="mine")).chain == ""
    plan = plan_of(build, project)
    assert plan.chain == "mine"
    assert [step.chain for step in plan.steps] == ["mine"]
    told, stop = walk(build, project)
    assert (told, stop) == (["before a", "after a"], Stop())
    assert TOOL.versions(build, OPTIONS, project, "mine") == {"a"}
    assert TOOL.versions(build, OPTIONS, project) == frozenset()


def test_a_dataset_at_a_revision_that_the_project_does_not_know_is_said_so(build: Build, made: AlembicProject) -> None:
    made.revision("a", None)
    project = project_of(made, build)
    walk(build, project)
    made.file("a").unlink()
    made.revision("b", None)
    with pytest.raises(ChangeError, match="the database is at a, which the project's scripts do not have"):
        plan_of(build, project)


def test_the_url_is_also_in_the_environment_and_in_x_arguments(build: Build, made: AlembicProject) -> None:
    made.env(
        ENV.replace(
            'context.config.get_main_option("sqlalchemy.url")',
            "check()",
        ).replace(
            "engine =",
            """
def check():
    import os
    url = os.environ["DATABASE_URL"]
    assert url == os.environ["THCORE_DATABASE_URL"] == context.get_x_argument(as_dictionary=True)["url"]
    assert os.environ["MINE"] == "1"
    return url

engine =""",
        )
    )
    made.revision("a", None, body="import os\nassert 'THCORE_CHANNEL' not in os.environ")
    project = project_of(made, build, MINE="1")
    told, _ = walk(build, project, AlembicOptions(url_option="", x_arguments=("url={url}",)))
    assert told == ["before a", "after a"]


def test_a_project_without_a_database_driver_is_the_operators_to_mend(build: Build, made: AlembicProject) -> None:
    made.revision("a", None)
    project = project_of(made, build)
    # An interpreter that sees no site-packages has no driver; Alembic itself is put on its path.
    site = made.path.parent / "site"
    site.mkdir()
    for source in Path(alembic.__file__).parents[1].iterdir():
        if source.stem in {"alembic", "sqlalchemy", "mako", "markupsafe", "typing_extensions"}:
            (site / source.name).symlink_to(source)
    provision = project.provision
    base = Path(sys.base_exec_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    bare = evolve(
        project,
        provision=evolve(provision, environment=evolve(provision.environment, python=base, prefix=(), path=())),
        address=Address("mysql", "d", "u", socket=Path("/nowhere")),
        variables={"PYTHONPATH": str(site)},
    )
    with pytest.raises(InfrastructureError, match=r"pymysql, MySQLdb, mysql\.connector") as caught:
        plan_of(build, bare)
    assert caught.value.code == "driver-missing"


def test_what_a_measurement_raises_ends_the_walk(build: Build, made: AlembicProject) -> None:
    made.revision("a", None).revision("b", "a")
    project = project_of(made, build)

    def broken(step: Step) -> None:
        raise InfrastructureError("the server does not answer", code="server-died")

    with pytest.raises(InfrastructureError, match="does not answer"):
        TOOL.walk(build, OPTIONS, project, Told(started=broken))


def test_a_cancel_passes_through_a_walk(build: Build, made: AlembicProject) -> None:
    made.revision("a", None)
    project = project_of(made, build)

    def stop(step: Step) -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        TOOL.walk(build, OPTIONS, project, Told(started=stop))
