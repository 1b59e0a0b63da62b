// Search through all lines, those that are folded among them.

import type { Log } from "./log";

export interface Query {
  text: string;
  exactCase: boolean;
  expression: boolean;
}

const AT_ONCE = 20_000; // lines, between which the page stays responsive

/** What to look for; null when that is nothing. Throws SyntaxError for a bad regular expression. */
export function patternOf(query: Query): RegExp | null {
  if (query.text === "") return null;
  const source = query.expression ? query.text : query.text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(source, query.exactCase ? "g" : "gi");
}

/** The lines that match and are wanted; null once `current` says that they are no longer asked for. */
export async function matching(
  log: Log,
  pattern: RegExp,
  wanted: (line: number) => boolean,
  current: () => boolean,
): Promise<number[] | null> {
  const once = new RegExp(pattern.source, pattern.flags.replace("g", ""));
  const found: number[] = [];
  for (let start = 0; start < log.length; start += AT_ONCE) {
    const end = Math.min(start + AT_ONCE, log.length);
    for (let line = start; line < end; line++) if (once.test(log.lines[line]!) && wanted(line)) found.push(line);
    await new Promise((resolve) => setTimeout(resolve));
    if (!current()) return null;
  }
  return found;
}
