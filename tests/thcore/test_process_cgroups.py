from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.process import cgroups
from thcore.process.cgroups import Cgroup

DEAF = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"ready\\n")
signal.pause()
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Cgroup]:
    found = cgroups.place(tmp_path)
    if found is None:
        pytest.skip("this machine lets us make no control groups")
    yield found
    found.end()


def start(group: Cgroup, code: str = "import os, time; os.write(1, b'ready\\n'); time.sleep(1000)") -> int:
    """A Python process in a group that has said it is ready."""
    join = f"open({str(group.path / 'cgroup.procs')!r}, 'w').write('0')"
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", f"{join}\n{code}"], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == b"ready\n"
    child.returncode = 0  # whoever asks is told by the kernel
    return child.pid


def how_it_ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_group_holds_what_was_started_in_it(place: Cgroup) -> None:
    group = place.make("one")
    pid = start(group)
    assert group.processes() == {pid}
    assert place.processes() == {pid}
    assert place.groups() == (group,)
    assert group.end()
    assert how_it_ended(pid) == -signal.SIGKILL
    assert not group.path.exists()


def test_a_process_is_asked_before_it_is_killed(place: Cgroup) -> None:
    group = place.make("one")
    obedient, deaf = start(group), start(group, DEAF)
    assert group.end(grace_s=0.3)
    assert how_it_ended(obedient) == -signal.SIGTERM
    assert how_it_ended(deaf) == -signal.SIGKILL


def test_a_stopped_process_is_woken_to_hear_that_it_shall_end(place: Cgroup) -> None:
    group = place.make("one")
    pid = start(group)
    os.kill(pid, signal.SIGSTOP)
    assert group.end(grace_s=60)
    assert how_it_ended(pid) == -signal.SIGTERM


def test_groups_that_a_build_made_inside_of_its_own_go_with_it(place: Cgroup) -> None:
    group = place.make("one")
    inner = group.make("its").make("own")
    pid = start(inner)
    assert group.processes() == {pid}
    assert group.end()
    assert how_it_ended(pid) == -signal.SIGKILL
    assert not group.path.exists()


def test_an_old_kernel_kills_one_by_one(place: Cgroup, monkeypatch: pytest.MonkeyPatch) -> None:
    group = place.make("one")
    pids = [start(group, DEAF) for _ in range(5)]
    real = Path.write_text

    def write_text(self: Path, data: str) -> int:
        if self.name == "cgroup.kill":
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return real(self, data)

    monkeypatch.setattr(Path, "write_text", write_text)
    assert group.end()
    assert [how_it_ended(pid) for pid in pids] == [-signal.SIGKILL] * 5


def test_ending_a_group_that_is_gone_does_nothing(place: Cgroup) -> None:
    group = place.make("one")
    assert group.end()
    assert group.end()
    assert group.processes() == frozenset()


def test_only_empty_groups_are_removed(place: Cgroup) -> None:
    busy, empty = place.make("busy"), place.make("empty")
    pid = start(busy)
    assert not place.remove()
    assert busy.path.exists()
    assert not empty.path.exists()
    assert busy.end()
    how_it_ended(pid)
    assert place.remove()


def test_no_process_ends_its_own_group(place: Cgroup) -> None:
    own = cgroups.current()
    assert own is not None
    with pytest.raises(ValueError, match="its own control group"):
        own.end()


def test_a_group_is_made_again_when_it_was_removed_for_being_empty(place: Cgroup) -> None:
    assert place.remove()
    assert place.make("one").path.is_dir()


def test_two_state_directories_have_different_groups_however_they_are_reached(place: Cgroup, tmp_path: Path) -> None:
    first, second, link = tmp_path / "first", tmp_path / "second", tmp_path / "link"
    first.mkdir()
    second.mkdir()
    link.symlink_to(first)
    assert cgroups.name_of(first) == cgroups.name_of(link)
    assert cgroups.name_of(first) != cgroups.name_of(second)


def test_there_is_none_where_it_is_switched_off_or_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cgroups.place(tmp_path / "missing") is None
    monkeypatch.setattr(cgroups, "current", lambda: Cgroup(tmp_path / "no-group"))
    assert cgroups.place(tmp_path) is None
    monkeypatch.setattr(cgroups, "current", lambda: None)
    assert cgroups.place(tmp_path) is None
    monkeypatch.undo()
    monkeypatch.setenv(cgroups.SWITCH, "off")
    assert cgroups.place(tmp_path) is None


def test_kills_for_want_of_memory_are_read_where_they_are_counted(tmp_path: Path) -> None:
    assert Cgroup(tmp_path).oom_kills() is None
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    assert Cgroup(tmp_path).oom_kills() == 2
