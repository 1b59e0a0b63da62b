from __future__ import annotations

from thcore.forms.evidence import WITH_EVIDENCE, ends, trimmed
from thcore.model import Finding, Severity


def lines(count: int) -> tuple[str, ...]:
    return tuple(f"line {number}" for number in range(count))


def test_of_many_lines_the_first_and_the_last_are_kept() -> None:
    assert ends(lines(4), 4) == lines(4)
    assert ends(lines(5), 4) == ("line 0", "line 1", "… (1 line is in result.json)", "line 3", "line 4")
    assert ends(lines(1000), 4)[2] == "… (996 lines are in result.json)"


def test_the_heaviest_findings_keep_their_evidence_and_all_keep_their_place() -> None:
    light = [Finding(f"light-{number}", Severity.INFO, "x", evidence=lines(9)) for number in range(WITH_EVIDENCE)]
    heavy = Finding("heavy", Severity.FAILURE, "x", evidence=lines(9))
    short = Finding("short", Severity.INFO, "x")
    found = trimmed((*light, heavy, short), 9)

    assert [each.code for each in found] == [each.code for each in (*light, heavy, short)]
    assert found[-2] == heavy
    assert found[:-3] == tuple(light[:-1])
    assert found[-3].evidence == ("… (9 lines are in result.json)",)
    assert found[-1].evidence == ()
