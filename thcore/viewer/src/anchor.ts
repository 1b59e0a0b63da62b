// Permanent links: #L120 is a line, #L120-L140 a range.

export interface Range {
  from: number;
  to: number;
}

export function parse(hash: string): Range | null {
  const match = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(hash);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first < 1 || last < 1 ? null : { from: Math.min(first, last), to: Math.max(first, last) };
}

export function format(range: Range): string {
  return range.from === range.to ? `#L${range.from}` : `#L${range.from}-L${range.to}`;
}
