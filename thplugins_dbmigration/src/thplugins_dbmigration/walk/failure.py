"""What is said when the change's leg does not get to its end: whose fault it is, and all that is known of it."""

from __future__ import annotations

from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Finding
from thplugins_dbmigration import faults, messages
from thplugins_dbmigration.tools.tool import Stop
from thplugins_dbmigration.walk.reason import Reason


def unusable(error: ChangeError, dataset: str) -> Finding:
    """The migrations stopped before one of them could be told."""
    reason = faults.machine_fault(str(error).splitlines())
    if reason is None:
        return messages.unusable(error, dataset)
    told = f"The migrations stopped for a reason that is not their own: {reason}\n{error}"
    return messages.infrastructure(InfrastructureError(told, code="machine-fault"), dataset)


def finding(stop: Stop, told: tuple[str, ...], why: Reason | None, dataset: str, repeat: str) -> Finding:
    """A step did not end well, of which all this was ``told``. ``why`` is None for one that is not the change's;
    ``repeat`` says how it is run once more."""
    step = stop.failed
    assert step is not None, "asked for only then"  # noqa: S101 - for the type checker
    # After the error in one line, why it came to that.
    evidence = (*told[:1], *(why.lines if why is not None else ()), *told[1:])
    # Not in what was found of rows: they may hold any words.
    broken = faults.machine_fault(told)
    if broken is not None:
        return messages.machine_fault(step, dataset, broken, evidence)
    if why is None:
        return messages.older_failed(step, dataset, evidence)
    if stop.code == "final-version-mismatch":
        return messages.mismatch(dataset, evidence, step)
    return messages.not_ended(step, dataset, evidence, line=why.line, repeat=repeat)
