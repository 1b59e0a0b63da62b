// Opens the log that is in this page.

import { Followed } from "./follow";
import { Log, type Gap } from "./log";
import type { Mark } from "./looks";
import { unpacked } from "./packed";
import { Toolbar, focusSearch, say, showKeys } from "./toolbar";
import { Viewer } from "./viewer";

interface About {
  marks: Mark[];
  gap: Gap | null;
}

async function open(): Promise<void> {
  const about = JSON.parse(document.getElementById("about")!.textContent) as About;
  const directory = document.documentElement.dataset["follow"];
  const log = new Log(about.gap);
  let followed: Followed | null = null;
  if (directory !== undefined) {
    followed = new Followed(directory, log);
    await followed.read();
  } else {
    const packed = document.getElementById("packed")!;
    for await (const piece of unpacked(packed.textContent)) log.append(piece);
    packed.remove();
    log.finish();
  }
  const parent = document.getElementById("log")!;
  const viewer = new Viewer(parent, log, about.marks, { search: focusSearch, help: showKeys });
  new Toolbar(viewer, about.marks);
  say("");
  viewer.screen.view.focus();
  parent.dataset["ready"] = "true";
  performance.mark("ready");
  if (followed !== null) {
    viewer.live = true;
    document.getElementById("follow")!.hidden = false;
    if (location.hash === "") viewer.setFollowing(true);
    await followed.keepUp(() => viewer.grown(), say);
  }
}

open().catch((error: unknown) => {
  say(location.protocol === "file:" && document.documentElement.dataset["follow"] !== undefined
    ? "A running build can be followed through a web server only."
    : `The log cannot be shown here (${error}). The link “plain text” has it.`);
});
