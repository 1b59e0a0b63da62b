// The field is hidden where this does not run: a field that does nothing would be worse than none.
for (const field of document.querySelectorAll("input.filter")) {
  const rows = [...document.querySelectorAll("tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
  const told = document.getElementById(field.getAttribute("aria-describedby"));
  const apply = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const [row, text] of rows) row.hidden = !words.every((word) => text.includes(word));
    told.textContent = `${rows.filter(([row]) => !row.hidden).length} of ${rows.length}`;
  };
  field.addEventListener("input", apply);
  field.closest("[hidden]").hidden = false;
  apply(); // a browser that came back keeps what was typed
}
