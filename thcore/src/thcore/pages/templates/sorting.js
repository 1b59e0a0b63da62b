"use strict";
// A heading with data-sort becomes a button that sorts its table; data-value is what a cell is sorted by, where that is
// not its text. What has no value comes last.
const collator = new Intl.Collator("en", { numeric: true });

function value(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value ?? cell.textContent.trim();
}

function compare(one, other, way) {
  if (one === "" || other === "") return (one === "") - (other === "");
  const difference = one - other;
  return way * (Number.isNaN(difference) ? collator.compare(one, other) : difference);
}

function sort(table, head) {
  const column = head.cellIndex;
  const rising = head.ariaSort ? head.ariaSort === "descending" : head.dataset.sort !== "falling";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((one, other) => compare(value(one, column), value(other, column), rising ? 1 : -1));
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length < 2) continue;
  for (const head of table.tHead.rows[0].cells) {
    if (!("sort" in head.dataset)) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head));
    head.append(button);
  }
}
