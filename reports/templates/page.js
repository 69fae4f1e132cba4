"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };
  const unknown = "–";
  const digits = (value, count = 3) => (value == null ? unknown : value.toFixed(count));
  const percent = (fraction) => `${Number((100 * fraction).toPrecision(3))} %`;

  // ------------------------------------------------------------- one state: which rows pass the filters
  const filters = {};
  const listeners = [];
  const changed = () => listeners.forEach((listener) => listener());
  const explanation = () => byId("explanation")?.value ?? "";
  // a reference row belongs to no device, runtime or format; a record passes the filters whose field it has
  const passes = (record) => Object.entries(filters).every(([name, chosen]) =>
    !(name in record) || chosen.has(String(record[name] ?? "")) || (record.is_reference && name !== "family"));

  const addFilter = (fieldset) => {
    const name = fieldset.dataset.filter;
    const rows = data.rows.filter((row) => !row.is_reference || name === "family");
    const values = [...new Set(rows.map((row) => String(row[name] ?? "")))];
    if (name === "num_threads") values.sort((a, b) => a - b);
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
  };
  all("fieldset[data-filter]").forEach(addFilter);
  byId("filters")?.addEventListener("submit", (event) => event.preventDefault());
  byId("explanation")?.addEventListener("change", changed);

  // ------------------------------------------------------------- charts: a declaration, a source, and selectors beside it
  const scored = (row) => {
    const score = row.scores[explanation()];
    const lower = byId("explanation")?.selectedOptions[0]?.dataset.better === "lower";
    return { ...row, quality: score ? (lower ? -score[0] : score[0]) : null, quality_text: score ? digits(score[0]) : unknown };
  };
  const recordsOf = (place) => {
    const { chart, source = chart, device } = place.dataset;
    const selectors = all("select[data-field]", place.closest(".block, section"));
    const records = (source === "rows" ? data.rows.map(scored) : data.sources[source]).filter(passes);
    return records.filter((record) =>
      (!device || record.device === device) && selectors.every((select) => !(select.dataset.field in record) || String(record[select.dataset.field]) === select.value));
  };
  const forChart = (place) => recordsOf(place).map((record) => ({ ...record, noise_percent: 100 * record.noise_level, scores: undefined }));
  const ERRORS_ONLY = 1;
  const draw = async (place) => {
    const specification = data.charts[place.dataset.chart];
    const options = { actions: false, renderer: "svg", logLevel: ERRORS_ONLY, tooltip: { theme: "custom" } };
    const { view } = await vegaEmbed(place, { ...specification, datasets: { ...specification.datasets, rows: forChart(place) } }, options);
    const update = () => view.data("rows", forChart(place)).runAsync();
    listeners.push(update);
    all("select[data-field]", place.closest(".block, section")).forEach((select) => select.addEventListener("change", update));
  };
  const drawAll = async () => {
    const places = all("[data-chart]");
    const first = places.filter((place) => place.dataset.chart === "tradeoff");
    for (const place of first) await draw(place);
    document.documentElement.dataset.ready = "true"; // what a reader sees first is there; the rest follows
    if (byId("pictures")) grids = JSON.parse(byId("pictures").textContent);
    showGrid();
    for (const place of places.filter((other) => !first.includes(other))) {
      await new Promise((resume) => setTimeout(resume));
      await draw(place);
    }
    document.documentElement.dataset.complete = "true";
  };
  listeners.push(() => all("#tradeoff-panels .card").forEach((card) => {
    card.hidden = Boolean(filters.device) && !filters.device.has(card.dataset.device);
  }));

{% include "table.js" %}
  byId("quality-metric")?.addEventListener("change", (event) =>
    all(".quality-table").forEach((table, index) => { table.hidden = String(index) !== event.target.value; }));

  // ------------------------------------------------------------- the grids of maps
  let grids = { images: [], methods: {} }; // megabytes: read when the rest is there
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
  const describe = (image, map, model, method) =>
    `${method} map of ${model} for image ${image.key} (${image.label}): ${map.blank ? "blank; " : ""}top-1 is ${map.predicted}, ${map.correct ? "correct" : "wrong"}`;
  const enlarge = (image, map, column, model, method) => {
    byId("enlarged-title").textContent = `${model}, ${method}`;
    Object.assign(byId("enlarged-image"), { src: image.source, alt: `image ${image.key}: ${image.label}` });
    byId("enlarged-map").replaceWith(Object.assign(mapImage(map, column, describe(image, map, model, method)), { id: "enlarged-map" }));
    const facts = [
      ["image", image.key],
      ["label", image.label],
      ["top-1", `${map.predicted} (${map.correct ? "correct" : "wrong"})`],
      ["gradient", column.pseudo_gradient ? "pseudo-gradient, through binarized layers" : "true gradient"],
      ["full colour is", map.scale.toPrecision(3)],
    ];
    if (column.layer) facts.push(["layer", column.layer]);
    if (map.blank) facts.push(["note", "the map is blank"]);
    Object.entries(map.scores).forEach(([metric, value]) => facts.push([metric, digits(value)]));
    byId("enlarged-facts").replaceChildren(...facts.flatMap(([term, text]) => [make("dt", { textContent: term }), make("dd", { textContent: text })]));
    byId("enlarged").showModal();
  };
  const mapCell = (image, column, model, method) => {
    const map = column.maps[image.key];
    if (!map) return make("td", { textContent: unknown });
    const caption = make("figcaption", { textContent: map.correct ? "correct" : map.predicted, className: map.correct ? "correct" : "" });
    if (map.blank) caption.append(" · blank");
    const button = make("button", { type: "button" }, mapImage(map, column, describe(image, map, model, method)));
    button.addEventListener("click", () => enlarge(image, map, column, model, method));
    return make("td", {}, make("figure", {}, caption, button));
  };
  const imageHeading = (image) => make("th", { scope: "row" }, make("figure", {},
    make("figcaption", { textContent: image.label, title: image.key }), make("img", { src: image.source, alt: `image ${image.key}: ${image.label}` })));
  const modelHeading = ({ label, model, column }, several) => {
    const heading = make("th", { scope: "col" }, make("span", { className: `dot ${column.family}` }), model);
    if (several) heading.append(make("small", { textContent: label }));
    if (column.layer) heading.append(make("small", { textContent: ` ${column.layer}` }));
    return heading;
  };
  const showGrid = () => {
    if (!byId("grid")) return;
    const method = byId("method").value;
    const methods = method ? [method] : Object.keys(grids.methods); // one method, or all side by side
    const columns = methods.flatMap((label) => Object.entries(grids.methods[label]).map(([model, column]) => ({ label, model, column })));
    const images = grids.images.slice(firstImage, firstImage + perPage);
    const rows = images.map((image) =>
      make("tr", {}, imageHeading(image), ...columns.map(({ label, model, column }) => mapCell(image, column, model, label))));
    const headings = make("tr", {}, make("th", { scope: "col", textContent: "Image" }), ...columns.map((column) => modelHeading(column, methods.length > 1)));
    byId("grid").replaceChildren(make("thead", {}, headings), make("tbody", {}, ...rows));
    byId("image-count").textContent = `images ${firstImage + 1} to ${firstImage + images.length} of ${grids.images.length}`;
    byId("previous-images").disabled = firstImage === 0;
    byId("next-images").disabled = firstImage + perPage >= grids.images.length;
    byId("method-notes").textContent = [...new Set(columns.flatMap(({ label, model, column }) => column.notes.map((note) => `${label} of ${model}: ${note}`)))].join("; ");
    showStrips();
  };
  const turn = (step) => {
    firstImage = Math.max(0, firstImage + step);
    showGrid();
  };
  ["method", "scale"].forEach((id) => byId(id)?.addEventListener("change", showGrid));
  byId("previous-images")?.addEventListener("click", () => turn(-perPage));
  byId("next-images")?.addEventListener("click", () => turn(perPage));

  // ------------------------------------------------------------- one image's maps along a sweep, model by model
  const sweptColumns = (parameter, image) => Object.entries(grids.methods).flatMap(([label, columns]) =>
    Object.entries(columns).filter(([, column]) => column.swept[parameter] != null && column.maps[image.key])
      .map(([model, column]) => ({ label, model, column, value: column.swept[parameter] })));
  const showStrip = (strip, parameter, text) => {
    const image = grids.images[firstImage];
    if (!strip || !image) return;
    const swept = sweptColumns(parameter, image);
    if (parameter === "noise_level") swept.sort((a, b) => a.value - b.value);
    const models = [...new Set(swept.map(({ model }) => model))];
    strip.replaceChildren(...models.map((model) => make("div", { className: "strip" }, make("span", { className: "name", textContent: model }),
      ...swept.filter((other) => other.model === model).map(({ label, column, value }) =>
        make("figure", {}, mapImage(column.maps[image.key], column, `${label} map of ${model}`), text(value))))));
  };
  const showStrips = () => {
    showStrip(byId("noise-strip"), "noise_level", percent);
    showStrip(byId("layer-strip"), "layer", String);
  };

  drawAll();
})();
