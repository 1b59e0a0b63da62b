from __future__ import annotations

import datetime
import os
import re
import resource
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thcore.errors import InfrastructureError
from thcore.process import BuildLog, read
from thcore.process.buildlog import LINE_LIMIT
from thcore.process.tail import Tail


def fed(path: Path, *chunks: bytes, secrets: tuple[str, ...] = ()) -> list[str]:
    """The texts that the log has after a stream was fed with these chunks."""
    with BuildLog(path, secrets) as log:
        stream = log.stream("program")
        for chunk in chunks:
            stream.feed(chunk)
        stream.close()
    return [line.text for line in read(path)]


def joined(path: Path) -> list[str]:
    """The lines of a log with broken ones put together."""
    lines: list[str] = []
    for line in read(path):
        if line.continued:
            lines[-1] += line.text
        else:
            lines.append(line.text)
    return lines


def test_a_line_has_time_source_and_text(tmp_path: Path) -> None:
    path = tmp_path / "log"
    before = datetime.datetime.now(datetime.UTC)
    with BuildLog(path) as log:
        log.write("starting", source="git")
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z git \| starting\n", path.read_bytes())
    (line,) = read(path)
    assert (line.source, line.text, line.continued) == ("git", "starting", False)
    assert abs((line.at - before).total_seconds()) < 10


def test_a_message_of_several_lines_is_split(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "log") as log:
        log.write("one\n\ntwo\n")
        log.write("")
    assert [(line.source, line.text) for line in read(tmp_path / "log")] == [
        ("thcore", "one"),
        ("thcore", ""),
        ("thcore", "two"),
    ]


def test_a_source_can_not_break_the_format(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "log") as log:
        log.write("text", source="my tool\n2026 | +")
        log.write("text", source="")
    assert [line.source for line in read(tmp_path / "log")] == ["my-tool-2026-|-", "command"]


def test_a_log_is_continued_not_replaced(tmp_path: Path) -> None:
    fed(tmp_path / "log", b"one\n")
    assert fed(tmp_path / "log", b"two\n") == ["one", "two"]


def test_a_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "log").symlink_to(victim)
    with pytest.raises(InfrastructureError, match="cannot be opened"):
        BuildLog(tmp_path / "log")
    assert victim.read_text() == "precious"


def test_a_last_line_without_newline_is_kept(tmp_path: Path) -> None:
    assert fed(tmp_path / "log", b"one\ntw", b"o") == ["one", "two"]
    assert (tmp_path / "log").read_bytes().endswith(b"two\n")


def test_bytes_stay_as_they_came(tmp_path: Path) -> None:
    raw = b"\x00\x1b[31mred\x1b[0m \xff\xfe 10%\r20%\r100% \xe2\x80\xa8 end"
    assert fed(tmp_path / "log", raw + b"\n") == [raw.decode("utf-8", "replace")]
    assert raw in (tmp_path / "log").read_bytes()


def test_a_secret_is_blanked_out_wherever_the_chunks_end(tmp_path: Path) -> None:
    text = b"before hunter2 after\nhunter2"
    for cut in range(len(text)):
        path = tmp_path / f"log{cut}"
        assert fed(path, text[:cut], text[cut:], secrets=("hunter2",)) == ["before *** after", "***"]
        assert b"hunter2" not in path.read_bytes()


@pytest.mark.parametrize("offset", range(-9, 3))
def test_a_secret_in_a_line_that_is_broken_is_blanked_out(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "log"
    line = b"x" * (LINE_LIMIT + offset) + b"hunter2" + b"y" * LINE_LIMIT
    chunks = [line[start : start + 1000] for start in range(0, len(line), 1000)]
    fed(path, *chunks, secrets=("hunter2",))
    assert joined(path) == [line.replace(b"hunter2", b"***").decode()]
    fed(tmp_path / "whole", line + b"\n", secrets=("hunter2",))
    assert joined(tmp_path / "whole") == [line.replace(b"hunter2", b"***").decode()]


def test_secrets_that_overlap_or_contain_each_other_leave_nothing(tmp_path: Path) -> None:
    assert fed(tmp_path / "log", b"<abcdef> <abcd> <cdef>\n", secrets=("abcd", "cdef")) == ["<***> <***> <***>"]
    assert fed(tmp_path / "log2", b"<pass> <password>\n", secrets=("pass", "password")) == ["<***> <***>"]


def test_each_line_of_a_long_secret_is_blanked_out_and_so_is_its_form_in_a_url(tmp_path: Path) -> None:
    key = "-----BEGIN\nAAAABBBB\n==\nCCCCDDDD\n"
    assert fed(tmp_path / "log", b"AAAABBBB == CCCCDDDD\n", secrets=(key,)) == ["*** == ***"]
    assert fed(tmp_path / "log2", b"mysql://u:p%40ss%2F1@host p@ss/1\n", secrets=("p@ss/1\n",)) == [
        "mysql://u:***@host ***"
    ]


def test_empty_secrets_blank_out_nothing(tmp_path: Path) -> None:
    assert fed(tmp_path / "log", b"text\n", secrets=("", "\n", "  ")) == ["text"]


def test_a_secret_in_a_message_and_in_the_tail_is_blanked_out(tmp_path: Path) -> None:
    tail = Tail()
    with BuildLog(tmp_path / "log", ["hunter2"]) as log:
        log.write("cloning https://me:hunter2@example.org/")
        stream = log.stream("git", tail)
        stream.feed(b"fatal: hunter2\n")
        stream.close()
    assert tail.lines() == ("fatal: ***",)
    assert b"hunter2" not in (tmp_path / "log").read_bytes()


def test_a_long_line_is_broken_between_characters(tmp_path: Path) -> None:
    text = "x" + "é€" * LINE_LIMIT
    for name, chunks in {
        "one": [text.encode() + b"\n"],
        "two": [text.encode()[:100_000], text.encode()[100_000:]],
    }.items():
        path = tmp_path / name
        fed(path, b"first\n", *chunks)
        assert joined(path) == ["first", text]
        assert max(len(line) for line in path.read_bytes().split(b"\n")) < LINE_LIMIT + 100
        assert "\ufffd" not in path.read_text("utf-8")


def test_a_line_of_exactly_the_limit_is_not_broken(tmp_path: Path) -> None:
    assert fed(tmp_path / "log", b"a" * LINE_LIMIT + b"\nb\n") == ["a" * LINE_LIMIT, "b"]


def test_output_without_any_newline_takes_bounded_memory(tmp_path: Path) -> None:
    chunk = b"x" * (1024 * 1024)
    with BuildLog(tmp_path / "log", ["secret"]) as log:
        stream = log.stream("program")
        tracemalloc.start()
        for _ in range(64):
            stream.feed(chunk)
        stream.close()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        size = sum(len(line.text) for line in read(tmp_path / "log"))
        peak_of_reading = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size == 64 * len(chunk)
    assert peak < 8 * len(chunk)
    assert peak_of_reading < 2 * len(chunk)


def test_a_foreign_file_without_newlines_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"z" * (16 * 1024 * 1024))
    tracemalloc.start()
    lines = sum(1 for _ in read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert lines > 100
    assert peak < 2 * 1024 * 1024


@pytest.mark.slow
def test_output_that_repeats_a_secret_without_end_takes_bounded_memory(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "log", ["aaaa"]) as log:
        stream = log.stream("program")
        stream.feed(b"b")
        for _ in range(20):
            stream.feed(b"a" * LINE_LIMIT)
            assert len(stream._rest) <= 2 * LINE_LIMIT
        stream.close()
    assert b"aaaa" not in (tmp_path / "log").read_bytes()


def test_foreign_lines_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with BuildLog(path) as log:
        log.write("ours")
    with path.open("ab") as file:
        file.write(b"Killed\n2026-99-99T00:00:00.000Z thcore | no such day\n\n2026-11-21T21:35:24.123Z cut")
    ours, *foreign = read(path)
    assert ours.text == "ours"
    assert [(line.source, line.text) for line in foreign] == [
        ("", "Killed"),
        ("", "2026-99-99T00:00:00.000Z thcore | no such day"),
        ("", ""),
        ("", "2026-11-21T21:35:24.123Z cut"),
    ]
    assert {line.at for line in foreign} == {ours.at}


def test_reading_a_log_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(read(tmp_path / "none"))


def test_a_full_disk_drops_lines_and_counts_them() -> None:
    with BuildLog(Path("/dev/full")) as log:
        stream = log.stream("program")
        stream.feed(b"one\ntwo\nthr")
        stream.feed(b"ee\n")
        stream.close()
        log.write("four")
        assert log.dropped == 4
        assert log.problem == os.strerror(28)


@pytest.fixture
def size_limit() -> Iterator[None]:
    """Files of this process can not grow beyond 4096 bytes, as on a full disk, until the limit is lifted."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_log_says_what_is_missing_once_there_is_room_again(tmp_path: Path, size_limit: None) -> None:
    path = tmp_path / "log"
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with BuildLog(path) as log:
        stream = log.stream("program")
        stream.feed(b"x" * 4000 + b"\n")
        stream.feed(b"partly written, this one\n" * 10)
        stream.feed(b"lost\n")
        stream.close()
        dropped = log.dropped
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        log.write("back")
    texts = [line.text for line in read(path)]
    assert texts[-1] == "back"
    assert texts[-2].startswith(f"{dropped} lines are missing here: ")
    written = texts.count("partly written, this one")
    assert dropped == 11 - written
    assert "lost" not in texts


def test_what_is_written_after_close_is_counted(tmp_path: Path) -> None:
    log = BuildLog(tmp_path / "log")
    log.close()
    log.close()
    log.write("late\nlater")
    assert log.dropped == 2
    assert log.problem == "the log was closed"


def test_lines_of_several_threads_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "log"
    start = threading.Barrier(4)
    with BuildLog(path) as log:

        def work(name: str) -> None:
            start.wait()
            stream = log.stream(name)
            for _ in range(200):
                stream.feed(f"{name * 50}\n".encode() * 10)
            stream.close()

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = list(read(path))
    assert len(lines) == 4 * 2000
    assert all(line.text == line.source * 50 for line in lines)


def test_the_tail_has_the_last_lines_of_all_streams_cut_short(tmp_path: Path) -> None:
    tail = Tail()
    with BuildLog(tmp_path / "log") as log:
        out, err = log.stream("program", tail), log.stream("program", tail)
        out.feed(b"".join(b"line %d\n" % number for number in range(100)))
        err.feed(b"\xff error\r\n")
        out.feed("é".encode() * 5000 + b"\n" + b"unfinished")
        out.close()
        err.close()
    lines = tail.lines()
    assert len(lines) == 40
    assert lines[0] == "line 63"
    assert lines[-3:] == ("\ufffd error", "é" * 2000, "unfinished")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([b"\n", b"\r\n", b"| ", b"x" * 40_000]))))
def test_whatever_comes_in_is_read_back_as_the_same_lines(chunks: list[bytes]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "log"
        fed(path, *chunks)
        data = b"".join(chunks)
        expected = data.removesuffix(b"\n").split(b"\n") if data else []
        assert b"".join(_texts(path)) == b"".join(line + b"\n" for line in expected)
        if max(map(len, expected), default=0) <= LINE_LIMIT:
            assert [line.text for line in read(path)] == [line.decode("utf-8", "replace") for line in expected]
        else:
            assert len(joined(path)) == len(expected)


def _texts(path: Path) -> Iterator[bytes]:
    """What the lines of the log hold, in bytes, broken ones put together."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            stamp_and_source, text = line.split(b" | ", 1)
            if number and not stamp_and_source.endswith(b"+"):
                yield b"\n"
            yield text.removesuffix(b"\n")
    if path.stat().st_size:
        yield b"\n"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(alphabet="abx\n", max_size=30)),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=5), min_size=1, max_size=3),
)
def test_no_secret_survives_whatever_the_chunks(chunks: list[str], secrets: list[str]) -> None:
    with TemporaryDirectory() as directory:
        texts = fed(Path(directory) / "log", *(chunk.encode() for chunk in chunks), secrets=tuple(secrets))
        assert not [text for text in texts for secret in secrets if secret in text]
