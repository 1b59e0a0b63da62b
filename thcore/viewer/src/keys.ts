// The keys of the viewer. They work while the log has the focus, so that none is taken from a screen reader or a field.

import type { KeyBinding } from "@codemirror/view";

import type { Viewer } from "./viewer";

interface Key {
  key: string;
  shift?: true; // the other direction
  shown: string;
  words: string;
  run(viewer: Viewer, actions: Actions, shift: boolean): void;
}

interface Actions {
  search(): void;
  help(): void;
}

export const KEYS: readonly Key[] = [
  { key: "ArrowDown", shown: "↓ ↑", words: "next, previous line; with Shift, extend the range", shift: true, run: (viewer, _, shift) => viewer.move(1, shift) },
  { key: "ArrowUp", shown: "", words: "", shift: true, run: (viewer, _, shift) => viewer.move(-1, shift) },
  { key: "Mod-Home", shown: "Home End", words: "first, last line", run: (viewer) => viewer.toStart() },
  { key: "Home", shown: "", words: "", run: (viewer) => viewer.toStart() },
  { key: "Mod-End", shown: "", words: "", run: (viewer) => viewer.toEnd() },
  { key: "End", shown: "", words: "", run: (viewer) => viewer.toEnd() },
  { key: "Enter", shown: "Enter", words: "show what is folded here", run: (viewer) => viewer.openCurrent() },
  { key: "/", shown: "/ or Ctrl+F", words: "search", run: (_, actions) => actions.search() },
  { key: "n", shown: "n N", words: "next, previous match", run: (viewer) => viewer.stepHit(1) },
  { key: "N", shown: "", words: "", run: (viewer) => viewer.stepHit(-1) },
  { key: "f", shown: "f F", words: "next, previous finding", run: (viewer) => viewer.step(viewer.marked, 1, "finding") },
  { key: "F", shown: "", words: "", run: (viewer) => viewer.step(viewer.marked, -1, "finding") },
  { key: "e", shown: "e E", words: "next, previous error", run: (viewer) => viewer.step(viewer.errors, 1, "error") },
  { key: "E", shown: "", words: "", run: (viewer) => viewer.step(viewer.errors, -1, "error") },
  { key: "z", shown: "z", words: "unfold everything, fold noise again", run: (viewer) => viewer.toggleFolds() },
  { key: "w", shown: "w", words: "wrap long lines or not", run: (viewer) => viewer.toggleWrapping() },
  { key: "Mod-a", shown: "Ctrl+A", words: "select all rows, to copy them", run: (viewer) => viewer.screen.selectAll() },
  { key: "Escape", shown: "Esc", words: "choose no line", run: (viewer) => viewer.unchoose() },
  { key: "?", shown: "?", words: "these keys", run: (_, actions) => actions.help() },
];

export function bindings(viewer: Viewer, actions: Actions): KeyBinding[] {
  const does = (key: Key, shift: boolean) => () => {
    key.run(viewer, actions, shift);
    return true;
  };
  return KEYS.map((key) => ({ key: key.key, run: does(key, false), ...(key.shift && { shift: does(key, true) }) }));
}
