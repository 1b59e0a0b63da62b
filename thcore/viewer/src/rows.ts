// Which lines are on the page: a row is a line, or a fold that stands for lines.

import type { Fold } from "./folds";
import type { Log } from "./log";

/** Rows from top to bottom: the index of a line, or for a fold the complement (~) of its index. */
export type Rows = Int32Array;

export interface Filter {
  hiddenSources: ReadonlySet<number>;
  hiddenSeverities: ReadonlySet<number>;
}

export function isFiltering(filter: Filter): boolean {
  return filter.hiddenSources.size > 0 || filter.hiddenSeverities.size > 0;
}

export function passes(log: Log, filter: Filter, line: number): boolean {
  return !filter.hiddenSources.has(log.source[line]!) && !filter.hiddenSeverities.has(log.severity[line]!);
}

/** The rows of a log. A filter shows all that it lets pass: nothing of it is folded. */
export function rowsOf(log: Log, folds: readonly Fold[], closed: ReadonlySet<Fold>, filter: Filter): Rows {
  const rows = new Int32Array(log.length);
  const filtering = isFiltering(filter);
  let size = 0;
  let next = 0; // fold
  for (let line = 0; line < log.length; line++) {
    while (next < folds.length && folds[next]!.to <= line) next++;
    const fold = folds[next];
    if (filtering) {
      if (passes(log, filter, line)) rows[size++] = line;
    } else if (fold !== undefined && fold.from === line && closed.has(fold)) {
      rows[size++] = ~next;
      line = fold.to - 1;
    } else {
      rows[size++] = line;
    }
  }
  return rows.slice(0, size);
}

/** The first line that a row is or stands for. */
export function firstLine(row: number, folds: readonly Fold[]): number {
  return row >= 0 ? row : folds[~row]!.from;
}

/** The position of the row that shows a line or comes next before it; -1 if there is none. */
export function positionOf(rows: Rows, folds: readonly Fold[], line: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (firstLine(rows[middle]!, folds) <= line) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
