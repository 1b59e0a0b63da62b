from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve
from uv import find_uv_bin

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Environment, Step
from thcore.testing import make_build
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.django import Django, DjangoOptions
from thplugins_dbmigration.tools.tool import Enough, OneWay, Pause, Plan, Project, Stop

from parts.django_project import VARIABLES, DjangoProject
from parts.guide import Told
from parts.servers import EMBEDDED, MARIADB, ground, open_directory, query

TOOL = Django()
OPTIONS = DjangoOptions()
ITEM = 'migrations.CreateModel("Item", [("id", models.AutoField(primary_key=True)), ("name", models.TextField())])'
SKU = 'migrations.AddField("item", "sku", models.CharField(max_length=9, null=True))'
UNIQUE = 'migrations.AlterField("item", "name", models.CharField(max_length=20, unique=True))'
TWICE = "migrations.RunSQL(\"INSERT INTO shop_item (id, name) VALUES (1, 'a'), (2, 'a')\")"
SIGNALS = """\
from django.db.models.signals import post_migrate, pre_migrate

class Item(models.Model):
    name = models.TextField()

for signal, name in ((pre_migrate, "pre_migrate"), (post_migrate, "post_migrate")):
    signal.connect(lambda name=name, **_: print(name), weak=False)
"""


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


@pytest.fixture
def shop(tmp_path: Path) -> DjangoProject:
    """Three migrations: a table, two rows of the same name, a column."""
    made = DjangoProject(tmp_path / "checkout", "shop").models("shop", SIGNALS)
    made.migration("shop.0001_initial", (), ITEM)
    made.migration("shop.0002_rows", ["shop.0001_initial"], TWICE)
    return made.migration("shop.0003_sku", ["shop.0002_rows"], SKU)


def project_at(made: DjangoProject, build: Build, server: Server, address: Address) -> Project:
    words = Placeholders.of(
        address, dataset="small", checkout=made.path, workspace=build.workspace.root, config=made.path.parent
    )
    variables = {name: words.fill(text, name) for name, text in VARIABLES.items()}
    return Project(made.provision(), address, server, made.path, variables, words, "small")


def project_of(made: DjangoProject, build: Build) -> Project:
    server = SQLiteServer(made.path.parent)
    return project_at(made, build, server, server.create("data", "", ""))


def walk(
    build: Build, project: Project, options: DjangoOptions = OPTIONS, *, most: int | None = None
) -> tuple[Told, Stop]:
    guide = Told(most=most)
    return guide, TOOL.walk(build, options, project, guide)


def plan_of(build: Build, project: Project, options: DjangoOptions = OPTIONS) -> Plan:
    """The way ahead of the one chain, nothing run."""
    guide, _ = walk(build, project, options, most=0)
    (plan,) = guide.plans
    return plan


def order_of(plan: Plan) -> list[str]:
    return [step.version for step in plan.steps]


def rows(project: Project, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(project.address.database)) as connection:
        return connection.execute(statement).fetchall()


def printed(build: Build) -> str:
    return build.workspace.log.read_text()


def test_the_migrations_of_an_app_are_planned_and_walked_one_at_a_time(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)

    plan = plan_of(build, project)

    assert (plan.current, plan.head) == (frozenset(), {"shop.0003_sku"})
    assert plan.steps == (
        Step("shop.0001_initial", (), "Create model Item", "shop/migrations/0001_initial.py"),
        Step("shop.0002_rows", ("shop.0001_initial",), "Raw SQL operation", "shop/migrations/0002_rows.py"),
        Step("shop.0003_sku", ("shop.0002_rows",), "Add field sku to item", "shop/migrations/0003_sku.py"),
    )
    assert rows(project, "SELECT name FROM sqlite_master") == [], "a plan changes nothing"
    guide, stop = walk(build, project)
    assert stop == Stop()
    assert guide.told == [f"{word} {version}" for version in order_of(plan) for word in ("before", "after")]
    assert plan.reached(TOOL.versions(build, OPTIONS, project))
    assert plan.last(TOOL.versions(build, OPTIONS, project)) == plan.head
    assert plan_of(build, project).current == {"shop.0003_sku"}


def test_a_measurement_between_two_steps_sees_only_the_first(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)
    seen: list[object] = []

    TOOL.walk(
        build, OPTIONS, project, Told(ended=lambda _: seen.append(rows(project, "SELECT count(*) FROM shop_item")))
    )

    assert seen == [[(0,)], [(2,)], [(2,)]]


def test_every_app_is_walked_in_the_order_that_django_keeps(build: Build, tmp_path: Path) -> None:
    apps = ("shop", "mail", "people", "django.contrib.contenttypes", "django.contrib.auth")
    made = DjangoProject(tmp_path / "checkout", *apps)
    made.migration("shop.0001_initial", (), ITEM)
    made.migration("shop.0002_sku", ["shop.0001_initial"], SKU)
    made.migration("mail.0001_initial", (), more="run_before = [('shop', '0002_sku')]")
    swapped = "dependencies = [migrations.swappable_dependency('auth.User')]"
    made.migration("people.0001_initial", (), more=swapped)
    project = project_of(made, build)

    guide, stop = walk(build, project)

    (plan,) = guide.plans
    order = order_of(plan)
    assert stop == Stop()
    assert guide.told == [f"{word} {version}" for version in order for word in ("before", "after")]
    assert order.index("mail.0001_initial") < order.index("shop.0002_sku")
    assert order.index("auth.0001_initial") < order.index("people.0001_initial")
    assert {"mail.0001_initial", "people.0001_initial", "shop.0002_sku"} < plan.head
    assert {step.path is None for step in plan.steps} == {True, False}, "Django's own files are not in the checkout"
    assert {step.path is None for step in plan.steps if step.version.startswith("auth.")} == {True}
    assert plan.reached(TOOL.versions(build, OPTIONS, project))


def test_a_target_is_reached_in_the_order_of_all_migrations(build: Build, tmp_path: Path) -> None:
    made = DjangoProject(tmp_path / "checkout", "art", "book", "yard", "zoo")
    made.migration("zoo.0001_initial").migration("yard.0001_initial")
    made.migration("art.0001_initial", ["yard.0001_initial"])
    made.migration("book.0001_initial", ["yard.0001_initial", "zoo.0001_initial"])

    guide, stop = walk(build, project_of(made, build), DjangoOptions(target="book"))

    assert stop == Stop()
    assert order_of(guide.plans[0]) == ["yard.0001_initial", "zoo.0001_initial", "book.0001_initial"]


def test_a_walk_can_end_after_any_step_and_go_on_later(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)

    guide, stop = walk(build, project, most=2)

    assert stop == Stop()
    assert guide.told[-1] == "after shop.0002_rows"
    assert TOOL.versions(build, OPTIONS, project) == {"shop.0001_initial", "shop.0002_rows"}
    assert guide.plans[0].last(TOOL.versions(build, OPTIONS, project)) == {"shop.0002_rows"}
    guide, stop = walk(build, project)
    assert (guide.told, stop) == (["before shop.0003_sku", "after shop.0003_sku"], Stop())
    assert guide.plans[0].current == {"shop.0002_rows"}
    assert rows(project, "SELECT name, sku FROM shop_item") == [("a", None), ("a", None)]


def test_what_follows_the_migrations_is_left_out_when_they_are_cut_short(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)

    walk(build, project, most=2)

    assert "post_migrate" not in printed(build)
    walk(build, project)
    walk(build, project)
    assert printed(build).count(" pre_migrate") == 3
    assert printed(build).count(" post_migrate") == 2, "also when there is nothing to migrate"


def test_a_database_that_has_all_migrations_is_no_error(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)
    walk(build, project)

    guide, stop = walk(build, project)

    assert (guide.told, stop) == ([], Stop())
    assert guide.plans[0].reached(TOOL.versions(build, OPTIONS, project))


def squashed(shop: DjangoProject) -> DjangoProject:
    return shop.migration(
        "shop.0001_squashed",
        (),
        ITEM,
        TWICE,
        more="replaces = [('shop', '0001_initial'), ('shop', '0002_rows')]",
    )


def test_a_squash_is_one_step_of_an_empty_database(build: Build, shop: DjangoProject) -> None:
    project = project_of(squashed(shop), build)

    guide, stop = walk(build, project)

    assert stop == Stop()
    assert order_of(guide.plans[0]) == ["shop.0001_squashed", "shop.0003_sku"]
    assert guide.plans[0].reached(TOOL.versions(build, OPTIONS, project))
    assert {"shop.0001_squashed", "shop.0001_initial"} < TOOL.versions(build, OPTIONS, project)


def test_a_squash_that_is_applied_through_its_parts_is_no_step(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)
    walk(build, project, most=2)
    squashed(shop)

    plan = plan_of(build, project)

    assert (plan.current, order_of(plan)) == ({"shop.0002_rows"}, ["shop.0003_sku"])
    _, stop = walk(build, project)
    assert stop == Stop()
    assert plan.last(TOOL.versions(build, OPTIONS, project)) == plan.head
    assert plan.reached(TOOL.versions(build, OPTIONS, project))
    assert "shop.0001_squashed" in TOOL.versions(build, OPTIONS, project), "Django has noted it"


def test_a_head_that_is_a_squash_is_reached_before_django_has_noted_it(build: Build, shop: DjangoProject) -> None:
    shop.file("shop.0003_sku").unlink()
    project = project_of(shop, build)
    walk(build, project)
    squashed(shop)

    plan = plan_of(build, project)

    assert (plan.current, plan.head, plan.steps) == ({"shop.0002_rows"}, {"shop.0002_rows"}, ())
    assert plan.reached(TOOL.versions(build, OPTIONS, project))
    assert plan.reached(TOOL.versions(build, OPTIONS, project) | {"shop.0001_squashed"})


def test_a_squash_that_is_applied_in_part_is_ended_through_its_parts(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)
    walk(build, project, most=1)
    squashed(shop)

    guide, stop = walk(build, project)

    assert stop == Stop()
    assert order_of(guide.plans[0]) == ["shop.0002_rows", "shop.0003_sku"]
    assert guide.plans[0].reached(TOOL.versions(build, OPTIONS, project))


def test_migrations_that_the_project_no_longer_has_are_not_missed(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)
    walk(build, project)
    with closing(sqlite3.connect(project.address.database)) as connection:
        connection.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('gone', '0001_initial', '')")
        connection.commit()

    plan = plan_of(build, project)

    assert plan.current == {"shop.0003_sku"}
    assert plan.reached(TOOL.versions(build, OPTIONS, project))


def test_an_operation_that_fails_on_data_is_named_with_statement_and_line(build: Build, shop: DjangoProject) -> None:
    shop.migration("shop.0004_unique", ["shop.0003_sku"], SKU.replace('"sku"', '"more"'), UNIQUE)
    project = project_of(shop, build)

    guide, stop = walk(build, project)

    assert stop.failed is not None
    assert (stop.failed.version, stop.code, stop.line) == ("shop.0004_unique", "migration-not-ended", 8)
    assert stop.message == "IntegrityError: UNIQUE constraint failed: new__shop_item.name"
    assert stop.evidence[1].startswith('statement: INSERT INTO "new__shop_item"')
    assert stop.evidence[2] == f"0004_unique.py, line 8: {UNIQUE},"
    assert guide.told[-1] == "failed shop.0004_unique"
    assert "shop.0004_unique" not in TOOL.versions(build, OPTIONS, project)


def test_python_that_fails_in_a_migration_is_named_with_its_line(build: Build, shop: DjangoProject) -> None:
    top = """\
    def check(apps, schema_editor):
        for item in apps.get_model("shop", "Item").objects.all():
            assert item.sku, item.name
    """
    shop.migration("shop.0004_check", ["shop.0003_sku"], "migrations.RunPython(check)", top=top)

    _, stop = walk(build, project_of(shop, build))

    assert stop.failed is not None
    assert (stop.failed.version, stop.message, stop.line) == ("shop.0004_check", "AssertionError: a", 5)
    assert stop.evidence[1] == "0004_check.py, line 5: assert item.sku, item.name"


def test_a_migration_without_a_transaction_leaves_what_it_has_done(build: Build, shop: DjangoProject) -> None:
    shop.migration("shop.0004_half", ["shop.0003_sku"], SKU.replace('"sku"', '"more"'), UNIQUE, more="atomic = False")
    project = project_of(shop, build)

    _, stop = walk(build, project)

    assert stop.message == "IntegrityError: UNIQUE constraint failed: new__shop_item.name"
    assert rows(project, "SELECT more FROM shop_item") == [(None,), (None,)]
    assert "shop.0004_half" not in TOOL.versions(build, OPTIONS, project)


def test_a_migration_that_ends_its_process_is_a_step_that_failed(build: Build, shop: DjangoProject) -> None:
    code = "migrations.RunPython(lambda apps, editor: __import__('os')._exit(3))"
    shop.migration("shop.0004_end", ["shop.0003_sku"], code)

    guide, stop = walk(build, project_of(shop, build))

    assert stop.failed is not None
    assert stop.failed.version == "shop.0004_end"
    assert stop.message == "the migration program ended in the middle: exit status 3"
    assert guide.told[-1] == "failed shop.0004_end"


@pytest.mark.parametrize(
    ("target", "steps"),
    [
        ("shop", ["shop.0001_initial", "shop.0002_rows", "shop.0003_sku"]),
        ("shop.0002_rows", ["shop.0001_initial", "shop.0002_rows"]),
        (None, ["mail.0001_initial", "shop.0001_initial", "shop.0002_rows", "shop.0003_sku"]),
    ],
)
def test_the_end_is_an_app_a_migration_or_everything(
    build: Build, tmp_path: Path, shop: DjangoProject, target: str | None, steps: list[str]
) -> None:
    settings = shop.path / "settings.py"
    settings.write_text(settings.read_text().replace("['shop']", "['shop', 'mail']"))
    DjangoProject(tmp_path / "mail", "mail").migration("mail.0001_initial")
    (tmp_path / "mail" / "mail").rename(shop.path / "mail")
    project = project_of(shop, build)

    guide, stop = walk(build, project, DjangoOptions(target=target))

    assert (order_of(guide.plans[0]), stop) == (steps, Stop())
    assert guide.plans[0].reached(TOOL.versions(build, OPTIONS, project))


def test_nothing_is_taken_back(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)
    walk(build, project)
    with pytest.raises(ChangeError, match="the gate takes nothing back"):
        walk(build, project, DjangoOptions(target="shop.0001_initial"))
    assert "shop.0003_sku" in TOOL.versions(build, OPTIONS, project)


def test_another_database_of_the_project_is_not_the_one_that_was_given(build: Build, shop: DjangoProject) -> None:
    with pytest.raises(InfrastructureError, match=r"data\.sqlite\.other.*or django\.settings") as caught:
        walk(build, project_of(shop, build), DjangoOptions(database="other"))
    assert caught.value.code == "wrong-database"


def test_a_project_without_migrations_is_said_so(build: Build, tmp_path: Path) -> None:
    with pytest.raises(ChangeError, match="No migration found") as caught:
        walk(build, project_of(DjangoProject(tmp_path / "checkout", "shop"), build))
    assert caught.value.code == "tool-unusable"


@pytest.mark.parametrize(
    ("version", "needs", "code", "message"),
    [
        ("shop.0003_other", "shop.0002_rows", "tool-unusable", "Conflicting migrations detected"),
        ("shop.0004_lost", "shop.0009_nowhere", "tool-unusable", "nonexistent parent node"),
        ("shop.0004_import", None, "import-failed", "No module named 'nowhere'"),
    ],
)
def test_migrations_that_cannot_be_read_are_the_changes_fault(
    build: Build, shop: DjangoProject, version: str, needs: str | None, code: str, message: str
) -> None:
    shop.migration(version, [needs] if needs else (), top="" if needs else "import nowhere")
    with pytest.raises(ChangeError, match=message) as caught:
        walk(build, project_of(shop, build))
    assert caught.value.code == code


def test_the_projects_own_command_and_settings_are_used(build: Build, shop: DjangoProject) -> None:
    (shop.path / "manage.py").rename(shop.path / "own.py")
    (shop.path / "settings.py").rename(shop.path / "mine.py")
    project = project_of(shop, build)
    own = DjangoOptions(command=("python3", "own.py", "migrate", "shop", "0001", "-v0"), settings="mine")
    python = str(project.provision.environment.python)

    guide, stop = walk(build, project, evolve(own, command=(python, *(own.command or ())[1:])))

    assert (guide.told, stop) == (["before shop.0001_initial", "after shop.0001_initial"], Stop())
    guide, stop = walk(build, project, DjangoOptions(settings="mine", target="shop.0002_rows"))
    assert (guide.told, stop) == (["before shop.0002_rows", "after shop.0002_rows"], Stop()), "without a manage.py"
    with pytest.raises(ChangeError, match=r"no manage\.py") as caught:
        walk(build, project)
    assert caught.value.code == "tool-unusable"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (DjangoOptions(target="--fake"), "'--fake' is neither an app nor"),
        (DjangoOptions(command=("netbox", "migrate"), target="dcim"), "write in it what target and database"),
        (DjangoOptions(command=("netbox", "migrate"), database="other"), "write in it what target and database"),
        (DjangoOptions(command=("{nothing}",)), r"django\.command.*\{nothing\} is not a placeholder"),
    ],
)
def test_options_that_do_not_fit_are_said_so(
    build: Build, shop: DjangoProject, options: DjangoOptions, message: str
) -> None:
    with pytest.raises(InfrastructureError, match=message) as caught:
        walk(build, project_of(shop, build), options)
    assert caught.value.code == "options-invalid"


def test_a_checkout_is_djangos_when_its_manage_py_says_so(tmp_path: Path, shop: DjangoProject) -> None:
    assert TOOL.detect(shop.path) == "manage.py"
    assert TOOL.detect(tmp_path) == "checkout/manage.py"
    DjangoProject(tmp_path / "second")
    assert TOOL.detect(tmp_path) is None, "there are two"
    (tmp_path / "manage.py").write_text("from flask_script import Manager\n")
    assert TOOL.detect(tmp_path) is None


def test_a_manage_py_in_a_directory_of_the_checkout_is_found(build: Build, tmp_path: Path, shop: DjangoProject) -> None:
    project = evolve(project_of(shop, build), directory=tmp_path)
    guide, stop = walk(build, project)
    assert (len(guide.told), stop) == (6, Stop())


def test_the_url_is_in_the_environment_unless_the_job_sets_it(build: Build, shop: DjangoProject) -> None:
    settings = shop.path / "settings.py"
    settings.write_text(settings.read_text() + 'print("URL", os.environ["DATABASE_URL"])\n')
    project = project_of(shop, build)

    walk(build, project)
    walk(build, evolve(project, variables={**project.variables, "DATABASE_URL": "mine"}))

    assert f"URL {project.address.url()}" in printed(build)
    assert "URL mine" in printed(build)


@pytest.mark.system
@pytest.mark.timeout(120)
def test_on_postgresql_each_step_is_counted_and_the_session_goes_on() -> None:
    contrib = ("django.contrib.contenttypes", "django.contrib.auth")
    with open_directory() as directory, ground(directory, EMBEDDED) as place, place.server() as server:
        made = DjangoProject(directory / "checkout", "shop", *contrib).models("shop", SIGNALS)
        made.migration("shop.0001_initial", (), ITEM, "migrations.RunSQL(\"SET lock_timeout = '7s'\")")
        made.migration("shop.0002_rows", ["shop.0001_initial"], TWICE)
        check = "SELECT 1 / (current_setting('lock_timeout') = '7s')::int"
        index = "CREATE INDEX CONCURRENTLY i ON shop_item (name)"
        made.migration(
            "shop.0003_index",
            ["shop.0002_rows"],
            f'migrations.RunSQL("{check}")',
            f'migrations.RunSQL("{index}")',
            more="atomic = False",
        )
        made.migration("shop.0004_unique", ["shop.0003_index"], UNIQUE)
        address = server.create("data", "owner", "p'w")
        project = project_at(made, place.build, server, address)
        inserted: dict[str, list[int | None]] = {}

        def look(step: Step) -> None:
            inserted.setdefault(step.version, []).append(server.counters(address)["tup_inserted"])

        stop = TOOL.walk(place.build, OPTIONS, project, Told(started=look, ended=look))

        assert all(isinstance(count, int) for counts in inserted.values() for count in counts)
        before, after = inserted["shop.0002_rows"]
        assert before is not None
        assert after == before + 3, "two rows, and one in django_migrations"
        assert stop.failed is not None
        assert (stop.failed.version, stop.line) == ("shop.0004_unique", 7)
        assert stop.message.startswith("UniqueViolation [23505]: could not create unique index")
        assert stop.evidence[1].startswith('statement: ALTER TABLE "shop_item"')
        assert "shop.0003_index" in TOOL.versions(place.build, OPTIONS, project)


@pytest.mark.system
@pytest.mark.timeout(120)
def test_on_mariadb_a_step_that_fails_is_named_with_the_servers_number() -> None:
    with open_directory() as directory, ground(directory, MARIADB) as place, place.server() as server:
        made = DjangoProject(directory / "checkout", "shop").migration("shop.0001_initial", (), ITEM)
        made.migration("shop.0002_rows", ["shop.0001_initial"], TWICE)
        made.migration("shop.0003_half", ["shop.0002_rows"], SKU, UNIQUE)
        address = server.create("data", "owner", "p'w")
        project = project_at(made, place.build, server, address)

        _, stop = walk(place.build, project)

        assert stop.failed is not None
        assert (stop.failed.version, stop.line) == ("shop.0003_half", 8)
        assert stop.message.startswith("IntegrityError [23000]: (1062) Duplicate entry 'a'")
        assert query(address, "SELECT sku FROM shop_item") == [(None,), (None,)], "half of it stays"


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("release", ["3.2", "4.2", "5.1"])
def test_older_releases_are_walked_as_well(build: Build, shop: DjangoProject, tmp_path: Path, release: str) -> None:
    place = tmp_path / "venv"
    for words in (["venv", str(place)], ["pip", "install", f"--python={place}", f"django=={release}.*"]):
        subprocess.run([find_uv_bin(), "--quiet", *words], cwd=tmp_path, check=True)
    squashed(shop).migration("shop.0004_unique", ["shop.0003_sku"], UNIQUE)
    project = project_of(shop, build)
    environment = Environment(python=place / "bin" / "python")
    project = evolve(project, provision=evolve(project.provision, environment=environment))

    assert order_of(plan_of(build, project)) == ["shop.0001_squashed", "shop.0003_sku", "shop.0004_unique"]
    _, stop = walk(build, project, most=1)
    assert stop == Stop(), "the database lists the squash"
    _, stop = walk(build, project)

    assert stop.failed is not None
    assert (stop.failed.version, stop.line) == ("shop.0004_unique", 7)
    assert stop.evidence[1].startswith("statement: INSERT INTO")
    assert "shop.0003_sku" in TOOL.versions(build, OPTIONS, project)


def test_migrations_are_taken_back_app_by_app_unless_one_cannot_be(build: Build, shop: DjangoProject) -> None:
    project = project_of(shop, build)
    guide, _ = walk(build, project)
    (plan,) = guide.plans

    assert TOOL.back(build, OPTIONS, project, plan.steps[2:]).ok
    assert rows(project, "SELECT max(name) FROM django_migrations") == [("0002_rows",)]
    refused = TOOL.back(build, OPTIONS, project, plan.steps[1:2])
    assert not refused.ok
    assert "IrreversibleError" in "".join(refused.tail)
    assert TOOL.versions(build, OPTIONS, project) == {"shop.0001_initial", "shop.0002_rows"}
    with pytest.raises(OneWay, match=r"dbmigration\.django\.command"):
        TOOL.back(build, evolve(OPTIONS, command=("migrate",)), project, plan.steps)


def test_a_program_can_be_ended_after_so_many_statements_of_a_step(build: Build, shop: DjangoProject) -> None:
    two = "migrations.RunSQL(['CREATE TABLE one (id int)', 'SELECT 1', 'CREATE TABLE two (id int)'])"
    shop.migration("shop.0004_two", ["shop.0003_sku"], two, more="atomic = False")
    project = project_of(shop, build)
    walk(build, project, most=3)
    met: list[str] = []

    def end() -> None:
        met.extend(str(name) for (name,) in rows(project, "SELECT name FROM sqlite_master WHERE length(name) = 3"))
        raise Enough

    guide = Told(pause=Pause(1, end))
    stop = TOOL.walk(build, OPTIONS, project, guide)

    assert met == ["one"]
    assert guide.told == ["before shop.0004_two", "failed shop.0004_two"]
    assert stop.failed is not None
    assert rows(project, "SELECT count(*) FROM sqlite_master WHERE name IN ('one', 'two')") == [(1,)]
