"""What is said when the change's leg does not get to its end: whose fault it is, and all that is known of it."""

from __future__ import annotations

from thcore.errors import ChangeError
from thcore.model import Finding
from thplugins_dbmigration import faults, messages
from thplugins_dbmigration.faults import Evidence
from thplugins_dbmigration.tools.tool import Stop
from thplugins_dbmigration.walk.reason import Reason


def unusable(error: ChangeError, known: Evidence, dataset: str) -> Finding:
    """The migrations stopped before one of them could be told. ``known`` is of the machine at that moment."""
    fault = faults.machine_fault(str(error).splitlines(), known)
    if fault is None:
        return messages.unusable(error, dataset)
    return messages.infrastructure(fault.error(str(error)), dataset)


def finding(
    stop: Stop, told: tuple[str, ...], known: Evidence, why: Reason | None, dataset: str, repeat: messages.Repetition
) -> Finding:
    """A step did not end well, of which all this was ``told``. ``known`` is of the machine at that moment; ``why`` is
    None for a step that is not the change's; ``repeat`` says how it is run once more."""
    step = stop.failed
    assert step is not None, "asked for only then"  # noqa: S101 - for the type checker
    # After the error in one line, why it came to that.
    evidence = (*told[:1], *(why.lines if why is not None else ()), *told[1:])
    broken = faults.machine_fault(told, known)  # not in what was found of rows: they may hold any words
    if broken is not None:
        return messages.machine_fault(step, dataset, broken, evidence)
    if why is None:
        return messages.older_failed(step, dataset, evidence)
    if stop.code == "final-version-mismatch":
        return messages.mismatch(dataset, evidence, step)
    return messages.not_ended(step, dataset, (*evidence, *faults.unsupported(told)), line=why.line, repeat=repeat)
