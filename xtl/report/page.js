"use strict";
(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v ?? cell.textContent.trim();
  };
  const isHole = (text) => text === "" || text === "-";

  function sort(table, column) {
    const head = table.tHead.rows[0].cells[column];
    const body = table.tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const one of table.tHead.rows[0].cells) if (one.hasAttribute("aria-sort")) one.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    const numbers = rows.every(([text]) => isHole(text) || !Number.isNaN(Number(text)));
    rows.sort(([a], [b]) => {
      if (isHole(a) || isHole(b)) return isHole(a) - isHole(b); // what is missing stays last, whichever way
      const order = numbers ? Number(a) - Number(b) : a.localeCompare(b);
      return down ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  }

  for (const table of document.querySelectorAll("table[data-sort]")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, column));
    });
  }

  function filter(box, what) {
    const tools = document.createElement("div"), label = document.createElement("label");
    const input = document.createElement("input"), told = document.createElement("output");
    tools.className = "tools";
    input.type = "search";
    input.id = `${box.id}-filter`;
    label.htmlFor = input.id;
    label.textContent = `Filter ${what}`;
    told.setAttribute("aria-live", "polite");
    tools.append(label, input, told);
    box.before(tools);
    let rows = null;
    const opened = new Set();
    input.addEventListener("input", () => {
      rows ??= [...box.querySelectorAll("tbody tr")].map((row) => [row.textContent.toLowerCase(), row]);
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const [text, row] of rows) {
        row.hidden = !words.every((word) => text.includes(word));
        left += !row.hidden;
      }
      for (const fold of box.querySelectorAll("details")) {
        fold.hidden = !fold.querySelector("tbody tr:not([hidden])");
        if (words.length && !fold.hidden && !fold.open) { fold.open = true; opened.add(fold); }
        if (!words.length && opened.delete(fold)) fold.open = false;
      }
      told.textContent = words.length ? `${left} of ${rows.length} shown` : "";
    });
  }
  for (const box of document.querySelectorAll("[data-filter]")) filter(box, box.dataset.filter);

  // On paper nothing can be unfolded: what belongs to the argument is, the list of runs is not.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details.paper:not([open])")];
    for (const fold of unfolded) fold.open = true;
  });
  addEventListener("afterprint", () => { for (const fold of unfolded) fold.open = false; });
})();
