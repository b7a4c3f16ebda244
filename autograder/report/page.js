// On paper nothing can be unfolded.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});

// Makes the columns of tables sortable. Without it the page says the same, in its own order.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const numbers = [...table.tBodies[0].rows].every((row) => key(row) !== "" && Number.isFinite(Number(key(row))));
      const rows = [...table.tBodies[0].rows].sort((a, b) =>
        numbers ? key(a) - key(b) : key(a).localeCompare(key(b), undefined, { numeric: true }),
      );
      if (falling) rows.reverse();
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      table.tBodies[0].append(...rows);
    });
  });
}
