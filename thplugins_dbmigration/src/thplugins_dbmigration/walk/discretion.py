"""What may be told of a dataset that has columns which nobody is to read.

All that leaves its passage goes through here. Until then statements are as the server saw them, since they are said
again to find out what they do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Self

from attrs import evolve, frozen

from thcore.model import Check, DatasetRun, Finding, Measurement, Statement, StepResult
from thplugins_dbmigration.engines.literals import literals, without_literals
from thplugins_dbmigration.offences import blotted, without_values

SHORTEST = 4
"""Characters of a value that is looked for in free text; what is shorter stands in many words and numbers."""
STATEMENT = "statement: "
"""How a line of evidence begins that tells a statement."""


@frozen
class Discretion:
    """Leaves out the values of statements, what servers quote of rows, and in other words the ``values`` of the
    statements that have failed. ``dialect`` is that of the statements."""

    dialect: str
    values: Collection[str] = ()

    @classmethod
    def about(cls, kind: str, run: DatasetRun | None) -> Self:
        """For a dataset of this type, and what is known of its run before anything is left out of that."""
        dialect = {"postgres": "postgresql", "sqlite3": "sqlite", "mariadb": "mysql"}.get(kind.lower(), kind.lower())
        failed = (each.text for step in (run.steps if run else ()) for each in _statements(step) if each.error)
        return cls(dialect, frozenset(value for text in failed for value in literals(dialect, text)))

    def run(self, run: DatasetRun) -> DatasetRun:
        """What happened to the dataset, as anybody may read it."""
        return evolve(run, steps=tuple(map(self._step, run.steps)), checks=tuple(map(self._check, run.checks)))

    def finding(self, finding: Finding) -> Finding:
        """A finding as anybody may read it."""
        return evolve(finding, message=self._text(finding.message), evidence=self._lines(finding.evidence))

    def _step(self, result: StepResult) -> StepResult:
        measurement: Measurement | None = result.measurement
        if measurement is None:
            return result
        statements = tuple(map(self._statement, measurement.statements))
        return evolve(result, measurement=evolve(measurement, statements=statements))

    def _statement(self, statement: Statement) -> Statement:
        return evolve(
            statement,
            text=without_literals(self.dialect, statement.text),
            error=self._text(statement.error),
            unknown={name: self._text(reason) for name, reason in statement.unknown.items()},
        )

    def _check(self, check: Check) -> Check:
        return evolve(check, details=self._lines(check.details))

    def _text(self, text: str) -> str:
        return "\n".join(self._lines(text.split("\n"))) if text else text

    def _lines(self, lines: Sequence[str]) -> tuple[str, ...]:
        """Lines of evidence, without the values of the statements that they tell themselves, either."""
        told = (line.removeprefix(STATEMENT) for line in lines if line.startswith(STATEMENT))
        values = {*self.values, *(value for text in told for value in literals(self.dialect, text))}
        left = without_values(map(self._line, lines))
        return tuple(blotted("\n".join(left), values, shortest=SHORTEST).split("\n")) if lines else ()

    def _line(self, line: str) -> str:
        is_statement = line.startswith(STATEMENT)
        return STATEMENT + without_literals(self.dialect, line.removeprefix(STATEMENT)) if is_statement else line


def _statements(step: StepResult) -> tuple[Statement, ...]:
    return step.measurement.statements if step.measurement is not None else ()
