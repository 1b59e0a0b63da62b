from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import JobHistory, Outcome, PastAttempt
from thcore.testing import make_build
from thplugins_publish_local import jobs, publication
from thplugins_publish_local.plugin import PublishLocalOptions, plugin

from parts import outcomes
from parts.builds import JOB, build, job_history

PAST = job_history(4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Build]:
    with make_build(
        tmp_path, job=JOB, build_id="b9", log_path="45/9/check/job/b9", remember=lambda _job, _limit: PAST
    ) as made:
        yield made


def ended(running: Build) -> Outcome:
    return evolve(build(outcomes.failing(), 9), build=running.id, log_path=running.log_path, publications=())


def test_each_build_writes_the_page_of_its_job_anew_with_itself_in_it(running: Build, root: Path) -> None:
    plugin.thcore_publish(running, PublishLocalOptions(root), ended(running))

    page = (root / "jobs" / f"{JOB}.html").read_text()
    assert 'href="../45/9/check/job/b9/index.html"' in page
    assert 'href="https://logs.example.org/2/"' in page, "it is not below this root"
    assert "this build" not in page
    assert f"./{JOB}.html" in (root / "jobs" / "index.html").read_text()
    assert "./jobs/index.html" in (root / "index.html").read_text()


def test_the_evidence_has_the_history_of_its_job_up_to_the_build(running: Build, root: Path) -> None:
    plugin.thcore_publish(running, PublishLocalOptions(root), ended(running))

    page = (root / running.log_path / "history.html").read_text()
    assert "this build" in page
    assert 'href="https://logs.example.org/2/"' in page


def test_a_build_below_the_root_is_linked_there_whatever_its_address_was(running: Build, root: Path) -> None:
    for past in PAST.attempts[:2]:
        (root / past.log_path).mkdir(parents=True)
        (root / past.log_path / "result.json").write_text("{}")

    plugin.thcore_publish(running, PublishLocalOptions(root), ended(running))

    page = (root / "jobs" / f"{JOB}.html").read_text()
    assert f'href="../{PAST.attempts[0].log_path}/index.html"' in page
    assert 'href="https://logs.example.org/3/"' not in page


def test_a_remembered_log_path_that_leads_elsewhere_is_no_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    (attempt,) = JobHistory(JOB).including(build(outcomes.passing(), 1)).attempts
    past = JobHistory(JOB, (evolve(attempt, log_path="..", url=None),))

    jobs.write(root, past, build(outcomes.failing(), 2))

    assert "../.." not in (root / "jobs" / f"{JOB}.html").read_text()


def test_the_name_of_a_job_stays_in_its_directory(root: Path) -> None:
    outcome = evolve(build(outcomes.passing(), 1), job="../a/b c")
    with pytest.raises(InfrastructureError, match="begins with a dot"):
        jobs.write(root, JobHistory(outcome.job), outcome)
    slashed = evolve(outcome, job="a/../b c")
    jobs.write(root, JobHistory(slashed.job), slashed)

    assert [path.name for path in (root / "jobs").iterdir()] == ["a%2F..%2Fb%20c.html"]


def test_a_page_that_cannot_be_written_is_told_in_the_log_and_costs_nothing(
    running: Build, root: Path, tmp_path: Path
) -> None:
    root.mkdir()
    (root / "jobs").symlink_to(tmp_path)

    answer = plugin.thcore_publish(running, PublishLocalOptions(root), ended(running))

    assert answer.url.endswith("/b9/index.html")
    assert "jobs is a symbolic link" in running.workspace.log.read_text()
    assert "FAILURE" in (root / "index.html").read_text()


def test_every_listing_on_the_way_has_the_build_and_what_it_came_to(running: Build, root: Path) -> None:
    plugin.thcore_publish(running, PublishLocalOptions(root), ended(running))

    for depth, path in enumerate(["", "45", "45/9", "45/9/check", "45/9/check/job"]):
        listing = (root / path / "index.html").read_text()
        rest = "/".join(running.log_path.split("/")[depth:])
        assert f'href="./{rest}/index.html"' in listing
        assert ">FAILURE<" in listing
        assert "example/shop 12345,9" in listing
        assert JOB in listing


def test_listings_are_made_again_without_a_build(running: Build, root: Path) -> None:
    plugin.thcore_publish(running, PublishLocalOptions(root), ended(running))
    (root / running.log_path / "result.json").unlink()

    publication.relist(root, running.log_path)

    assert ">FAILURE<" not in (root / "index.html").read_text()


def test_what_is_remembered_of_the_attempt_itself_is_replaced(root: Path) -> None:
    first, again = build(outcomes.failing(), 1), build(outcomes.passing(), 1)

    jobs.write(root, JobHistory(JOB, (PastAttempt.of(first),)), again)

    page = (root / "jobs" / f"{JOB}.html").read_text()
    assert ">SUCCESS<" in page
    assert ">FAILURE<" not in page
