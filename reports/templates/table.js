{ // names of its own
  // ------------------------------------------------------------- the table of deployments
  const body = document.querySelector("#comparison-table tbody");
  const lines = body ? [...body.rows] : []; // recommended first, as they came
  const headings = all("#comparison-table thead th");
  const rowOf = (line) => data.rows[line.dataset.row];
  const reasons = (row) => [row.verdict_reason, row.reason, row.note, row.runtime_note, row.fidelity_reason].join(" ");
  const texts = lines.map((line) => `${line.textContent} ${reasons(rowOf(line))}`.toLowerCase());
  const showQuality = () => lines.forEach((line) => {
    const score = rowOf(line).scores[explanation()];
    const cell = line.querySelector('[data-column="quality"]');
    if (!cell) return;
    cell.replaceChildren(score ? digits(score[0]) : unknown, score && score[4] ? " †" : "");
    if (score && score[1] != null) cell.append(make("small", { textContent: `${digits(score[1])} to ${digits(score[2])}` }));
  });
  const showRows = () => {
    if (!body) return;
    const wanted = byId("search").value.trim().toLowerCase();
    lines.forEach((line, index) => {
      line.hidden = !passes(rowOf(line)) || !texts[index].includes(wanted);
    });
    byId("row-count").textContent = `${lines.filter((line) => !line.hidden).length} of ${lines.length} rows`;
  };
  const valueOf = (row, key) => {
    const value = key === "quality" ? row.scores[explanation()]?.[0] : row[key];
    return value === "" || value === undefined ? null : value;
  };
  const compare = (a, b, descending) => {
    if (a === null || b === null) return (a === null) - (b === null); // unknown is last, whichever way
    const order = typeof a === "string" ? a.localeCompare(b) : a - b;
    return descending ? -order : order;
  };
  const sortBy = (key, direction) => { // without a direction, the order in which the rows came
    headings.forEach((heading) => heading.removeAttribute("aria-sort"));
    headings.find((heading) => heading.dataset.key === key && direction)?.setAttribute("aria-sort", direction);
    byId("sort").value = direction ? key : "";
    const descending = direction === "descending";
    body.append(...(direction ? [...lines].sort((a, b) => compare(valueOf(rowOf(a), key), valueOf(rowOf(b), key), descending)) : lines));
  };
  const next = { ascending: "descending", descending: "" };
  headings.forEach((heading) => heading.querySelector("button").addEventListener("click", () =>
    sortBy(heading.dataset.key, next[heading.getAttribute("aria-sort")] ?? "ascending")));
  byId("sort")?.addEventListener("change", (event) => sortBy(event.target.value, event.target.value && "ascending"));
  byId("search")?.addEventListener("input", showRows);
  listeners.push(showQuality, showRows);

  const boxes = all("#columns input");
  const showColumns = () => {
    const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    headings.slice(1).forEach((heading) => { heading.hidden = !shown.has(heading.dataset.key); });
    lines.forEach((line) => [...line.cells].slice(1).forEach((cell) => { cell.hidden = !shown.has(cell.dataset.column); }));
    byId("comparison-table")?.classList.toggle("many-columns", shown.size > 13); // on paper
    if (boxes.length) byId("column-count").textContent = `${shown.size} of ${boxes.length}`;
  };
  boxes.forEach((box) => box.addEventListener("change", showColumns));
  showColumns();

  byId("comparison-table")?.classList.add("scripted");
  all("#comparison-table button.more").forEach((button) => button.addEventListener("click", () =>
    button.setAttribute("aria-expanded", String(button.closest("tr").classList.toggle("open")))));

  // ------------------------------------------------------------- paper is narrower than a window: charts are drawn again
  const onPaper = (printing) => () => {
    document.documentElement.classList.toggle("printing", printing);
    window.dispatchEvent(new Event("resize"));
  };
  addEventListener("beforeprint", onPaper(true));
  addEventListener("afterprint", onPaper(false));

  // ------------------------------------------------------------- what is wider than its place says so
  const widths = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    const place = target.closest(".scroll, .grid-wrap");
    place.toggleAttribute("data-overflow", place.scrollWidth > place.clientWidth + 1);
  }));
  all(".scroll, .grid-wrap").forEach((place) => [place, ...place.children].forEach((node) => widths.observe(node)));
  showQuality();
  showRows();
}
