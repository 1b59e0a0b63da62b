// The rows as they are on the screen. CodeMirror lays out those in view only, wraps, selects and copies.

import { Compartment, EditorState, StateEffect, StateField, Text, type Extension } from "@codemirror/state";
import { EditorView, GutterMarker, ViewPlugin, gutter, highlightSpecialChars, keymap, type KeyBinding } from "@codemirror/view";

import { format, type Range } from "./anchor";
import type { Fold } from "./folds";
import type { Log } from "./log";
import { decorations, type Looks, type Mark } from "./looks";
import { Printing } from "./printing";
import { firstLine, positionOf, type Rows } from "./rows";

// What is not seen or changes how other text is seen; as thcore's other pages do, it is written out.
const HIDDEN =
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** What the reader does on the screen. */
export interface Reader {
  /** A line's number was chosen; `extend` makes a range of it. */
  pick(number: number, extend: boolean): void;
  open(fold: Fold): void;
  keys: readonly KeyBinding[];
}

const look = StateEffect.define<Partial<Looks>>();

export class Screen {
  readonly view: EditorView;
  private readonly looks: StateField<Looks>;
  private readonly wrapping = new Compartment();

  constructor(
    parent: Element,
    private readonly log: Log,
    marks: ReadonlyMap<number, readonly Mark[]>,
    private readonly reader: Reader,
  ) {
    const nothing: Looks = { rows: new Int32Array(0), folds: [], range: null, pattern: null };
    this.looks = StateField.define<Looks>({
      create: () => nothing,
      update: (looks, transaction) =>
        transaction.effects.reduce((now, effect) => (effect.is(look) ? { ...now, ...effect.value } : now), looks),
    });
    const looksOf = (view: EditorView) => view.state.field(this.looks);
    const painted = ViewPlugin.define(
      (view) => ({
        decorations: decorations(view, looksOf(view), log, marks, (fold) => reader.open(fold)),
        update(update) {
          const changed = update.transactions.some((transaction) => transaction.effects.some((effect) => effect.is(look)));
          if (changed || update.docChanged || update.viewportChanged || update.selectionSet) {
            this.decorations = decorations(update.view, looksOf(update.view), log, marks, (fold) => reader.open(fold));
          }
        },
      }),
      { decorations: (plugin) => plugin.decorations },
    );
    const printing = new Printing(); // before the view, which listens to the same
    this.view = new EditorView({
      parent,
      state: EditorState.create({
        extensions: [
          this.looks,
          painted,
          this.numbers(),
          highlightSpecialChars({ specialChars: HIDDEN, render: writtenOut }),
          keymap.of([...reader.keys]),
          this.wrapping.of(EditorView.lineWrapping),
          EditorState.readOnly.of(true),
          EditorState.tabSize.of(8),
          EditorView.editable.of(false),
          EditorView.contentAttributes.of({ tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Lines of the log" }),
        ],
      }),
    });
    // What a text field says of itself; this is none, so that its lines can be walked through.
    for (const name of ["aria-multiline", "aria-readonly"]) this.view.contentDOM.removeAttribute(name);
    printing.begin(this.view, (seen) => this.printed(seen));
  }

  private get now(): Looks {
    return this.view.state.field(this.looks);
  }

  /** Put rows on the screen. Only what differs from those that are there is touched. */
  show(rows: Rows, folds: readonly Fold[]): void {
    const { rows: before, folds: old } = this.now;
    const { doc } = this.view.state;
    const same = (a: number, b: number) => (a >= 0 && b >= 0 ? a === b : a < 0 && b < 0 && old[~a] === folds[~b]);
    const shorter = Math.min(before.length, rows.length);
    let head = 0;
    while (head < shorter && same(before[head]!, rows[head]!)) head++;
    let tail = 0;
    while (tail < shorter - head && same(before[before.length - 1 - tail]!, rows[rows.length - 1 - tail]!)) tail++;

    const texts: string[] = [];
    for (let at = head; at < rows.length - tail; at++) texts.push(this.text(rows[at]!, folds));
    const effects = look.of({ rows, folds });
    if (before.length === 0 || rows.length === 0 || head + tail === 0) {
      const insert = Text.of(texts.length > 0 ? texts : [""]);
      this.view.dispatch({ changes: { from: 0, to: doc.length, insert }, effects, selection: { anchor: 0 } });
      return;
    }
    // The line break that goes with the rows is the one behind the head; without a head it is the one before the tail.
    const from = head > 0 ? doc.line(head).to : 0;
    const to = tail > 0 ? doc.line(before.length - tail + 1).from - (head > 0 ? 1 : 0) : doc.length;
    const insert = Text.of(head > 0 ? [""].concat(texts) : texts.concat(""));
    this.view.dispatch({ changes: { from, to, insert: texts.length > 0 ? insert : Text.empty }, effects });
  }

  select(range: Range | null): void {
    this.view.dispatch({ effects: look.of({ range }) });
  }

  highlight(pattern: RegExp | null): void {
    this.view.dispatch({ effects: look.of({ pattern }) });
  }

  wrap(on: boolean): void {
    this.view.dispatch({ effects: this.wrapping.reconfigure(on ? EditorView.lineWrapping : []) });
  }

  /** Bring a line into view, at `column` if it is longer than that, and make it the current one. Its row must be there. */
  reveal(line: number, y: "nearest" | "center" | "start" = "center", column = 0): void {
    const position = positionOf(this.now.rows, this.now.folds, line);
    if (position >= 0) this.goTo(position, y, column);
  }

  goTo(position: number, y: "nearest" | "center" | "start" | "end" = "nearest", column = 0): void {
    const { from, to } = this.view.state.doc.line(position + 1);
    const at = Math.min(from + column, to);
    const effects = [EditorView.scrollIntoView(at, { y, yMargin: 40 }), EditorView.announce.of(this.told(position))];
    this.view.dispatch({ selection: { anchor: at }, effects });
  }

  selectAll(): void {
    this.view.dispatch({ selection: { anchor: 0, head: this.view.state.doc.length } });
  }

  /** The position of the current row. */
  get position(): number {
    return this.view.state.doc.lineAt(this.view.state.selection.main.head).number - 1;
  }

  /** The line or the fold at a position; undefined where there is none. */
  row(position: number): number | undefined {
    return this.now.rows[position];
  }

  get rowCount(): number {
    return this.now.rows.length;
  }

  get foldAtCurrent(): Fold | undefined {
    const row = this.row(this.position);
    return row !== undefined && row < 0 ? this.now.folds[~row] : undefined;
  }

  /** The first line of the current row; -1 when there are no rows. */
  get line(): number {
    const row = this.row(this.position);
    return row === undefined ? -1 : firstLine(row, this.now.folds);
  }

  /** The first line in view. */
  get top(): number {
    const block = this.view.lineBlockAtHeight(this.view.scrollDOM.scrollTop - this.view.documentPadding.top);
    const row = this.row(this.view.state.doc.lineAt(block.from).number - 1);
    return row === undefined ? 0 : firstLine(row, this.now.folds);
  }

  private text(row: number, folds: readonly Fold[]): string {
    return row >= 0 ? this.log.lines[row]! : `… ${folds[~row]!.words}`;
  }

  private told(position: number): string {
    const row = this.row(position);
    if (row === undefined) return "";
    const text = this.text(row, this.now.folds).slice(0, 500);
    return row >= 0 ? `line ${this.log.number(row)}: ${text}` : `${text}, folded: Enter shows them`;
  }

  private numbers(): Extension {
    const { log, reader } = this;
    const rowAt = (view: EditorView, from: number) =>
      view.state.field(this.looks).rows[view.state.doc.lineAt(from).number - 1];
    return gutter({
      class: "numbers",
      renderEmptyElements: false,
      lineMarker: (view, block) => {
        const row = rowAt(view, block.from);
        return row === undefined || row < 0 ? null : new LineNumber(log.number(row));
      },
      lineMarkerChange: (update) => update.transactions.some((transaction) => transaction.effects.some((effect) => effect.is(look))),
      initialSpacer: () => new LineNumber(Math.max(9999, log.number(log.length - 1))),
      domEventHandlers: {
        click: (view, block, event) => {
          const click = event as MouseEvent;
          const row = rowAt(view, block.from);
          if (row === undefined || row < 0 || click.ctrlKey || click.metaKey) return false;
          reader.pick(log.number(row), click.shiftKey);
          event.preventDefault();
          return true;
        },
      },
    });
  }

  /** A state with no more than the rows in view. */
  private printed({ from, to }: Range): EditorState {
    const { doc } = this.view.state;
    const first = doc.lineAt(Math.min(from, doc.length));
    const last = doc.lineAt(Math.min(to, doc.length));
    const rows = this.now.rows.slice(first.number - 1, last.number);
    const changes = [
      { from: 0, to: first.from },
      { from: last.to, to: doc.length },
    ];
    return this.view.state.update({ changes, effects: look.of({ rows }) }).state;
  }
}

class LineNumber extends GutterMarker {
  constructor(private readonly number: number) {
    super();
  }

  override eq(other: LineNumber): boolean {
    return other.number === this.number;
  }

  override toDOM(): Node {
    const link = document.createElement("a");
    link.href = format({ from: this.number, to: this.number });
    link.textContent = String(this.number);
    link.title = "Link to this line; with Shift, to a range";
    link.tabIndex = -1; // the gutter is hidden from screen readers; keys choose lines in the text
    return link;
  }
}

/** A hidden character as it is written in a program's source. */
function writtenOut(code: number, description: string | null): HTMLElement {
  const shown = document.createElement("span");
  const short: Record<number, string> = { 10: "\\n", 13: "\\r" };
  const digits = code.toString(16);
  shown.textContent = short[code] ?? (code < 0x100 ? `\\x${digits.padStart(2, "0")}` : `\\u${digits.padStart(4, "0")}`);
  shown.className = "hidden-character";
  shown.title = description ?? "";
  return shown;
}
