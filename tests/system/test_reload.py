"""SIGHUP and ``thcore reload``: the configuration is read again, and plugins are looked for, for new builds."""

from __future__ import annotations

import re
import shutil
import signal
from typing import Any

import pytest

from thcore.testing.gearmand import Gearmand

from parts.distribution import Site
from parts.puppet import PLUGIN, Theatre

pytestmark = pytest.mark.system


def jobs(theatre: Theatre, *names: str, word: str = "") -> list[dict[str, Any]]:
    plugins = {"puppet": {"directory": str(theatre.flags), "word": word}}
    return [{"name": name, "plugins": plugins} for name in names]


def test_new_jobs_are_offered_and_gone_ones_withdrawn_each_once(theatre: Theatre, gearmand: Gearmand) -> None:
    with theatre.worker() as worker:
        assert gearmand.offered("worker-under-test", ["build:play", "build:short"]) == ["build:play", "build:short"]

        worker.rewrite(jobs=jobs(theatre, "play", "other"))
        worker.reload()

        assert gearmand.offered("worker-under-test", ["build:other", "build:play"]) == ["build:other", "build:play"]
        assert theatre.launch("other").wait() == "SUCCESS"
        assert theatre.launch("play").wait() == "SUCCESS"


def test_a_build_that_runs_stays_with_the_configuration_that_it_began_with(theatre: Theatre) -> None:
    with theatre.worker(jobs=jobs(theatre, "play", word="old")) as worker:
        running = theatre.launch(DO_CHECKOUT="wait")
        theatre.wait_at("checkout", running)

        worker.rewrite(jobs=jobs(theatre, "play", word="new"))
        worker.reload()
        after = theatre.launch()
        assert after.wait() == "SUCCESS"
        assert after.data[-1]["summary"] == "new"
        theatre.release("checkout", running)

        assert running.wait() == "SUCCESS"
        assert running.data[-1]["summary"] == "old"


def test_a_bad_file_keeps_the_old_configuration_and_every_problem_is_told(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        before = worker.configuration.read_text()
        worker.rewrite(slotz=3, jobs=[{"name": "play", "plugins": {"puppet": {"directry": "x"}}}])

        line = worker.reload("config_rejected")

        assert "slotz: unknown key" in line
        assert theatre.launch().wait() == "SUCCESS"
        worker.configuration.write_text("{")
        worker.reload("config_rejected")
        worker.configuration.unlink()
        worker.reload("config_rejected")
        assert theatre.launch().wait() == "SUCCESS"
        worker.configuration.write_text(before)
        worker.reload()
        assert theatre.launch().wait() == "SUCCESS"


def test_a_reload_adds_slots(theatre: Theatre) -> None:
    with theatre.worker(slots=1) as worker:
        worker.rewrite(slots=3)
        worker.reload()

        builds = [theatre.launch(DO_EXECUTE="wait") for _ in range(3)]

        for build in builds:
            theatre.wait_at("execute", build)
        (theatre.flags / "go").touch()
        assert {build.wait() for build in builds} == {"SUCCESS"}


def test_a_reload_takes_slots_away(theatre: Theatre) -> None:
    with theatre.worker(slots=3) as worker:
        worker.rewrite(slots=1)
        worker.reload()
        first = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", first)

        second = theatre.launch()

        assert not second.ended
        (theatre.flags / "go").touch()
        assert {first.wait(), second.wait()} == {"SUCCESS"}
        assert second.started_at is not None
        assert first.packets[-1].at <= second.started_at, "two builds ran at once"


def test_what_cannot_change_is_said_and_the_rest_is_taken(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        worker.rewrite(jobs=jobs(theatre, "other"), directories={"state": str(theatre.directory / "elsewhere")})

        line = worker.reload("a change takes a restart")

        assert "directories: " in line
        worker.wait_for("config_reloaded")
        assert theatre.launch("other").wait() == "SUCCESS"
        assert not (theatre.directory / "elsewhere").exists()


@pytest.mark.slow
def test_a_storm_of_reloads_loses_no_build(theatre: Theatre) -> None:
    with theatre.worker(slots=3) as worker:
        builds = []
        for _ in range(5):
            worker.process.send_signal(signal.SIGHUP)
            builds += [theatre.launch() for _ in range(10)]
            worker.wait_for("config_reloaded")
        assert {build.wait(60) for build in builds} == {"SUCCESS"}
        theatre.wait_until(lambda: len(worker.nurseries()) == 1, "the end of old nurseries")


JUDGE = """
from thcore.hooks import hookimpl
from thcore.model import Finding, Severity

class Judge:
    @hookimpl
    def thcore_analyse(self):
        yield Finding("new-here", Severity.FAILURE, "judged by a plugin that was installed while the worker ran")

plugin = Judge()
"""


def test_a_plugin_that_is_installed_while_the_worker_runs_does_builds_after_a_reload_and_is_named_if_slow(
    theatre: Theatre,
) -> None:
    with theatre.worker() as worker:
        (job,) = jobs(theatre, "play")
        job["plugins"]["judge"] = {}
        worker.rewrite(jobs=[job])
        slow = "import time\nend = time.thread_time() + 0.5\nwhile time.thread_time() < end: pass\n"
        Site(theatre.directory / "site").plugin("judge", slow + JUDGE)

        told = worker.command("reload")
        build = theatre.launch()

        assert (told.returncode, told.stdout) == (0, "The worker has taken it: 1 job.\n"), told.stderr
        assert build.wait() == "FAILURE"
        assert "judged by a plugin" in build.data[-1]["summary"]
        (line,) = [line for line in worker.output if "plugin_slow" in line and "judge" in line]
        assert re.search(r"plugin judge \(acme-judge 1\.2\.3\) took \d+\.\d s to load, 0\.\d s of it", line)


def test_a_plugin_that_was_replaced_is_pointed_out_and_what_only_the_new_one_knows_is_refused(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        place = theatre.directory / "site"
        shutil.rmtree(place)
        Site(place).plugin(
            "puppet",
            PLUGIN.replace("    word: str", "    colour: str = option('Of the eyes.', default='')\n    word: str"),
            version="2",
        )
        changed = jobs(theatre, "play")
        changed[0]["plugins"]["puppet"]["colour"] = "red"
        worker.rewrite(jobs=changed)

        told = worker.command("reload")

        assert told.returncode == 78
        assert "its log says why" in told.stderr
        line = worker.wait_for("plugin_replaced")
        assert "puppet (acme-puppet 2) is installed" in line
        assert "the worker itself keeps 1.2.3" in line
        assert "colour: unknown key" in worker.wait_for("config_rejected")
        assert "the configuration that was read at" in worker.command("status").stdout


def test_a_strict_worker_takes_nothing_new_while_a_plugin_is_broken(theatre: Theatre) -> None:
    with theatre.worker(options=("--strict",)) as worker:
        Site(theatre.directory / "site").plugin("broken", "import no_such_module\n")

        told = worker.command("reload")

        assert told.returncode == 78
        assert "--strict: plugin broken" in worker.wait_for("config_rejected")
