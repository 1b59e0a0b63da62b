// How rows look: the columns of a line, its colours, findings and matches.

import { type Range as Placed, type Text } from "@codemirror/state";
import { Decoration, WidgetType, type DecorationSet, type EditorView } from "@codemirror/view";

import type { Range } from "./anchor";
import { spans, type Span } from "./colours";
import type { Fold } from "./folds";
import type { Log } from "./log";
import type { Rows } from "./rows";
import { PLAIN, SEVERITIES } from "./severity";

/** A finding that points at a line. */
export interface Mark {
  line: number;
  code: string;
  severity: string;
  message: string;
}

/** What is on the screen, beside the text: the rows, the chosen range of line numbers, what is searched for. */
export interface Looks {
  rows: Rows;
  folds: readonly Fold[];
  range: Range | null;
  pattern: RegExp | null;
}

type Marks = ReadonlyMap<number, readonly Mark[]>;

const DATE = 11; // characters of "2026-11-21T"
const STAMP = 23; // and of "2026-11-21T21:35:24.123", before "Z "

const gone = Decoration.replace({});
const source = Decoration.mark({ class: "source" });
const match = Decoration.mark({ class: "match" });

/** The decorations of the lines in view. */
export function decorations(view: EditorView, looks: Looks, log: Log, marks: Marks, open: (fold: Fold) => void): DecorationSet {
  const placed: Placed<Decoration>[] = [];
  const { doc, selection } = view.state;
  const current = doc.lineAt(selection.main.head).number;
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to; ) {
      const line = doc.lineAt(at);
      const row = looks.rows[line.number - 1];
      // A very long line is in view in pieces; what belongs to the whole line comes with the first.
      if (line.from === at) placed.push(classes(row, line.number === current, looks, log, marks).range(line.from));
      if (row !== undefined && row < 0 && line.length > 0) {
        const fold = looks.folds[~row]!;
        placed.push(Decoration.replace({ widget: new FoldButton(fold, open) }).range(line.from, line.to));
      } else if (row !== undefined && row >= 0) {
        if (line.from === at) columns(log, row, line.from, placed);
        const end = Math.min(to, line.to);
        coloured(log, row, line.from, at, end, placed);
        found(doc, looks.pattern, at, end, placed);
        if (line.to <= to) badges(marks.get(row), line.to, placed);
      }
      at = line.to + 1;
    }
  }
  return Decoration.set(placed, true);
}

function classes(row: number | undefined, current: boolean, looks: Looks, log: Log, marks: Marks): Decoration {
  const names: string[] = [];
  if (current) names.push("current");
  if (row !== undefined && row < 0) names.push("folded");
  if (row !== undefined && row >= 0) {
    const number = log.number(row);
    names.push(SEVERITIES[log.severity[row]!]!);
    if (log.textAt[row]! > 0) names.push("stamped");
    if (looks.range && looks.range.from <= number && number <= looks.range.to) names.push("chosen");
    if (marks.has(row)) names.push("marked");
  }
  return Decoration.line({ class: names.join(" ") });
}

function columns(log: Log, row: number, from: number, placed: Placed<Decoration>[]): void {
  const at = log.textAt[row]!;
  if (at > 0) {
    const stamp = log.lines[row]!.slice(0, STAMP);
    const label = from + STAMP + 2;
    const end = label + log.lines[row]!.slice(STAMP + 2, at).indexOf(" ");
    placed.push(gone.range(from, from + DATE));
    placed.push(Decoration.mark({ class: "time", attributes: { title: `${stamp.replace("T", " ")} UTC` } }).range(from + DATE, from + STAMP));
    placed.push(gone.range(from + STAMP, label - 1));
    placed.push(source.range(label, end));
    placed.push(gone.range(end + 1, from + at));
  }
  placed.push(Decoration.widget({ widget: new SeverityWord(log.severity[row]!), side: -1 }).range(from + at));
}

/** The colours of a long line are asked for each time that it is scrolled; they are kept for a few lines. */
const kept = new Map<string, Span[]>();

function coloured(log: Log, row: number, start: number, from: number, to: number, placed: Placed<Decoration>[]): void {
  const raw = log.coloured.get(row);
  if (raw === undefined) return;
  let found = kept.get(raw);
  if (found === undefined) {
    if (kept.size > 300) kept.clear();
    kept.set(raw, (found = spans(raw)));
  }
  for (const span of found) {
    const begin = Math.max(start + span.from, from);
    const end = Math.min(start + span.to, to);
    if (begin < end) placed.push(Decoration.mark({ class: span.classes, attributes: span.style ? { style: span.style } : {} }).range(begin, end));
  }
}

function found(doc: Text, pattern: RegExp | null, from: number, to: number, placed: Placed<Decoration>[]): void {
  if (pattern === null) return;
  for (const hit of doc.sliceString(from, to).matchAll(pattern)) {
    if (hit[0].length > 0) placed.push(match.range(from + hit.index, from + hit.index + hit[0].length));
  }
}

function badges(marks: readonly Mark[] | undefined, at: number, placed: Placed<Decoration>[]): void {
  for (const mark of marks ?? []) placed.push(Decoration.widget({ widget: new Badge(mark), side: 1 }).range(at));
}

class SeverityWord extends WidgetType {
  constructor(private readonly severity: number) {
    super();
  }

  override eq(other: SeverityWord): boolean {
    return other.severity === this.severity;
  }

  override toDOM(): HTMLElement {
    const word = document.createElement("span");
    word.className = "severity";
    word.textContent = this.severity === PLAIN ? "" : SEVERITIES[this.severity]!;
    return word;
  }
}

class Badge extends WidgetType {
  constructor(private readonly mark: Mark) {
    super();
  }

  override eq(other: Badge): boolean {
    return other.mark === this.mark;
  }

  override toDOM(): HTMLElement {
    const badge = document.createElement("span");
    badge.className = `badge ${this.mark.severity}`;
    badge.textContent = `${this.mark.severity}: ${this.mark.message}`;
    badge.title = this.mark.code;
    return badge;
  }
}

class FoldButton extends WidgetType {
  constructor(
    private readonly fold: Fold,
    private readonly open: (fold: Fold) => void,
  ) {
    super();
  }

  override eq(other: FoldButton): boolean {
    return other.fold === this.fold;
  }

  override toDOM(): HTMLElement {
    const button = document.createElement("button");
    button.className = "fold";
    button.type = "button";
    button.textContent = `… ${this.fold.words}`;
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => this.open(this.fold));
    return button;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}
