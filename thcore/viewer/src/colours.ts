// ANSI escape sequences: colours are kept, everything else of them is left out.

import Anser from "anser";

const ESCAPES =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]/g;
const COLOUR = /^\x1b\[[\d;]*m$/;

/** A stretch of a line without its escape sequences, and how it looks. */
export interface Span {
  from: number;
  to: number;
  classes: string;
  style: string;
}

export function withoutEscapes(text: string): string {
  return text.replace(ESCAPES, "");
}

/** The coloured stretches of a line. Positions are those of the line without escape sequences. */
export function spans(raw: string): Span[] {
  const parts = Anser.ansiToJson(raw.replace(ESCAPES, (code) => (COLOUR.test(code) ? code : "")), {
    json: true,
    use_classes: true,
    remove_empty: true,
  });
  const found: Span[] = [];
  let at = 0;
  for (const part of parts) {
    const from = at;
    at += part.content.length;
    const looks: string[] = [...new Set(part.decorations)].filter((name) => name !== "hidden").map((name) => `ansi-${name}`);
    const style = [...painted("color", part.fg, part.fg_truecolor, looks), ...painted("background-color", part.bg, part.bg_truecolor, looks)];
    const ground = /background-color:rgb\((\d+), (\d+), (\d+)\)/.exec(style.at(-1) ?? "");
    if (ground !== null && !part.fg) style.push(`color:${isLight(ground.slice(1).map(Number)) ? "#000" : "#fff"}`);
    if (looks.length > 0 || style.length > 0) found.push({ from, to: at, classes: looks.join(" "), style: style.join(";") });
  }
  return found;
}

/** A named colour becomes a class, since it depends on light and dark; any other is what it says. */
function painted(property: string, name: string | null, rgb: string | null, classes: string[]): string[] {
  if (!name) return [];
  if (name === "ansi-truecolor") return [`${property}:rgb(${rgb})`];
  const index = /^ansi-palette-(\d+)$/.exec(name)?.[1];
  if (index !== undefined) return [`${property}:rgb(${palette(Number(index))})`];
  classes.push(property === "color" ? `${name}-fg` : `${name}-bg`);
  return [];
}

/** The colours from 16 to 255 as xterm has them: a cube of six steps each, then shades of grey. */
function palette(index: number): string {
  if (index >= 232) return Array(3).fill(8 + (index - 232) * 10).join(", ");
  const cube = index - 16;
  const steps = [0, 95, 135, 175, 215, 255];
  return [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((step) => steps[step]).join(", ");
}

/** Whether black is easier to read on a colour than white: its luminance as WCAG defines it. */
function isLight(rgb: number[]): boolean {
  const [red, green, blue] = rgb.map((value) => (value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue! > 0.179;
}
