// The heat map: students by exercises. It can be sorted, searched, and walked through with the keys. What students
// wrote is put in as text, never as markup. A row gets its cells when it comes near: most of 60,000 are never looked at.
{
  const { kinds, assignments, messages, students } = JSON.parse(document.getElementById("data").textContent);
  const [NAME, TOTAL, FIRST] = [0, 1, 2]; // places in a row; the exercises come after the first two
  const DENSE = 40; // more columns than that are too narrow for numbers
  const PAGE = 12; // rows that Page Up and Page Down go
  const [map, heads, body] = ["heat", "heat-heads", "heat-rows"].map((id) => document.getElementById(id));
  const [search, view, by, turn, found, detail] = ["search", "view", "by", "turn", "found", "detail"].map((id) =>
    document.getElementById(id),
  );

  const made = (tag, role, text = "", name = "") => {
    const node = document.createElement(tag);
    if (role) node.setAttribute("role", role);
    if (name) node.className = name;
    node.textContent = text;
    return node;
  };
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const number = (value) => String(Math.round(value * 100) / 100);
  const percent = (share) => (share === null ? "–" : `${share > 0.99 && share < 1 ? 99 : Math.round(100 * share)} %`);
  const heat = (share) => `h${Math.min(Math.max(Math.floor(share * 10), 0), 10)}`;
  const seconds = (value) => (value < 60 ? `${value} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`);

  // Columns. Each knows its assignment and, unless it is the whole assignment, its exercise.
  const whole = assignments.map(([name, max, share], a) => ({ key: name, a, name, max, share }));
  let offset = 0;
  const exercises = assignments.map(([name, , , cells], a) =>
    cells.map(([id, max, share, discrimination], e) => ({
      key: `${name}/${id}`, a, name: id, max, share, discrimination, at: offset++, first: e === 0,
    })),
  );
  const columnsOf = (which) =>
    which === "all" ? exercises.flat() : which === "whole" ? whole : [whole[which], ...exercises[which]];
  const placed = (student, { a, at, max }) => {
    const [kind, points, time = 0, message = -1] = at === undefined ? student[4][a] : student[5][at];
    const [name, mark, words] = kinds[kind];
    return { name, mark, words, points, max, time, message: messages[message] ?? "" };
  };
  const rank = ({ name, points }) => ({ unknown: -4, gone: -3, broken: -2, waits: points || -1 })[name] ?? points;

  const rows = students.map((student) => {
    const [id, name, score, max] = student;
    const node = made("div", "row");
    const head = made("div", "rowheader", "", "who");
    head.append(made("bdi", "", name), id === name ? "" : " ", made("bdi", "", id === name ? "" : id, "quiet small"));
    node.append(head, made("div", "gridcell", number(score), "total"));
    for (const each of node.children) each.tabIndex = -1;
    return { student, name, id, score, max, node, text: plain(`${name} ${id}`), filled: false };
  });
  const rowOf = new Map(rows.map((row) => [row.node, row]));
  let columns = [];
  let shown = rows;
  let current = null; // the cell that the keys are at

  const fill = (row) => {
    if (row.filled) return;
    row.filled = true;
    row.node.append(
      ...columns.map((column) => {
        const { name, mark, words, points, max } = placed(row.student, column);
        const partly = name === "waits" && column.at === undefined; // the assignment's other cells have points
        const text = partly ? number(points) + mark : mark || number(points);
        const node = made("div", "gridcell", text, `cell ${name || heat(max ? points / max : 0)}`);
        if (mark) node.classList.add("mark");
        if (column.first) node.classList.add("first");
        node.ariaLabel = name && !partly ? words : `${number(points)} of ${number(max)} points, ${words}`;
        node.tabIndex = -1;
        return node;
      }),
    );
  };
  const near = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && fill(rowOf.get(entry.target))),
    { root: map, rootMargin: "300px 0px" },
  );

  const headRow = () => heads.lastElementChild;
  const layColumns = () => {
    columns = columnsOf(view.value);
    map.classList.toggle("dense", columns.length > DENSE);
    map.ariaColCount = columns.length + FIRST;
    const row = made("div", "row");
    row.append(made("div", "columnheader", "Student", "who"), made("div", "columnheader", "Total", "total"));
    for (const column of columns) {
      const node = made("div", "columnheader", "", `cell ${column.share === null ? "" : heat(column.share)}`);
      node.append(made("span", "", column.name));
      if (column.first) node.classList.add("first");
      row.append(node);
    }
    for (const each of row.children) each.tabIndex = -1;
    heads.replaceChildren(row);
    if (view.value === "all") {
      const groups = made("div", "row", "", "groups");
      groups.append(made("div", "columnheader", "", "who"), made("div", "columnheader", "", "total"));
      assignments.forEach(([name], a) => {
        if (!exercises[a].length) return;
        const group = made("div", "columnheader", "", "group");
        group.append(made("span", "", name));
        group.ariaColSpan = exercises[a].length;
        group.style.setProperty("--n", exercises[a].length);
        groups.append(group);
      });
      heads.prepend(groups);
    }
    for (const each of rows) {
      while (each.node.children.length > FIRST) each.node.lastChild.remove();
      each.filled = false;
      near.unobserve(each.node); // and observed anew, it is told of again
      near.observe(each.node);
    }
    const options = [["name", "Name"], ["total", "Total"], ...columns.map(({ key }) => [key, key.replace("/", " / ")])];
    const before = by.value;
    by.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    by.value = options.some(([value]) => value === before) ? before : "name";
    map.style.scrollPaddingTop = `${heads.offsetHeight}px`;
    stand(row.firstChild);
  };

  const order = () => {
    const column = columns.find(({ key }) => key === by.value);
    const key = column ? (row) => rank(placed(row.student, column)) : (row) => row.score;
    const collator = new Intl.Collator(undefined, { numeric: true });
    const byName = (a, b) => collator.compare(a.name, b.name);
    const compare = by.value === "name" ? byName : (a, b) => key(a) - key(b);
    const falling = turn.ariaPressed === "true";
    rows.sort((a, b) => (falling ? compare(b, a) : compare(a, b)) || byName(a, b));
    body.replaceChildren(...rows.map(({ node }) => node));
    const at = by.value === "name" ? NAME : by.value === "total" ? TOTAL : FIRST + columns.indexOf(column);
    [...headRow().children].forEach((node, i) => {
      node.ariaSort = i !== at ? null : falling ? "descending" : "ascending";
    });
    pick();
  };

  const pick = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    for (const row of rows) row.node.hidden = !words.every((word) => row.text.includes(word));
    shown = rows.filter(({ node }) => !node.hidden);
    found.textContent = words.length ? `${shown.length} of ${rows.length} students` : `${rows.length} students`;
    map.ariaRowCount = shown.length + heads.children.length;
    if (current && current.parentNode.hidden) stand(headRow().firstChild);
  };

  const stand = (node) => {
    if (current) current.tabIndex = -1;
    current = node;
    current.tabIndex = 0;
    tell(node);
  };

  const tell = (node) => {
    const at = [...node.parentNode.children].indexOf(node);
    const row = rowOf.get(node.parentNode);
    const column = columns[at - FIRST];
    const lines = [];
    let said = "";
    if (row) lines.push(["Student", row.name === row.id ? row.id : `${row.name} (${row.id})`]);
    if (column) {
      const assignment = assignments[column.a][0];
      const isWhole = column.at === undefined;
      lines.push(isWhole ? ["Assignment", assignment] : ["Exercise", `${column.name} in ${assignment}`]);
    }
    if (row && column) {
      const { words, points, max, time, message } = placed(row.student, column);
      lines.push(["Points", `${number(points)} of ${number(max)}`], ["Outcome", words]);
      if (time) lines.push(["Time", seconds(time)]);
      said = message;
    } else if (row) {
      lines.push(["Points", `${number(row.score)} of ${number(row.max)}`]);
      lines.push(["Share", percent(row.max ? row.score / row.max : null)]);
    } else if (column) {
      lines.push(["Points to be had", number(column.max)], ["Mean share", percent(column.share)]);
      if (column.at !== undefined) lines.push(["Discrimination", column.discrimination?.toFixed(2) ?? "–"]);
    }
    const list = made("dl");
    for (const [name, value] of lines) {
      const pair = made("div");
      pair.append(made("dt", "", name), made("dd", "", value));
      list.append(pair);
    }
    const hint = "Choose a cell: here it says who, what and why.";
    detail.replaceChildren(lines.length ? list : made("p", "", hint, "quiet"));
    if (said) detail.append(made("div", "", said, "said"));
    detail.scrollTop = 0;
  };

  const go = (row, at) => {
    if (row) fill(row);
    const node = (row ? row.node : headRow()).children[at];
    node.focus({ preventScroll: true });
    node.scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  const sortBy = (at) => {
    const value = at === NAME ? "name" : at === TOTAL ? "total" : columns[at - FIRST].key;
    turn.ariaPressed = String(by.value === value && turn.ariaPressed !== "true");
    by.value = value;
    order();
  };

  map.addEventListener("keydown", (event) => {
    const node = event.target.closest("[tabindex]");
    if (!node || node === map || event.altKey || event.metaKey) return;
    const at = [...node.parentNode.children].indexOf(node);
    const row = rowOf.get(node.parentNode);
    const line = row ? shown.indexOf(row) : -1; // -1: the heads
    const end = columns.length + FIRST - 1;
    const last = shown.length - 1;
    const to = {
      ArrowUp: [line - 1, at],
      ArrowDown: [line + 1, at],
      ArrowLeft: [line, at - 1],
      ArrowRight: [line, at + 1],
      PageUp: [Math.max(line - PAGE, Math.min(line, 0)), at],
      PageDown: [line + PAGE, at],
      Home: [event.ctrlKey ? 0 : line, 0],
      End: [event.ctrlKey ? last : line, end],
    }[event.key];
    if (to) {
      const next = Math.min(Math.max(to[0], -1), last);
      go(next < 0 ? null : shown[next], Math.min(Math.max(to[1], 0), end));
    } else if (event.key === "Enter" || event.key === " ") {
      if (row) detail.focus();
      else sortBy(at);
    } else return;
    event.preventDefault();
  });
  map.addEventListener("focusin", (event) => {
    const node = event.target.closest("[tabindex]");
    if (node && node !== map) stand(node);
  });
  map.addEventListener("click", (event) => {
    const node = event.target.closest("[role=columnheader]");
    if (node && node.parentNode === headRow()) sortBy([...node.parentNode.children].indexOf(node));
  });
  map.addEventListener("pointerover", (event) => {
    const node = event.target.closest("[tabindex]");
    if (node && node !== map && event.pointerType === "mouse") tell(node);
  });
  map.addEventListener("pointerleave", () => tell(current));
  detail.addEventListener("keydown", (event) => {
    if (event.key === "Escape") current.focus();
  });
  search.addEventListener("input", pick);
  by.addEventListener("change", order);
  view.addEventListener("change", () => {
    layColumns();
    order();
  });
  turn.addEventListener("click", () => {
    turn.ariaPressed = String(turn.ariaPressed !== "true");
    order();
  });
  addEventListener("beforeprint", () => shown.forEach(fill));

  document.getElementById("class").hidden = false;
  layColumns();
  order();
}
