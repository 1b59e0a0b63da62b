from __future__ import annotations

import os
import subprocess
import time

from attrs import evolve

from thcore.process import Identity
from thcore.process.identity import boot_id, record


def test_a_process_is_itself_until_it_ends() -> None:
    child = subprocess.Popen(["/bin/sleep", "1000"])
    known = Identity.of(child.pid)
    assert known is not None
    assert known == Identity.of(child.pid)
    assert known.alive()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not known.alive(), "it waits to be reaped"
    assert Identity.of(child.pid) == known, "nobody else can have its number yet"
    child.wait()
    assert not known.alive()
    assert Identity.of(child.pid) is None


def test_another_process_with_the_same_number_is_another() -> None:
    known = Identity.of(os.getpid())
    assert known is not None
    assert known.alive()
    assert not evolve(known, ticks=known.ticks - 1).alive()
    assert not evolve(known, boot="00000000-0000-4000-8000-000000000000").alive()


def test_the_name_of_a_program_cannot_disguise_a_process() -> None:
    code = "open('/proc/self/comm', 'w').write(') Z 1 2 (x'); import time; print(flush=True); time.sleep(1000)"
    child = subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child, child.stdout:
        child.stdout.readline()
        found = record(child.pid)
        assert found is not None
        assert found.parent == os.getpid()
        assert not found.ended
        child.kill()


def test_an_age_does_not_depend_on_the_time_of_day() -> None:
    known = Identity.of(os.getpid())
    assert known is not None
    first = known.age_s()
    assert 0 <= first < time.clock_gettime(time.CLOCK_BOOTTIME)
    assert known.age_s() >= first


def test_the_boot_has_a_name() -> None:
    assert len(boot_id()) == 36
