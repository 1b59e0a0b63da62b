// Noise: what is folded away until it is asked for.

import type { Log } from "./log";
import { WARNING } from "./severity";

const EDGE = 20; // lines that stay at either end of a quiet stretch
const QUIET = 200; // lines from which on a stretch is one
const REPEATS = 6; // lines from which on alike ones are folded

/** Lines `from` up to but without `to`, and what they are in words. */
export interface Fold {
  from: number;
  to: number;
  words: string;
}

/** The noise in a log: long stretches of one source in which nothing is wrong, and repeated lines. */
export function foldsOf(log: Log, marked: ReadonlySet<number>): Fold[] {
  const folds: Fold[] = [];
  const loud = (line: number) => log.severity[line]! >= WARNING || marked.has(line);
  let start = 0;
  while (start < log.length) {
    const source = log.source[start]!;
    let end = start + 1;
    if (loud(start)) {
      while (end < log.length && loud(end) && log.source[end] === source) end++;
    } else {
      while (end < log.length && !loud(end) && log.source[end] === source) end++;
    }
    // A file that names no sources may be anything: only what repeats is noise there.
    if (source > 0 && !loud(start) && end - start >= QUIET) {
      const from = start + EDGE;
      const to = end - EDGE;
      folds.push({ from, to, words: `${count(to - from)} lines of ${log.sources[source]} without an error or warning` });
    } else {
      repeats(log, start, end, marked, folds);
    }
    start = end;
  }
  return folds;
}

export function count(lines: number): string {
  return lines.toLocaleString("en");
}

function repeats(log: Log, start: number, end: number, marked: ReadonlySet<number>, folds: Fold[]): void {
  let first = start;
  for (let line = start + 1; line <= end; line++) {
    if (line < end && !marked.has(line) && alike(log, line - 1, line)) continue;
    if (line - first >= REPEATS) {
      folds.push({ from: first + 1, to: line, words: `${count(line - first - 1)} more lines like the one above` });
    }
    first = line;
  }
}

/** Whether two lines have the same text but for numbers. */
function alike(log: Log, one: number, other: number): boolean {
  const a = log.lines[one]!;
  const b = log.lines[other]!;
  let i = log.textAt[one]!;
  let j = log.textAt[other]!;
  for (;;) {
    let digits = false;
    while (isDigit(a.charCodeAt(i))) {
      i++;
      digits = true;
    }
    if (digits !== isDigit(b.charCodeAt(j))) return false;
    while (isDigit(b.charCodeAt(j))) j++;
    if (i >= a.length || j >= b.length) return i >= a.length && j >= b.length;
    if (a.charCodeAt(i) !== b.charCodeAt(j)) return false;
    i++;
    j++;
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
