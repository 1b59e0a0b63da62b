// How bad a line is, by its own words.

export const PLAIN = 0;
export const DEBUG = 1;
export const INFO = 2;
export const WARNING = 3;
export const ERROR = 4;

/** What a severity is called, by its number. */
export const SEVERITIES = ["other", "debug", "info", "warning", "error"] as const;

const TRACEBACK = "Traceback (most recent call last)";

// Levels are words in capitals, as every logging library writes them; compilers and shells write "error:". The first
// one counts: "INFO ... 0 ERROR" is a line of information.
const WORD = new RegExp(
  [
    "\\b(?:(ERROR|CRITICAL|FATAL|PANIC|SEVERE|EMERG|ALERT)|(WARN(?:ING)?)|(INFO|NOTICE)|(DEBUG|TRACE))\\b",
    "\\b(?:(error|fatal|critical|panic)|(warning))(?=[:\\]])",
    "\\b[\\w.]*(?:(Error|Exception)|(Warning))(?=:)",
    "^(FAIL(?:ED|URE)?\\b|E {3})",
  ].join("|"),
);
const OF_GROUP = [PLAIN, ERROR, WARNING, INFO, DEBUG, ERROR, WARNING, ERROR, WARNING, ERROR];

/** Tells the lines of one log, in their order. */
export class Judge {
  /** Sources in whose output a Python traceback has begun. */
  private readonly inTraceback = new Set<number>();

  severity(text: string, source: number): number {
    if (text.includes(TRACEBACK)) {
      this.inTraceback.add(source);
      return ERROR;
    }
    if (this.inTraceback.size > 0 && this.inTraceback.has(source)) {
      // It ends with the first line that is not indented, which names the exception.
      if (/^\S/.test(text)) this.inTraceback.delete(source);
      return ERROR;
    }
    const match = WORD.exec(text);
    if (match === null) return PLAIN;
    for (let group = 1; group < OF_GROUP.length; group++) if (match[group] !== undefined) return OF_GROUP[group]!;
    return PLAIN;
  }
}
