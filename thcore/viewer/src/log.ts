// The lines of a log, and what is known of each.

import { withoutEscapes } from "./colours";
import { Judge } from "./severity";

// As thcore's build log has it: "2026-11-21T21:35:24.123Z SOURCE | text".
const PREFIX = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\S+?)\+? \| ?/;
const STAMP = 23; // characters, before the Z
const STYLE_LIMIT = 200; // characters of colour that are carried over to the next line

/** Lines that are not in the page: `count` of them from number `first` on. One line stands for them and tells so. */
export interface Gap {
  first: number;
  count: number;
}

export class Log {
  /** Lines as they are shown: without escape sequences. */
  readonly lines: string[] = [];
  /** For each line, the index of its source in `sources`; 0 is none. */
  readonly source: number[] = [];
  /** For each line, where its text begins, after time and source. */
  readonly textAt: number[] = [];
  readonly severity: number[] = [];
  readonly sources: string[] = [""];
  /** Lines with escape sequences, as they came. */
  readonly coloured = new Map<number, string>();

  private readonly judge = new Judge();
  private readonly known = new Map<string, number>([["", 0]]);
  private readonly styles = new Map<number, string>();
  private rest = "";
  // Lines come in runs of one source: what stood between time and text is tried first for the next line.
  private lastLabel = "\0";
  private lastSource = 0;

  constructor(private readonly gap: Gap | null = null) {}

  get length(): number {
    return this.lines.length;
  }

  /** Take a piece of the log. A last line without its end waits for the next piece or for `finish`. */
  append(piece: string): void {
    const lines = piece.split("\n");
    lines[0] = this.rest + lines[0]!;
    this.rest = lines.pop()!;
    for (const line of lines) this.add(line);
  }

  finish(): void {
    if (this.rest) this.add(this.rest);
    this.rest = "";
  }

  /** The number that a line has in the file, from 1 on. */
  number(index: number): number {
    return this.gap && index >= this.gap.first ? index + this.gap.count : index + 1;
  }

  /** The line of a number, or of the nearest number there is. */
  index(number: number): number {
    let index = number - 1;
    if (this.gap && number >= this.gap.first) {
      index = number < this.gap.first + this.gap.count ? this.gap.first - 1 : number - this.gap.count;
    }
    return Math.max(0, Math.min(index, this.length - 1));
  }

  private add(raw: string): void {
    if (raw.endsWith("\r")) raw = raw.slice(0, -1);
    const { source, at } = this.prefix(raw);
    let line = raw;
    const style = this.styles.size > 0 ? (this.styles.get(source) ?? "") : "";
    if (style || raw.includes("\x1b")) {
      line = withoutEscapes(raw);
      const coloured = raw.slice(0, at) + style + raw.slice(at);
      this.coloured.set(this.lines.length, coloured);
      this.carry(source, coloured);
    }
    this.lines.push(line);
    this.source.push(source);
    this.textAt.push(at);
    this.severity.push(this.judge.severity(at ? line.slice(at) : line, source));
  }

  private prefix(line: string): { source: number; at: number } {
    const at = STAMP + this.lastLabel.length;
    if (line.startsWith(this.lastLabel, STAMP) && line[10] === "T") return { source: this.lastSource, at };
    const match = PREFIX.exec(line);
    if (match === null) return { source: 0, at: 0 };
    const name = match[1]!;
    let source = this.known.get(name);
    if (source === undefined) {
      source = this.sources.push(name) - 1;
      this.known.set(name, source);
    }
    this.lastLabel = match[0].slice(STAMP);
    this.lastSource = source;
    return { source, at: match[0].length };
  }

  /** Keep the colours that a line leaves on, for the next one of its source. */
  private carry(source: number, line: string): void {
    const codes = line.match(/\x1b\[[\d;]*m/g) ?? [];
    const style = codes.slice(codes.findLastIndex((code) => /^\x1b\[0?m$/.test(code)) + 1).join("");
    if (style && style.length <= STYLE_LIMIT) this.styles.set(source, style);
    else this.styles.delete(source);
  }
}
