from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve

from thcore.model.document import from_json
from thcore.pages import site

from parts import outcomes


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    directory = tmp_path / "artifacts"
    directory.mkdir()
    return directory


def read(artifacts: Path) -> dict[str, bytes]:
    """The whole site, in the order in which a publisher puts it up."""
    content = {}
    with site.assembled(artifacts, outcomes.failing()) as assembled:
        for file in assembled.files:
            with assembled.open(file) as stream:
                content[file.name] = stream.read()
                assert len(content[file.name]) == file.size
    return content


def left_out(artifacts: Path) -> dict[str, str]:
    with site.assembled(artifacts, outcomes.failing()) as assembled:
        return {entry.name: entry.reason for entry in assembled.left_out}


def test_the_page_to_open_comes_last_and_the_result_before_it(artifacts: Path) -> None:
    (artifacts / "z.txt").write_text("z")
    (artifacts / "datasets").mkdir()
    (artifacts / "datasets" / "dump.sql").write_text("select 1")
    names = list(read(artifacts))
    assert names[:3] == ["z.txt", "datasets/dump.sql", "datasets/index.html"]
    assert set(names[3:-2]) == set(site.FORMS)
    assert names[-2:] == ["result.json", "index.html"]


def test_the_result_is_the_outcome_whatever_lies_in_the_evidence(artifacts: Path) -> None:
    (artifacts / "result.json").write_text('{"verdict": "SUCCESS"}')
    assert from_json(read(artifacts)["result.json"].decode()) == outcomes.failing()


def test_a_directory_with_a_name_of_ours_gives_way(artifacts: Path) -> None:
    for name in ("index.html", "result.json"):
        (artifacts / name).mkdir()
        (artifacts / name / "file.txt").write_text(name)
    content = read(artifacts)
    assert content["index.1.html/file.txt"] == b"index.html"
    assert content["result.1.json/file.txt"] == b"result.json"
    assert b"file.txt" in content["index.1.html/index.html"]
    assert left_out(artifacts)["index.html/file.txt"].startswith("published as index.1.html/file.txt")


def test_what_is_exchanged_for_a_link_after_it_was_found_is_not_followed(artifacts: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file.txt").write_text("of the worker")
    (artifacts / "inside").mkdir()
    (artifacts / "inside" / "file.txt").write_text("of the build")
    (artifacts / "top.txt").write_text("of the build")
    with site.assembled(artifacts, outcomes.failing()) as assembled:
        (artifacts / "inside").rename(tmp_path / "moved")
        (artifacts / "inside").symlink_to(outside)
        (artifacts / "top.txt").unlink()
        (artifacts / "top.txt").symlink_to(outside / "file.txt")
        for name in ("inside/file.txt", "top.txt"):
            (file,) = (file for file in assembled.files if file.name == name)
            with pytest.raises(OSError, match=r"symbolic links|Not a directory"), assembled.open(file):
                raise AssertionError("it was opened")


def test_a_pipe_in_the_place_of_a_file_holds_nobody(artifacts: Path) -> None:
    (artifacts / "file.txt").write_text("text")
    with site.assembled(artifacts, outcomes.failing()) as assembled:
        (artifacts / "file.txt").unlink()
        os.mkfifo(artifacts / "file.txt")
        with pytest.raises(OSError, match="no plain file"), assembled.open(assembled.files[0]):
            raise AssertionError("it was opened")


def test_links_and_special_files_are_told_of(artifacts: Path) -> None:
    (artifacts / "link").symlink_to("/etc/passwd")
    os.mkfifo(artifacts / "pipe")
    assert left_out(artifacts) == {"link": "symbolic link", "pipe": "neither file nor directory"}


def test_directories_nested_too_deeply_are_left_out(artifacts: Path) -> None:
    deepest = artifacts.joinpath(*["d"] * 60)
    deepest.mkdir(parents=True)
    (deepest / "file.txt").write_text("far down")
    assert left_out(artifacts) == {"/".join(["d"] * 49): "nested too deeply"}


def test_each_log_has_a_page_that_the_result_page_leads_to(artifacts: Path) -> None:
    (artifacts / "console.log").write_text("one\ntwo\n")
    (artifacts / "datasets").mkdir()
    (artifacts / "datasets" / "server.log").write_text("ready for connections\n" * 1000)
    (artifacts / "datasets" / "short.log").write_text("short\n")
    content = read(artifacts)
    assert {"console.log.html", "datasets/server.log.html"} < set(content)
    assert "datasets/short.log.html" not in content
    assert b'href="console.log.html' in content["index.html"]
    assert b"server.log.html" in content["datasets/index.html"]


def test_the_page_of_a_log_never_takes_the_place_of_a_file(artifacts: Path) -> None:
    (artifacts / "console.log").write_text("one\n")
    (artifacts / "console.log.html").write_text("a report")
    assert read(artifacts)["console.log.html"] == b"a report"


def test_nothing_is_left_of_the_making_of_pages(artifacts: Path) -> None:
    (artifacts / "console.log").write_text("one\n")
    read(artifacts)
    assert [path.name for path in artifacts.parent.iterdir()] == ["artifacts"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("console.log", "text/plain; charset=utf-8"),
        ("a.sql", "text/plain; charset=utf-8"),
        ("README", "text/plain; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
        ("result.json", "application/json"),
        ("dump.gz", "application/octet-stream"),
        ("picture.PNG", "image/png"),
        ("what.strange", "application/octet-stream"),
    ],
)
def test_a_browser_is_told_what_a_file_is(name: str, expected: str) -> None:
    assert site.content_type(name) == expected


def test_an_outcome_with_a_lone_surrogate_has_a_site(artifacts: Path) -> None:
    outcome = evolve(outcomes.failing(), summary="\udcff")
    with site.assembled(artifacts, outcome) as assembled:
        assert [file.name for file in assembled.files] == [*site.FORMS, "result.json", "index.html"]


def test_the_page_tells_of_the_environment_and_of_no_more_of_it_than_there_is_room_for(artifacts: Path) -> None:
    (artifacts / "environment.txt").write_text(
        "alembic==1.20.1\n" + "".join(f"p{n}==1\n" for n in range(5000)) + "x" * 10_000_000
    )

    page = read(artifacts)["index.html"]

    assert b"alembic==1.20.1" in page
    assert b"1,000 packages" in page
    assert len(page) < 500_000
