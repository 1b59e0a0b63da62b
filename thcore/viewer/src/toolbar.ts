// The bar above the log. Its elements stand in the page's template; here they come to life.

import { count } from "./folds";
import { KEYS } from "./keys";
import type { Mark } from "./looks";
import { isFiltering } from "./rows";
import { patternOf } from "./search";
import { SEVERITIES } from "./severity";
import { ordinal, type Viewer } from "./viewer";

function the<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

function made<K extends keyof HTMLElementTagNameMap>(name: K, text: string, ...children: Node[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  element.append(...children, text);
  return element;
}

export function focusSearch(): void {
  the<HTMLInputElement>("query").focus();
  the<HTMLInputElement>("query").select();
}

export function showKeys(): void {
  const table = the("keys").querySelector("tbody")!;
  if (table.rows.length === 0) {
    for (const key of KEYS.filter(({ shown }) => shown)) table.append(made("tr", "", made("th", key.shown), made("td", key.words)));
  }
  the<HTMLDialogElement>("keys").showModal();
}

export function say(sentence: string): void {
  the("status").textContent = sentence;
}

export class Toolbar {
  private listed = 0; // sources that have a check box

  constructor(
    private readonly viewer: Viewer,
    marks: readonly Mark[],
  ) {
    viewer.changed = () => this.update();
    viewer.say = say;
    this.search();
    this.findings(marks);
    this.severities();
    const { screen } = viewer;
    const click = (id: string, act: () => void) => the(id).addEventListener("click", act);
    click("next-finding", () => viewer.step(viewer.marked, 1, "finding"));
    click("previous-finding", () => viewer.step(viewer.marked, -1, "finding"));
    click("next-error", () => viewer.step(viewer.errors, 1, "error"));
    click("previous-error", () => viewer.step(viewer.errors, -1, "error"));
    click("fold", () => viewer.toggleFolds());
    click("wrap", () => viewer.toggleWrapping());
    click("help", showKeys);
    click("follow", () => viewer.setFollowing(!viewer.following));
    const scrolled = (up: boolean) => viewer.setFollowing(viewer.following && !up);
    screen.view.scrollDOM.addEventListener("wheel", (event) => scrolled(event.deltaY < 0), { passive: true });
    screen.view.scrollDOM.addEventListener("touchmove", () => scrolled(true), { passive: true });
    closesWhenLeft(the<HTMLDetailsElement>("severities"));
    closesWhenLeft(the<HTMLDetailsElement>("sources"));
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "f" && !event.shiftKey && !event.altKey) {
        // The browser's own search would find in what is on the screen only.
        event.preventDefault();
        focusSearch();
      }
    });
    this.update();
  }

  private update(): void {
    const { viewer } = this;
    const { log, screen, filter } = viewer;
    const shown = isFiltering(filter) ? `${count(screen.rowCount)} of ${count(log.length)} lines pass the filter` : `${count(log.length)} lines`;
    the("size").textContent = shown;
    const folded = [...viewer.closed].reduce((lines, { from, to }) => lines + to - from, 0);
    the("fold").hidden = viewer.folds.length === 0;
    pressed("fold", viewer.closed.size > 0);
    the("fold").textContent = viewer.closed.size > 0 ? `${count(folded)} lines folded` : "Fold noise";
    pressed("wrap", viewer.wrapped);
    pressed("follow", viewer.following);
    this.position("findings-bar", "finding-count", viewer.marked, "finding");
    this.position("errors-bar", "error-count", viewer.errors, "error");
    const { hits } = viewer;
    const at = hits === null ? 0 : ordinal(hits, screen.line);
    the("hits").textContent = hits === null ? "" : `${at > 0 ? `${count(at)} of ` : ""}${count(hits.length)} ${hits.length === 1 ? "line" : "lines"}`;
    for (const id of ["next-hit", "previous-hit"]) the<HTMLButtonElement>(id).disabled = !hits?.length;
    this.sources();
  }

  private position(bar: string, output: string, lines: readonly number[], what: string): void {
    const at = ordinal(lines, this.viewer.screen.line);
    the(bar).hidden = lines.length === 0;
    the(output).textContent = `${at > 0 ? `${count(at)} of ` : ""}${count(lines.length)} ${what}${lines.length === 1 ? "" : "s"}`;
  }

  private search(): void {
    const { viewer } = this;
    const query = the<HTMLInputElement>("query");
    const run = (go: boolean) => {
      try {
        query.setCustomValidity("");
        const asked = { text: query.value, exactCase: the<HTMLInputElement>("case").checked, expression: the<HTMLInputElement>("expression").checked };
        void viewer.search(patternOf(asked), go);
      } catch (error) {
        query.setCustomValidity(`This is no regular expression: ${(error as Error).message}`);
        query.reportValidity();
      }
    };
    let soon = 0;
    query.addEventListener("input", () => {
      clearTimeout(soon);
      soon = window.setTimeout(() => run(true), 150);
    });
    for (const id of ["case", "expression"]) the(id).addEventListener("change", () => run(true));
    const step = (way: 1 | -1) => viewer.stepHit(way);
    the("next-hit").addEventListener("click", () => step(1));
    the("previous-hit").addEventListener("click", () => step(-1));
    the("search").addEventListener("submit", (event) => event.preventDefault());
    query.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        event.preventDefault();
        viewer.screen.view.focus();
      }
    });
  }

  private findings(marks: readonly Mark[]): void {
    const list = the("finding-list");
    the("findings").hidden = marks.length === 0;
    for (const mark of marks) {
      const link = made("a", `line ${count(mark.line)}`);
      link.href = `#L${mark.line}`;
      const tag = made("span", mark.severity);
      tag.className = `badge ${mark.severity}`;
      list.append(made("li", ` ${mark.message}`, link, document.createTextNode(" "), tag));
    }
  }

  private severities(): void {
    const { viewer } = this;
    const boxes = SEVERITIES.map((name, severity) =>
      box(name, {
        set: (on) => this.hideSeverities(changed(viewer.filter.hiddenSeverities, severity, on)),
        only: () => this.hideSeverities(allBut(severity, SEVERITIES.length)),
      }),
    );
    the("severity-list").append(...boxes.reverse());
  }

  /** A check box for each source; they come as the log grows. */
  private sources(): void {
    const { viewer } = this;
    const { sources } = viewer.log;
    for (; this.listed < sources.length; this.listed++) {
      const source = this.listed;
      const choice = {
        set: (on: boolean) => this.hideSources(changed(viewer.filter.hiddenSources, source, on)),
        only: () => this.hideSources(allBut(source, sources.length)),
      };
      the("source-list").append(box(sources[source] || "no source", choice));
    }
    the("sources").hidden = sources.length < 2;
    told("sources", [...the("source-list").children], viewer.filter.hiddenSources, viewer.ofSource);
    told("severities", [...the("severity-list").children].reverse(), viewer.filter.hiddenSeverities, viewer.ofSeverity);
  }

  private hideSeverities(hiddenSeverities: ReadonlySet<number>): void {
    this.viewer.setFilter({ ...this.viewer.filter, hiddenSeverities });
  }

  private hideSources(hiddenSources: ReadonlySet<number>): void {
    this.viewer.setFilter({ ...this.viewer.filter, hiddenSources });
  }
}

function pressed(id: string, on: boolean): void {
  the(id).setAttribute("aria-pressed", String(on));
}

function changed(hidden: ReadonlySet<number>, member: number, shown: boolean): ReadonlySet<number> {
  const now = new Set(hidden);
  if (shown) now.delete(member);
  else now.add(member);
  return now;
}

function allBut(one: number, count: number): ReadonlySet<number> {
  return new Set([...Array(count).keys()].filter((member) => member !== one));
}

/** A check box with its label, and a button that leaves it the only one of its list. */
function box(name: string, choice: { set(on: boolean): void; only(): void }): HTMLElement {
  const input = document.createElement("input");
  input.type = "checkbox";
  input.setAttribute("aria-label", name);
  input.addEventListener("change", () => choice.set(input.checked));
  const only = made("button", "only");
  only.type = "button";
  only.setAttribute("aria-label", `only ${name}`);
  only.addEventListener("click", choice.only);
  const lines = made("output", "");
  return made("div", "", made("label", name, input), lines, only);
}

/** Set the boxes of a menu, and tell how many lines there are of each. */
function told(menu: string, boxes: readonly Element[], hidden: ReadonlySet<number>, lines: readonly number[]): void {
  boxes.forEach((each, member) => {
    each.querySelector("input")!.checked = !hidden.has(member);
    each.querySelector("output")!.textContent = count(lines[member] ?? 0);
    (each as HTMLElement).hidden = !lines[member];
  });
  the(menu).classList.toggle("on", hidden.size > 0);
}

function closesWhenLeft(menu: HTMLDetailsElement): void {
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target as Node)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary")!.focus();
    }
  });
}
