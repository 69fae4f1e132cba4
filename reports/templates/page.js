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

{% include "charts.js" %}
{% include "table.js" %}
  byId("quality-metric")?.addEventListener("change", (event) =>
    all(".quality-table").forEach((table, index) => { table.hidden = String(index) !== event.target.value; }));

{% include "maps.js" %}
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
