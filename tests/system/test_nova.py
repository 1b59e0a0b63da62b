"""nova on its real data, release by release: what its own command does under the observer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.model import Checkout, Environment, Provision, Step
from thplugins_dbmigration import seeds
from thplugins_dbmigration.tools.sqlalchemy_migrate import SqlalchemyMigrate
from thplugins_dbmigration.tools.tool import Enough, Stop

from parts.guide import Told
from parts.interpreters import interpreter
from parts.openstack import NOVA
from parts.real_projects import PLACE, VARIABLE, find_datasets
from parts.servers import MARIADB, ON_MARIADB
from parts.site import Site, site

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

SYNC = ("nova-manage", "--config-file", "{config}/nova.conf", "db", "sync", "--local_cell")
STOPS = {
    "330": ("fixup_329.sql", "There are still 400 unmigrated records in the compute_nodes table."),
    "345": ("fixup_344.sql", "Migration cannot continue until all these have been migrated to the api database."),
    "400": ("fixup_399.sql", "unmigrated records in the services table."),
}
"""The migrations that look whether operators have moved data first: what stands for that, and what they say."""


@pytest.fixture(scope="module")
def source() -> Path:
    found = find_datasets()
    if found is None:
        pytest.skip(f"no directory {PLACE} beside the repository, and {VARIABLE} does not name one")
    return found / NOVA.source


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    packages = "nova==22.4.0", "sqlalchemy<1.4", "oslo.db<12", "PyMySQL"
    return interpreter(tmp_path_factory.mktemp("victoria") / "venv", *packages, until="2023-06-01")


@pytest.fixture(scope="module")
def antelope(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    packages = "nova==27.5.1", "sqlalchemy<2", "oslo.db<12", "PyMySQL"
    return interpreter(tmp_path_factory.mktemp("antelope") / "venv", *packages, until="2024-12-01")


@pytest.fixture
def juno(source: Path, victoria: Environment, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "checkout").mkdir()
    provision = Provision(Checkout(tmp_path / "checkout", "0" * 40), victoria)
    with site(MARIADB, SqlalchemyMigrate(), provision, tmp_path / "site", character_set="utf8mb3") as made:
        load(made, source / NOVA.seed)
        words = made.project.placeholders
        text = words.fill(NOVA.dbmigration["files"]["nova.conf"], "files")
        Path(words.fill("{config}/nova.conf", "files")).write_text(text)
        yield made


def load(here: Site, file: Path) -> None:
    """Run SQL as the dataset's user."""
    with seeds.open_seed(here.build, file) as text:
        here.project.server.load(here.build, here.project.address, text)


def test_nova_goes_all_the_way_and_stops_where_data_is_not_ready(
    juno: Site, source: Path, antelope: Environment
) -> None:
    steps: list[str] = []
    for version, (fixup, words) in STOPS.items():
        guide, stop = juno.walk(command=SYNC)
        assert stop.failed is not None
        assert stop.failed.version == version
        assert stop.message.startswith("The migration refuses to go on: ValidationError: ")
        assert words in stop.message
        assert stop.line
        assert juno.versions() == {str(int(version) - 1)}
        steps += [told.split()[1] for told in guide.told if told.startswith("after")]
        load(juno, source / fixup)
    guide, stop = juno.walk(command=SYNC)
    assert stop == Stop()
    steps += [told.split()[1] for told in guide.told if told.startswith("after")]
    assert steps == [str(version) for version in range(255, 413)]
    assert juno.versions() == {"412"}

    newer = evolve(juno, project=evolve(juno.project, provision=evolve(juno.project.provision, environment=antelope)))
    guide, stop = newer.walk(command=SYNC)

    assert stop == Stop()
    legacy, alembic = guide.plans
    assert (legacy.chain, legacy.current, legacy.head) == ("", {"412"}, {"422"})
    assert (alembic.chain, alembic.current, alembic.head) == ("alembic_version", {"8f2f1571d55b"}, {"960aac0e09ea"})
    assert guide.told[-1] == "after 960aac0e09ea"
    assert newer.versions() == {"422"}
    assert newer.versions("alembic_version") == {"960aac0e09ea"}


def test_a_step_that_breaks_in_the_middle_is_told_in_the_servers_words(juno: Site, source: Path) -> None:
    load(juno, source / "overlay_280_null_keypair.sql")

    _, stop = juno.walk(command=(*SYNC, "290"))

    assert stop.failed == Step("280", ("279",), "add nullable false to keypairs name")
    assert ("(1265) Data truncated" if ON_MARIADB else "(1138) Invalid use of NULL") in stop.message
    assert any(line.startswith("statement: ALTER TABLE key_pairs") for line in stop.evidence)
    assert stop.line
    assert juno.versions() == {"279"}


def test_a_walk_of_nova_ends_between_two_steps_when_that_is_enough(juno: Site) -> None:
    def enough(step: Step) -> None:
        if step.version == "256":
            raise Enough

    guide, stop = juno.walk(Told(ended=enough), command=SYNC)

    assert stop == Stop()
    assert [plan.head for plan in guide.plans] == [{"412"}]
    assert juno.versions() == {"256"}
