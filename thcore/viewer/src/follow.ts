// The log of a build that runs, read as it grows.

import type { Log } from "./log";

const EVERY_MS = 2000;

/** What live/state.json says of the log: its pieces, of which the last one grows. */
interface State {
  verdict: string;
  log: { pieces: string[]; whole: boolean };
}

/** Reads the pieces of a log on and on. */
export class Followed {
  private pieces = 0; // that were read to their end
  private taken = 0; // bytes of the piece after those
  private verdict = ""; // there is one once the build is over
  private whole = true;

  constructor(
    private readonly directory: string,
    private readonly log: Log,
  ) {}

  /** Take what is new. True if there was anything. */
  async read(): Promise<boolean> {
    const { verdict, log } = (await (await this.fetched("state.json")).json()) as State;
    const before = this.log.length;
    while (this.pieces < log.pieces.length) {
      const bytes = new Uint8Array(await (await this.fetched(log.pieces[this.pieces]!)).arrayBuffer());
      // Pieces are cut at the ends of lines, so that no character is torn.
      this.log.append(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(this.taken)));
      this.taken = bytes.length;
      if (this.pieces === log.pieces.length - 1) break;
      this.pieces++;
      this.taken = 0;
    }
    this.verdict = verdict;
    this.whole = log.whole;
    return this.log.length > before;
  }

  /** Read for as long as the build runs, then open the page that its publisher puts up in this one's place. */
  async keepUp(grown: () => void, say: (sentence: string) => void): Promise<void> {
    while (this.verdict === "") {
      await pause();
      try {
        if (await this.read()) grown();
        say(this.whole ? "" : "the build writes more than is put up while it runs; the rest comes at its end");
      } catch (error) {
        if (error instanceof Gone) break;
        say("the log cannot be read at the moment; trying again");
      }
    }
    if (this.verdict === "CANCELLED") {
      say("the build was cancelled");
      return;
    }
    say("the build is over; its evidence is being published");
    while (await isThisPage()) await pause();
    location.reload();
  }

  private async fetched(name: string): Promise<Response> {
    const response = await fetch(this.directory + name, { cache: "no-store" });
    if (response.status === 404) throw new Gone(name);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return response;
  }
}

/** What is put up while a build runs is there no more. */
class Gone extends Error {}

/** Whether what stands at this page's address still follows. */
async function isThisPage(): Promise<boolean> {
  try {
    const response = await fetch(location.pathname, { cache: "no-store" });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    await reader.cancel(); // the rest may be large, and is opened next
    return !response.ok || value!.slice(0, 500).includes("data-follow");
  } catch {
    return true;
  }
}

function pause(): Promise<unknown> {
  return new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}
