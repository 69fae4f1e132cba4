"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const unknown = "–";
  const digits = (value, count = 3) => (value == null ? unknown : value.toFixed(count));

  // ------------------------------------------------------------- one state: which rows pass the filters
  const filters = {};
  const views = [];
  const listeners = [];
  const explanation = () => byId("explanation")?.value ?? "";
  const passes = (row) =>
    Object.entries(filters).every(([name, chosen]) => chosen.has(String(row[name] ?? "")) || (row.is_reference && name !== "family"));
  const visible = () => data.rows.filter(passes);
  const changed = () => listeners.forEach((listener) => listener());

  document.querySelectorAll("fieldset[data-filter]").forEach((fieldset) => {
    const name = fieldset.dataset.filter;
    const values = [...new Set(data.rows.filter((row) => !row.is_reference || name === "family").map((row) => String(row[name] ?? "")))];
    if (values.length < 2) return fieldset.remove();
    filters[name] = new Set(values);
    values.forEach((value) => {
      const box = make("input", { type: "checkbox", checked: true, value });
      box.addEventListener("change", () => {
        filters[name][box.checked ? "add" : "delete"](value);
        changed();
      });
      fieldset.append(make("label", { className: "chip" }, box, make("span", { textContent: value || "none", title: value })));
    });
  });
  byId("filters")?.addEventListener("submit", (event) => event.preventDefault());
  byId("explanation")?.addEventListener("change", changed);

  // ------------------------------------------------------------- charts
  const scored = (row) => {
    const score = row.scores[explanation()];
    const better = byId("explanation")?.selectedOptions[0]?.dataset.better;
    return { ...row, quality: score ? (better === "lower" ? -score[0] : score[0]) : null, quality_text: score ? digits(score[0]) : unknown };
  };
  const embed = (place, specification, rowsOf) =>
    vegaEmbed(place, { ...specification, datasets: { [specification.data?.name ?? "rows"]: rowsOf() } }, { actions: false, renderer: "svg", tooltip: { theme: "custom" } }).then(({ view }) => {
      listeners.push(() => view.change("rows", vega.changeset().remove(() => true).insert(rowsOf())).runAsync());
      views.push(view);
      return view;
    });
  const panels = [...document.querySelectorAll("#tradeoff-panels .card")].filter((card) => card.querySelector(".chart"));
  const charted = panels.map((card) =>
    embed(card.querySelector(".chart"), data.charts.tradeoff, () => visible().filter((row) => row.device === card.dataset.device).map(scored)),
  );
  listeners.push(() => document.querySelectorAll("#tradeoff-panels .card").forEach((card) => {
    card.hidden = filters.device && !filters.device.has(card.dataset.device);
  }));

  // ------------------------------------------------------------- the table
  const body = document.querySelector("#comparison-table tbody");
  const valueOf = (row, key) => (key === "quality" ? row.scores[explanation()]?.[0] ?? null : row[key] === "" ? null : row[key]);
  const showQuality = () => body?.querySelectorAll("tr").forEach((line) => {
    const score = data.rows[line.dataset.row].scores[explanation()];
    const cell = line.querySelector("[data-quality]");
    cell.replaceChildren(score ? digits(score[0]) : unknown);
    if (score && score[1] != null) cell.append(make("small", { textContent: `${digits(score[1])} to ${digits(score[2])}` }));
    if (score && score[4]) cell.append(make("small", { textContent: `undefined for ${score[4]} images` }));
  });
  const showRows = () => {
    if (!body) return;
    const wanted = byId("search").value.trim().toLowerCase();
    let count = 0;
    body.querySelectorAll("tr").forEach((line) => {
      line.hidden = !passes(data.rows[line.dataset.row]) || !line.textContent.toLowerCase().includes(wanted);
      count += !line.hidden;
    });
    byId("row-count").textContent = `${count} of ${data.rows.length} rows`;
  };
  const sortBy = (heading) => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    document.querySelectorAll("#comparison-table th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const key = heading.dataset.key;
    const order = [...body.rows].sort((first, second) => {
      const [a, b] = [first, second].map((line) => valueOf(data.rows[line.dataset.row], key));
      if (a == null || b == null) return (a == null) - (b == null); // unknown is last, whichever way
      const less = typeof a === "string" ? a.localeCompare(b) : a - b;
      return descending ? -less : less;
    });
    body.append(...order);
  };
  document.querySelectorAll("#comparison-table thead th").forEach((heading) =>
    heading.querySelector("button").addEventListener("click", () => sortBy(heading)));
  byId("search")?.addEventListener("input", showRows);
  listeners.push(showQuality, showRows);

  // ------------------------------------------------------------- the grids
  const perPage = 8;
  let firstImage = 0;
  const strength = (map, column) => {
    if (byId("scale").value === "own") return 1;
    const strongest = Math.max(...Object.values(column.maps).map((other) => other.scale));
    return strongest > 0 ? map.scale / strongest : 1;
  };
  const mapImage = (map, column, alt) => {
    const picture = make("img", { src: map.source, alt, className: map.signed ? "map signed" : "map" });
    picture.style.setProperty("--strength", strength(map, column));
    return picture;
  };
  const describe = (image, map, network, method) =>
    `${method} map of ${network} for image ${image.key} (${image.label}): ${map.blank ? "blank; " : ""}top-1 is ${map.predicted}, ${map.correct ? "correct" : "wrong"}`;
  const enlarge = (image, map, column, network, method) => {
    byId("enlarged-title").textContent = `${network}, ${method}`;
    Object.assign(byId("enlarged-image"), { src: image.source, alt: `image ${image.key}: ${image.label}` });
    byId("enlarged-map").replaceWith(Object.assign(mapImage(map, column, describe(image, map, network, method)), { id: "enlarged-map" }));
    const facts = [["image", image.key], ["label", image.label], ["top-1", `${map.predicted} (${map.correct ? "correct" : "wrong"})`],
      ["full colour is", map.scale.toPrecision(3)], ["gradient", column.pseudo_gradient ? "pseudo-gradient through binarized layers" : "true gradient"]];
    if (column.layer) facts.push(["layer", column.layer]);
    if (map.blank) facts.push(["note", "the map is blank"]);
    for (const [metric, value] of Object.entries(map.scores ?? {})) facts.push([metric, digits(value)]);
    byId("enlarged-facts").replaceChildren(...facts.flatMap(([term, text]) => [make("dt", { textContent: term }), make("dd", { textContent: text })]));
    byId("enlarged").showModal();
  };
  const cell = (image, column, network, method) => {
    const map = column.maps[image.key];
    if (!map) return make("td", { textContent: unknown });
    const caption = make("figcaption", { textContent: map.correct ? "correct" : map.predicted, className: map.correct ? "correct" : "" });
    if (map.blank) caption.append(" · blank");
    const button = make("button", { type: "button" }, mapImage(map, column, describe(image, map, network, method)));
    button.addEventListener("click", () => enlarge(image, map, column, network, method));
    return make("td", {}, make("figure", {}, caption, button));
  };
  const showGrid = () => {
    if (!byId("grid")) return;
    const method = byId("method").value, columns = Object.entries(data.grids.methods[method]);
    const heading = make("tr", {}, make("th", { scope: "col", textContent: "Image" }), ...columns.map(([network, column]) => {
      const th = make("th", { scope: "col" }, make("span", { className: `dot ${column.family}` }), network);
      if (column.layer) th.append(make("small", { textContent: ` ${column.layer}` }));
      return th;
    }));
    const images = data.grids.images.slice(firstImage, firstImage + perPage);
    const lines = images.map((image) => make("tr", {}, make("th", { scope: "row" },
      make("figure", {}, make("figcaption", { textContent: image.label, title: image.key }), make("img", { src: image.source, alt: `image ${image.key}: ${image.label}` }))),
      ...columns.map(([network, column]) => cell(image, column, network, method))));
    byId("grid").replaceChildren(make("thead", {}, heading), make("tbody", {}, ...lines));
    byId("image-count").textContent = `images ${firstImage + 1} to ${firstImage + images.length} of ${data.grids.images.length}`;
    byId("previous-images").disabled = firstImage === 0;
    byId("next-images").disabled = firstImage + perPage >= data.grids.images.length;
    byId("method-notes").textContent = columns.flatMap(([network, column]) => column.notes.map((note) => `${network}: ${note}`)).join("; ");
  };
  byId("method")?.addEventListener("change", showGrid);
  byId("scale")?.addEventListener("change", showGrid);
  byId("previous-images")?.addEventListener("click", () => { firstImage = Math.max(0, firstImage - perPage); showGrid(); });
  byId("next-images")?.addEventListener("click", () => { firstImage += perPage; showGrid(); });

  showGrid();
  showQuality();
  showRows();
  Promise.all(charted).then(() => document.documentElement.dataset.ready = "true");
})();
