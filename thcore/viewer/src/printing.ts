// Paper: what is on the screen, and no more.

import type { EditorState, StateEffect } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";

import type { Range } from "./anchor";

/** CodeMirror lays out the whole document to print it, which no browser survives with a large log. While printing, its
 * document is what was in view. To be made before the view: whoever listens first is told first. */
export class Printing {
  private readonly paper = window.matchMedia("print");
  private view: EditorView | null = null;
  private printed: (seen: Range) => EditorState = () => this.view!.state;
  private seen: Range = { from: 0, to: 0 };
  private scroll: StateEffect<unknown> | null = null;
  private before: EditorState | null = null;

  constructor() {
    window.addEventListener("beforeprint", () => this.start());
    window.addEventListener("afterprint", () => this.end());
    this.paper.addEventListener("change", (event) => (event.matches ? this.start() : this.end()));
  }

  /** From now on `view` is what is printed; `printed` makes its state of what is in view. */
  begin(view: EditorView, printed: (seen: Range) => EditorState): void {
    this.view = view;
    this.printed = printed;
    view.scrollDOM.addEventListener("scroll", () => this.look(), { passive: true });
    view.requestMeasure({ read: () => this.look() });
  }

  private look(): void {
    // The layout may be that of the paper before anybody is told of it.
    if (this.view === null || this.before !== null || this.paper.matches) return;
    const top = this.view.scrollDOM.scrollTop - this.view.documentPadding.top;
    const { from } = this.view.lineBlockAtHeight(top);
    this.seen = { from, to: this.view.lineBlockAtHeight(top + this.view.scrollDOM.clientHeight).to };
    this.scroll = this.view.scrollSnapshot();
  }

  private start(): void {
    this.look();
    if (this.view === null || this.before !== null) return;
    this.before = this.view.state;
    this.view.setState(this.printed(this.seen));
  }

  private end(): void {
    if (this.view === null || this.before === null) return;
    this.view.setState(this.before);
    this.before = null;
    if (this.scroll !== null) this.view.dispatch({ effects: this.scroll });
  }
}
