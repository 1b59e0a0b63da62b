"""yoyo's own program on private servers of every engine, watched step by step."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Step
from thplugins_dbmigration.tools.tool import Enough, Pause, Stop
from thplugins_dbmigration.tools.yoyo import Yoyo, YoyoOptions

from parts.guide import Told
from parts.servers import EMBEDDED, MARIADB, ON_MARIADB, SQLITE
from parts.site import Site, site
from parts.yoyo_project import YoyoProject

pytestmark = pytest.mark.system

TOOL = Yoyo()
USERS = """\
-- People
CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(20));
INSERT INTO users VALUES (1, 'Ann');
INSERT INTO users VALUES (2, NULL);
"""
MAIL = '''\
"""People have addresses."""

from yoyo import group, step

__depends__ = {"0001-users"}

group(
    step("ALTER TABLE users ADD COLUMN mail VARCHAR(40)", "ALTER TABLE users DROP COLUMN mail"),
    step("UPDATE users SET mail = name"),
)
'''
UNIQUE = """\
from yoyo import step

__depends__ = {"0002-mail"}

steps = [
    step("CREATE TABLE extra (id INTEGER PRIMARY KEY)", "DROP TABLE extra"),
    step("INSERT INTO users (id, name) VALUES (1, 'Bob')"),
]
"""
PROGRAM = """\
import sys

import yoyo

backend = yoyo.get_backend(sys.argv[1])
with backend.lock():
    backend.apply_migrations(backend.to_apply(yoyo.read_migrations("migrations")))
"""


@pytest.fixture
def made(tmp_path: Path) -> YoyoProject:
    project = YoyoProject(tmp_path / "checkout")
    return project.migration("0001-users.sql", USERS).migration("0002-mail.py", MAIL)


@pytest.fixture(params=[MARIADB, EMBEDDED, SQLITE], ids=str)
def anywhere(request: pytest.FixtureRequest, made: YoyoProject, tmp_path: Path) -> Iterator[Site]:
    with site(request.param, TOOL, made.provision(), tmp_path / "site") as place:
        yield place


@pytest.fixture
def here(made: YoyoProject, tmp_path: Path) -> Iterator[Site]:
    with site(SQLITE, TOOL, made.provision(), tmp_path / "site") as place:
        yield place


@pytest.fixture
def mariadb(made: YoyoProject, tmp_path: Path) -> Iterator[Site]:
    with site(MARIADB, TOOL, made.provision(), tmp_path / "site") as place:
        yield place


def test_migrations_are_walked_one_at_a_time_and_each_is_committed_before_the_next(anywhere: Site) -> None:
    seen: list[frozenset[str]] = []

    guide, stop = anywhere.walk(Told(ended=lambda _step: seen.append(anywhere.versions())))

    assert stop == Stop()
    (plan,) = guide.plans
    assert (plan.current, plan.head) == (frozenset(), {"0002-mail"})
    assert plan.steps == (
        Step("0001-users", (), "People", "migrations/0001-users.sql"),
        Step("0002-mail", ("0001-users",), "People have addresses.", "migrations/0002-mail.py"),
    )
    assert guide.told == ["before 0001-users", "after 0001-users", "before 0002-mail", "after 0002-mail"]
    assert seen == [{"0001-users"}, {"0002-mail"}]
    assert plan.reached(anywhere.versions())
    assert anywhere.query("SELECT mail FROM users WHERE id = 1") == [("Ann",)]
    again, stop = anywhere.walk()
    assert (again.plans[0].steps, again.plans[0].current, stop) == ((), {"0002-mail"}, Stop())


def test_the_error_of_a_failed_step_is_the_one_that_came_first(anywhere: Site, made: YoyoProject) -> None:
    made.migration("0003-unique.py", UNIQUE)

    guide, stop = anywhere.walk()

    assert guide.told[-2:] == ["before 0003-unique", "failed 0003-unique"]
    assert stop.failed == Step("0003-unique", ("0002-mail",), "", "migrations/0003-unique.py")
    assert "IntegrityError" in stop.message or "UniqueViolation" in stop.message
    assert "statement: INSERT INTO users (id, name) VALUES (1, 'Bob')" in stop.evidence
    assert stop.line == 7
    assert "SAVEPOINT" not in stop.message
    assert anywhere.versions() == {"0002-mail"}


def test_mariadb_forgets_savepoints_and_the_real_error_is_told_all_the_same(mariadb: Site, made: YoyoProject) -> None:
    made.migration(
        "0003-not-null.sql", "-- depends: 0002-mail\n\nALTER TABLE users\n  MODIFY name VARCHAR(20) NOT NULL;"
    )

    _, stop = mariadb.walk()

    assert stop.message == (
        "DataError [01000]: (1265) Data truncated for column 'name' at row 2"
        if ON_MARIADB
        else "OperationalError [22004]: (1138) Invalid use of NULL value"
    )
    assert stop.line == 3
    assert any("1305" in line and "SAVEPOINT" in line for line in stop.evidence), "what yoyo says last is kept as well"


def test_the_walk_goes_as_far_as_the_guide_wants_and_can_go_on_afterwards(anywhere: Site, made: YoyoProject) -> None:
    made.migration("post-apply.sql", "CREATE TABLE after_all (id INTEGER)")

    guide, stop = anywhere.walk(Told(most=1))

    assert (guide.told, stop) == (["before 0001-users", "after 0001-users"], Stop())
    assert anywhere.versions() == {"0001-users"}
    with pytest.raises(Exception, match="after_all"):
        anywhere.query("SELECT * FROM after_all")
    _, stop = anywhere.walk()
    assert stop == Stop()
    assert anywhere.query("SELECT * FROM after_all") == []


def test_a_program_that_is_ended_between_two_steps_leaves_no_lock(anywhere: Site) -> None:
    def enough(_step: Step) -> None:
        raise Enough

    _, stop = anywhere.walk(Told(ended=enough))

    assert stop == Stop()
    assert anywhere.query("SELECT * FROM yoyo_lock") == []
    guide, _ = anywhere.walk()
    assert guide.told == ["before 0002-mail", "after 0002-mail"]


def test_a_migration_without_a_transaction_is_a_step_like_any_other(anywhere: Site, made: YoyoProject) -> None:
    made.migration(
        "0003-index.py", 'from yoyo import step\n__transactional__ = False\nstep("CREATE INDEX n ON users (name)")'
    )
    made.migration("0003-index.rollback.sql", "DROP INDEX n")

    guide, stop = anywhere.walk()

    assert stop == Stop()
    assert guide.told[-1] == "after 0003-index"
    assert guide.plans[0].head == {"0002-mail", "0003-index"}, "it depends on nothing"


def test_a_program_of_the_projects_own_is_watched_as_well(anywhere: Site, made: YoyoProject) -> None:
    (made.path / "migrate.py").write_text(PROGRAM)
    url = "{url:psycopg}" if anywhere.project.address.dialect == "postgresql" else "{url}"

    guide, stop = anywhere.walk(command=(sys.executable, "migrate.py", url), sources=("migrations",))

    assert stop == Stop()
    assert guide.told[-1] == "after 0002-mail"


def test_a_program_that_uses_another_database_is_found_out(here: Site, made: YoyoProject, tmp_path: Path) -> None:
    (made.path / "migrate.py").write_text(PROGRAM)

    with pytest.raises(InfrastructureError, match=r"does not look where it should.*other\.db") as raised:
        here.walk(command=(sys.executable, "migrate.py", f"sqlite:///{tmp_path}/other.db"))

    assert raised.value.code == "wrong-database"


@pytest.mark.parametrize("by_option", [True, False])
def test_the_table_of_the_applied_migrations_may_have_another_name(
    here: Site, made: YoyoProject, *, by_option: bool
) -> None:
    if not by_option:
        made.ini("sources = migrations", "migration_table = applied")
    options = {"version_table": "applied"} if by_option else {}

    guide, stop = here.walk(**options)

    assert stop == Stop()
    assert {step.chain for step in guide.plans[0].steps} == {""}
    assert here.query("SELECT migration_id FROM applied ORDER BY 1") == [("0001-users",), ("0002-mail",)]
    assert here.versions(**options) == {"0002-mail"}


def test_no_migration_is_found_where_there_is_none(here: Site, made: YoyoProject) -> None:
    with pytest.raises(ChangeError, match="No migration found in elsewhere") as raised:
        here.walk(sources=("elsewhere",))
    assert raised.value.code == "tool-unusable"
    (made.path / "migrate.py").write_text(PROGRAM.replace('"migrations"', '"elsewhere"'))
    with pytest.raises(ChangeError, match=r"No migration found: yoyo showed none .* exit status 0") as raised:
        here.walk(command=(sys.executable, "migrate.py", "{url}"))
    assert raised.value.code == "tool-unusable"
    (made.path / "yoyo.ini").unlink()
    with pytest.raises(ChangeError, match=r"No migration found: the checkout has no yoyo\.ini"):
        here.walk()


def test_a_migration_that_does_not_import_is_told_with_its_reason(here: Site, made: YoyoProject) -> None:
    made.migration("0003-broken.py", "import nothing_like_this")

    with pytest.raises(ChangeError, match="No module named 'nothing_like_this'") as raised:
        here.walk()

    assert raised.value.code == "import-failed"


def test_a_dataset_that_was_dumped_in_the_middle_of_a_migration_is_not_used(here: Site) -> None:
    here.walk(Told(most=1))
    here.query(f"INSERT INTO yoyo_lock VALUES (1, NULL, {os.getpid()})")

    with pytest.raises(InfrastructureError, match=f"yoyo_lock says that process {os.getpid()} is migrating") as raised:
        here.walk()

    assert raised.value.code == "database-unusable"


def test_a_missing_driver_is_named(mariadb: Site) -> None:
    with pytest.raises(InfrastructureError, match="no driver for mysql; looked for MySQLdb") as raised:
        mariadb.walk(drivers={"mysql": "mysqldb"})

    assert raised.value.code == "driver-missing"


def test_a_step_that_ends_its_program_is_a_failed_one(here: Site, made: YoyoProject) -> None:
    made.migration("0003-exit.py", "import os\nfrom yoyo import step\nstep(lambda connection: os._exit(3))")

    guide, stop = here.walk()

    assert guide.told[-1] == "failed 0003-exit"
    assert stop.failed is not None
    assert stop.failed.version == "0003-exit"
    assert "ended in the middle: exit status 3" in stop.message


def test_the_project_is_detected_by_its_configuration(made: YoyoProject, tmp_path: Path) -> None:
    assert TOOL.detect(made.path) == "yoyo.ini"
    assert TOOL.detect(tmp_path) is None


def test_branches_are_several_versions_until_a_migration_joins_them(here: Site, made: YoyoProject) -> None:
    made.migration("0003-left.sql", "-- depends: 0002-mail\nCREATE TABLE a (id INTEGER)")
    made.migration("0003-right.sql", "-- depends: 0002-mail\nCREATE TABLE b (id INTEGER)")
    here.walk()
    assert here.versions() == {"0003-left", "0003-right"}
    made.migration("0004-both.sql", "-- depends: 0003-left 0003-right\nCREATE TABLE c (id INTEGER)")

    guide, _ = here.walk()

    assert guide.plans[0].steps[0].parents == ("0003-left", "0003-right")
    assert here.versions() == {"0004-both"}


def test_sources_count_from_the_working_directory(here: Site, made: YoyoProject) -> None:
    below = made.path / "backend"
    below.mkdir()
    _, stop = evolve(here, project=evolve(here.project, directory=below)).walk(sources=("../migrations",))
    assert stop == Stop()


def test_migrations_are_rolled_back_as_far_as_they_say_how(here: Site) -> None:
    guide, stop = here.walk()
    assert stop == Stop()

    assert TOOL.back(here.build, YoyoOptions(), here.project, guide.plans[0].steps).ok

    assert here.versions() == frozenset()
    assert here.query("SELECT * FROM users ORDER BY id") == [(1, "Ann"), (2, None)], "the first one says nothing"


def test_a_program_can_be_ended_after_so_many_statements_of_a_step(here: Site, made: YoyoProject) -> None:
    made.migration("0003-two.sql", "-- transactional: false\nCREATE TABLE one (id int);\nCREATE TABLE two (id int);\n")

    def end() -> None:
        raise Enough

    here.walk(Told(most=2))
    _, stop = here.walk(Told(pause=Pause(1, end)))

    assert stop.failed is not None
    assert here.query("SELECT name FROM sqlite_master WHERE name IN ('one', 'two')") == [("one",)]
