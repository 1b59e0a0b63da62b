"""Every command that the documentation shows is run: by the test of its page, or here, where a quickstart was.

What no test can run is listed with the reason.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from attrs import field, frozen

from thcore.quickstart import site
from thcore.testing.gearmand import GearmanServer

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (
    *sorted(path for path in DOCS.glob("**/*.md") if "_build" not in path.parts),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("th*/README.md")),
)
BLOCK = re.compile(r"^( *)```(?:console|shell|sh|bash)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)

OF_A_PAGE: Mapping[str, str] = {
    "bring-your-project.md": "docs/test_example_alembic.py",
    "tools/alembic.md": "docs/test_example_alembic.py",
    "tools/command.md": "docs/test_example_migrations.py",
    "tools/django.md": "docs/test_example_django.py",
    "tools/sqlalchemy_migrate.md": "docs/test_example_migrations.py",
    "tools/yoyo.md": "docs/test_example_migrations.py",
    "datasets.md": "docs/test_datasets_page.py",
    "walk.md": "docs/test_walk_page.py",
    "other-ci.md": "docs/test_example_ci.py",
    "tutorial-plugin.md": "docs/test_tutorial_plugin.py",
    **{
        f"examples/plugins/{path.name}/README.md": "system/test_example_plugins.py"
        for path in (DOCS / "examples" / "plugins").iterdir()
    },
}
"""Pages whose commands are run, in their order and with what the page needs, by a test of their own."""

OF_A_TEST: Mapping[str, str] = {
    "thcore quickstart shop-demo": "system/test_quickstart.py",
    "thcore quickstart": "system/test_quickstart.py",
    "thcore builds retry 5f1c0e": "system/test_quarantine.py",
    "pip install ./docs/examples/thplugins_example_pauses": "system/test_third_party_plugin.py",
    "pip install thcore thplugins-dbmigration[embedded] thplugins-publish-local": "docs/test_tutorial_plugin.py",
    "pip install thplugins-publish-swift": "system/test_distributions.py",
    "pip install thcore thplugins-dbmigration[embedded] thplugins-publish-local thplugins-publish-swift": (
        "system/test_distributions.py"
    ),
}
"""Commands that are run elsewhere, since what they need or do is large."""

NOT_RUN: Mapping[str, str] = {
    "apt-get install": "changes the machine",
    "systemctl ": "changes the machine",
    "useradd ": "changes the machine",
    "install -d -o thcore": "needs the account that useradd makes",
    "python3 -m venv /opt/thcore": "writes outside of the test; the tutorial's test makes a virtual environment",
    "/opt/thcore/bin/pip install": "writes outside of the test; the tutorial's test installs from wheels",
    "cp /opt/thcore/share": "writes outside of the test",
    "mariadb-dump ": "reads the reader's own server",
    "pg_dump ": "reads the reader's own server",
    "pip download ": "fetches what the reader's own project asks for",
    "make ": "is how all of this is run",
    "cd ": "the directory is the test's",
}
"""What begins like this is run by no test, and why."""

TURBO_HIPSTER = {
    "zuul_server": {"git_url": "https://git.example.org/p/", "gearman_host": "zuul.example.org", "gearman_port": 4730},
    "jobs_working_dir": "/var/lib/turbo-hipster/jobs",
    "git_working_dir": "/var/lib/turbo-hipster/git",
    "plugins": [
        {
            "name": "gate_real_db_upgrade",
            "function": "build:gate-real-db-upgrade_nova_mysql",
            "datasets_dir": "/datasets",
        }
    ],
    "publish_logs": {"type": "local", "path": "/srv/logs", "prepend_url": "https://logs.example.org/"},
}
"""A configuration as turbo-hipster's documentation describes it."""

ENDLESS = ("thcore serve", "thcore status --watch")


def shown() -> Iterator[tuple[str, str]]:
    """Every command, with the page that it stands on."""
    for page in PAGES:
        name = str(page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT))
        for indent, block in BLOCK.findall(page.read_text("utf-8")):
            for line in block.splitlines():
                if line.startswith(f"{indent}$ "):
                    yield name, line.removeprefix(f"{indent}$ ")


def not_run(command: str) -> bool:
    return any(command.startswith(begin) for begin in NOT_RUN)


def run_here() -> list[tuple[str, str]]:
    """The commands that nobody else runs."""
    return [
        (page, command)
        for page, command in shown()
        if page not in OF_A_PAGE and command not in OF_A_TEST and not not_run(command)
    ]


def test_whoever_runs_commands_of_the_documentation_is_there() -> None:
    pages, commands = {page for page, _ in shown()}, {command for _, command in shown()}

    assert [page for page in OF_A_PAGE if page not in pages] == []
    assert [command for command in OF_A_TEST if command not in commands] == []
    assert [begin for begin in NOT_RUN if not any(command.startswith(begin) for command in commands)] == []
    for test in {*OF_A_PAGE.values(), *OF_A_TEST.values()}:
        assert (ROOT / "tests" / test).is_file(), test


def test_every_command_of_thcore_is_run_by_somebody() -> None:
    spared = [command for _, command in shown() if not_run(command) and command.startswith("thcore ")]

    assert spared == []


@frozen(eq=False)
class Place:
    """The directory of a quickstart, with what the documentation's examples name."""

    root: Path
    words: dict[str, str] = field(factory=dict)
    serving: list[subprocess.Popen[str]] = field(factory=list)

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.root),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, command: str) -> str:
        """Run it as a shell would, with the names of what is here. Answers what it prints."""
        for word, here in self.words.items():
            command = re.sub(word, here, command)
        call = ["bash", "-eo", "pipefail", "-c", command]
        ended = subprocess.run(
            call, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=270, check=False
        )
        judges = command.startswith("thcore run ")  # and may say no
        assert ended.returncode in ({0, 1} if judges else {0}), f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def watch(self, command: str, until: str) -> subprocess.Popen[str]:
        """Run a command that does not end, and wait for what it prints."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.root,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.serving.append(process)
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if until in line:
                return process
        raise AssertionError(f"{command}: {''.join(said)}")

    def end(self, process: subprocess.Popen[str], number: signal.Signals) -> int:
        process.send_signal(number)
        process.communicate(timeout=120)
        return process.returncode


@pytest.fixture
def place(tmp_path: Path, thcore_gearman: GearmanServer) -> Iterator[Place]:
    """Two builds have been there, and a Gearman server is where the configuration says."""
    made = Place(tmp_path / "shop")
    command = [sys.executable, "-m", "thcore.cli.main", "quickstart", str(made.root)]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=270)
    configuration = made.root / "thcore.yaml"
    configuration.write_text(
        configuration.read_text("utf-8").replace("127.0.0.1:4730", thcore_gearman.address), "utf-8"
    )
    evidence = min((made.root / "results").rglob("result.json")).parent
    shutil.copytree(evidence, made.root / "evidence" / "8a9fd9f")
    shutil.copy(evidence / "result.json", made.root)
    shutil.copy(configuration, made.root / "config.yaml")
    (made.root / "config.json").write_text(json.dumps(TURBO_HIPSTER), "utf-8")
    names = {
        r"https://logs\.example\.org/\S+": "evidence/8a9fd9f",
        "/etc/(turbo-hipster|thcore)/": "./",
        "gate-shop|gate-real-db-upgrade_nova_mysql": site.JOB,
        "nova_juno": "shop_production",
        "5f1c0e": made.run("thcore builds list --json | jq --raw-output '.[0].build'").strip(),
    }
    made.words.update(names)
    (made.root / "helpdesk.sqlite").touch()
    yield made
    for process in made.serving:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_other_command_of_the_documentation_does_its_work(place: Place) -> None:
    commands = dict.fromkeys(command for _, command in run_here())  # each once, in the order of the pages
    assert {"thcore serve", "thcore doctor", "thcore snapshots drop --dataset nova_juno"} <= set(commands)
    worker = place.watch("thcore serve", until="ready:")

    for command in commands:
        if command.startswith("thcore serve"):
            assert command.removesuffix(" -c thcore.yaml") == "thcore serve"
        elif command.startswith(ENDLESS):
            place.end(place.watch(command, until="ready"), signal.SIGINT)
        else:
            place.run(command)

    assert place.end(worker, signal.SIGTERM) == 0
