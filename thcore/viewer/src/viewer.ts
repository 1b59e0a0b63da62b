// What a reader does with a log, and what comes of it on the screen.

import { format, parse, type Range } from "./anchor";
import { foldsOf, type Fold } from "./folds";
import { bindings } from "./keys";
import type { Log } from "./log";
import type { Mark } from "./looks";
import { isFiltering, passes, rowsOf, type Filter } from "./rows";
import { Screen } from "./screen";
import { matching } from "./search";
import { ERROR } from "./severity";

const EVERYTHING: Filter = { hiddenSources: new Set(), hiddenSeverities: new Set() };

export type Way = 1 | -1;

export class Viewer {
  readonly screen: Screen;
  filter: Filter = EVERYTHING;
  folds: Fold[] = [];
  /** Folds that are not open. */
  closed = new Set<Fold>();
  /** Lines that match the search; null when nothing is searched for. */
  hits: number[] | null = null;
  /** The first line of each run of errors. */
  errors: number[] = [];
  /** How many lines there are of each severity, and of each source. */
  readonly ofSeverity: number[] = [];
  readonly ofSource: number[] = [];
  /** Lines with findings, in their order. */
  readonly marked: number[];
  wrapped = true;
  /** Whether the log grows. */
  live = false;
  /** Whether its end is kept in view: until the reader goes elsewhere. */
  following = false;
  /** Told after every change. */
  changed: () => void = () => undefined;
  /** Told of what a sentence must say. */
  say: (sentence: string) => void = () => undefined;

  private readonly marks = new Map<number, Mark[]>();
  private anchor = 0; // number of the line that a range starts at
  private pattern: RegExp | null = null;
  private counted = 0; // lines that are told of in `errors`, `ofSeverity` and `ofSource`
  private origin = 0; // where a search began
  private searches = 0;

  constructor(
    parent: Element,
    readonly log: Log,
    marks: readonly Mark[],
    actions: { search(): void; help(): void },
  ) {
    for (const mark of marks) {
      const line = log.index(mark.line);
      this.marks.set(line, [...(this.marks.get(line) ?? []), mark]);
    }
    this.marked = [...this.marks.keys()].sort((a, b) => a - b);
    this.screen = new Screen(parent, log, this.marks, {
      pick: (number, extend) => this.pick(number, extend),
      open: (fold) => this.open(fold),
      keys: bindings(this, actions),
    });
    this.folds = foldsOf(log, new Set(this.marked));
    this.closed = new Set(this.folds);
    this.grown();
    window.addEventListener("hashchange", () => this.arrive(location.hash));
    this.arrive(location.hash);
  }

  /** The log has more lines. */
  grown(): void {
    const { severity, source } = this.log;
    for (let line = this.counted; line < this.log.length; line++) {
      this.ofSeverity[severity[line]!] = (this.ofSeverity[severity[line]!] ?? 0) + 1;
      this.ofSource[source[line]!] = (this.ofSource[source[line]!] ?? 0) + 1;
      if (severity[line] === ERROR && (line === 0 || severity[line - 1] !== ERROR)) this.errors.push(line);
    }
    this.counted = this.log.length;
    this.refresh();
    if (this.following) this.toEnd();
  }

  setFilter(filter: Filter): void {
    const line = this.screen.top;
    this.filter = filter;
    this.refresh();
    this.screen.reveal(line, "start");
    void this.search(this.pattern);
  }

  open(fold: Fold): void {
    this.closed.delete(fold);
    this.refresh();
    this.screen.reveal(fold.from, "nearest");
    this.screen.view.focus();
  }

  openCurrent(): void {
    const fold = this.screen.foldAtCurrent;
    if (fold) this.open(fold);
  }

  /** Open all folds, or close them again when all are open. */
  toggleFolds(): void {
    const line = this.screen.top;
    this.closed = new Set(this.closed.size > 0 ? [] : this.folds);
    this.refresh();
    this.screen.reveal(line, "start");
    this.say(this.closed.size > 0 ? "noise is folded" : "everything is unfolded");
  }

  toggleWrapping(): void {
    this.wrapped = !this.wrapped;
    this.screen.wrap(this.wrapped);
    this.changed();
  }

  toStart(): void {
    this.setFollowing(false);
    this.screen.goTo(0);
  }

  toEnd(): void {
    this.following = this.live;
    this.screen.goTo(Math.max(this.screen.rowCount - 1, 0), "end");
  }

  setFollowing(on: boolean): void {
    if (on === this.following) return;
    if (on) this.toEnd();
    else this.following = false;
    this.changed();
  }

  /** Choose a line, or the range from the line chosen before; the address says so. */
  pick(number: number, extend: boolean): void {
    this.setFollowing(false);
    if (!extend || this.anchor === 0) this.anchor = number;
    this.choose({ from: Math.min(this.anchor, number), to: Math.max(this.anchor, number) });
    this.screen.reveal(this.log.index(number), "nearest");
  }

  /** Go one row up or down; `extend` takes its line into the range. */
  move(way: Way, extend: boolean): void {
    const position = this.screen.position + way;
    const row = this.screen.row(position);
    if (row === undefined) return;
    if (row >= 0) this.pick(this.log.number(row), extend);
    else this.screen.goTo(position);
  }

  unchoose(): void {
    this.anchor = 0;
    this.screen.select(null);
    history.replaceState(null, "", location.pathname + location.search);
  }

  /** Bring a line into view, at `column`, whatever hides it. */
  show(line: number, column = 0): void {
    this.setFollowing(false);
    if (isFiltering(this.filter) && !passes(this.log, this.filter, line)) {
      this.filter = EVERYTHING;
      this.say("the filter is off, since it hides this line");
      void this.search(this.pattern);
    }
    const fold = this.folds.find(({ from, to }) => from <= line && line < to);
    if (fold) this.closed.delete(fold);
    this.refresh();
    this.screen.reveal(line, "center", column);
  }

  /** Search for something; the first match from where the search began comes into view if `go` says so. */
  async search(pattern: RegExp | null, go = false): Promise<void> {
    if (this.pattern === null) this.origin = this.screen.top;
    this.pattern = pattern;
    const search = ++this.searches;
    this.screen.highlight(pattern);
    this.hits = null;
    if (pattern !== null) {
      const hits = await matching(this.log, pattern, (line) => passes(this.log, this.filter, line), () => search === this.searches);
      if (hits === null) return;
      this.hits = hits;
      if (go && hits.length > 0) this.showHit(hits.find((line) => line >= this.origin) ?? hits[0]!);
    }
    this.changed();
  }

  /** Go to the next or previous match. */
  stepHit(way: Way): void {
    this.step(this.hits ?? [], way, "match", (line) => this.showHit(line));
  }

  /** Go to the next or previous one of some lines, past the end on to the other. */
  step(lines: readonly number[], way: Way, what: string, show = (line: number) => this.show(line)): void {
    if (lines.length === 0) {
      this.say(`there is no ${what}`);
      return;
    }
    const now = this.screen.line;
    const line = way > 0 ? (lines.find((at) => at > now) ?? lines[0]!) : (lines.findLast((at) => at < now) ?? lines.at(-1)!);
    this.choose(null);
    show(line);
    this.changed();
  }

  /** A long line is shown where it matches. */
  private showHit(line: number): void {
    this.show(line, this.log.lines[line]!.search(this.pattern!));
  }

  private arrive(hash: string): void {
    const range = parse(hash);
    if (range === null) return;
    this.anchor = range.from;
    this.screen.select(range);
    this.show(this.log.index(range.from));
  }

  private choose(range: Range | null): void {
    this.screen.select(range);
    if (range !== null) history.replaceState(null, "", format(range));
  }

  private refresh(): void {
    this.screen.show(rowsOf(this.log, this.folds, this.closed, this.filter), this.folds);
    this.changed();
  }
}

/** Which one of some lines a line is, counted from 1; 0 if it is none of them. */
export function ordinal(lines: readonly number[], line: number): number {
  return lines.indexOf(line) + 1;
}
