  // ------------------------------------------------------------- charts: a declaration, a source, and selectors beside it
  const NARROW = 520; // a place of fewer pixels gets the narrow layout
  const recordsOf = (place) => {
    const { chart, source = chart, device } = place.dataset;
    const selectors = all("select[data-field]", place.closest(".block, section"));
    const selected = (record) => (!device || record.device === device) &&
      selectors.every((select) => !(select.dataset.field in record) || String(record[select.dataset.field]) === select.value);
    return (source === "rows" ? data.rows : data.sources[source]).filter(selected);
  };
  const scored = (record) => {
    const score = data.rows[record.at].scores[explanation()];
    return { ...record, quality: score ? score[0] : null, quality_text: digits(score?.[0]) };
  };
  const layouts = (place) => JSON.parse(place.dataset.layouts ?? "null");
  const layoutOf = (place) => layouts(place)?.[place.clientWidth < NARROW ? "narrow" : "wide"];
  const called = (row) => `${row.model} ${row.format}, ${row.num_threads} thread${row.num_threads === 1 ? "" : "s"}`;
  const forChart = (place) => {
    const layout = layoutOf(place);
    const records = recordsOf(place).map((record, index) => (layout ? { ...scored(record), ...layout.names[index] } : record));
    return records.filter(passes).map((record) => ({
      ...record, scores: undefined, noise_percent: 100 * record.noise_level, called: called(record),
    }));
  };
  // The scores themselves, of many four at even distances: what the legend of the third axis shows.
  const scoreSignals = (records) => {
    const known = [...new Set(records.map((record) => record.quality).filter((score) => score != null))].sort((a, b) => a - b);
    const step = (known.at(-1) - known[0]) / 3;
    const option = byId("explanation")?.selectedOptions[0];
    return {
      quality_ticks: known.length > 4 ? [0, 1, 2, 3].map((n) => known[0] + step * n) : known,
      quality_title: option ? option.textContent.replace(" (", ", ").replace(/\)$/, "") : "",
      lower_is_better: option?.dataset.better === "lower",
    };
  };
  const signalsOf = (place, records) => (place.dataset.layouts ? { ...layoutOf(place).signals, ...scoreSignals(records) } : {});
  const specificationOf = (place) => {
    const { width, height } = layoutOf(place) ?? {};
    const [declared, records] = [data.charts[place.dataset.chart], forChart(place)];
    const values = signalsOf(place, records);
    return {
      ...declared, ...(width && { width, height }),
      data: declared.data.map((each) => (each.name === "rows" ? { ...each, values: records } : each)),
      signals: declared.signals.map((each) => (each.name in values ? { ...each, value: values[each.name] } : each)),
    };
  };
  const ERRORS_ONLY = 1; // a choice that leaves nothing to draw is no mistake: the words say so, and Vega need not warn
  const draw = async (place) => {
    place.view?.finalize();
    const options = { mode: "vega", actions: false, renderer: "svg", logLevel: ERRORS_ONLY, tooltip: { theme: "custom" } };
    place.layout = layoutOf(place)?.width;
    place.view = (await vegaEmbed(place, specificationOf(place), options)).view;
    tell(place);
  };
  const update = (place) => {
    const records = forChart(place);
    Object.entries(signalsOf(place, records)).forEach(([name, value]) => place.view.signal(name, value));
    tell(place);
    return place.view.data("rows", records).runAsync();
  };
  const begin = async (place) => {
    await draw(place);
    listeners.push(() => update(place));
    all("select[data-field]", place.closest(".block, section")).forEach((select) => select.addEventListener("change", () => update(place)));
    if (place.dataset.layouts) new ResizeObserver(() => layoutOf(place).width !== place.layout && draw(place)).observe(place);
  };
  const drawAll = async () => {
    const places = all("[data-chart]");
    const first = places.filter((place) => place.dataset.chart === "tradeoff");
    for (const place of first) await begin(place);
    document.documentElement.dataset.ready = "true"; // what a reader sees first is there; the rest follows
    readPictures();
    for (const place of places.filter((other) => !first.includes(other))) {
      await new Promise((resume) => setTimeout(resume));
      await begin(place);
    }
    document.documentElement.dataset.complete = "true";
  };
  listeners.push(() => all("#tradeoff-panels .card").forEach((card) => {
    card.hidden = Boolean(filters.device) && !filters.device.has(card.dataset.device);
  }));

  // ------------------------------------------------------------- what a chart shows, in words and as a table
  const plain = (value) => {
    if (typeof value === "number") return String(Number(value.toPrecision(4)));
    return value === true ? "yes" : value === false ? "" : value ?? unknown;
  };
  const sentences = (words, records) => {
    // an invalid time is no result, and no least or largest one
    const known = (field) => records.filter((record) => typeof record[field] === "number" && !(record.is_invalid && field === "x"));
    const range = ([field, what]) => {
      const [least, ...rest] = [...known(field)].sort((a, b) => a[field] - b[field]);
      if (!least) return field === "x" ? ["No valid latency."] : [];
      const most = rest.at(-1);
      const ends = !most || most[field] === least[field]
        ? `${plain(least[field])} for all`
        : `from ${plain(least[field])} (${least[words.name]}) to ${plain(most[field])} (${most[words.name]})`;
      return [`${what[0].toUpperCase()}${what.slice(1)}: ${ends}.`];
    };
    const unnamed = records.filter((record) => record.shown_name === "").length;
    const details = (record) => Object.entries(words.details).map(([field, what]) => `${what} ${plain(record[field])}`).join(", ");
    const line = words.on_line ? records.filter((record) => record[words.on_line] && !record.is_invalid).sort((a, b) => a.x - b.x) : [];
    return [
      records.length ? `${records.length} ${words.things}.` : `Nothing to show: no ${words.things} with this choice.`,
      ...Object.entries(words.ranges).flatMap(range),
      ...(unnamed ? [`${unnamed} of them have no room for their names in the picture; the table names all.`] : []),
      ...(line.length ? [`Worth considering, from the fastest on: ${line.map((record) => `${record[words.name]} (${details(record)})`).join("; ")}.`] : []),
    ];
  };
  const tableOf = (words, records) => {
    const lines = new Map(records.map((record) => {
      const cells = Object.keys(words.columns).map((field) => plain(record[field]));
      return [cells.join("\t"), cells];
    }));
    const row = (cells) => make("tr", {}, ...cells.map((text, at) =>
      (at ? make("td", { textContent: text }) : make("th", { scope: "row", textContent: text }))));
    const head = make("tr", {}, ...Object.values(words.columns).map((text) => make("th", { scope: "col", textContent: text })));
    return [make("thead", {}, head), make("tbody", {}, ...[...lines.values()].map(row))];
  };
  const numbersOf = (place, id) => {
    const details = make("details", { className: "numbers-of-chart", id }, make("summary", { textContent: "What this chart shows, in words and numbers" }));
    const box = make("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `Numbers of the chart: ${place.ariaLabel}` }, make("table"));
    details.append(make("ul", { className: "note", id: `${id}-words` }), box);
    place.after(details);
    place.setAttribute("aria-describedby", `${id}-words`);
    details.addEventListener("toggle", () => tell(place));
    details.open = getComputedStyle(details).marginLeft !== "0px"; // beside the chart, where it takes no room
    return details;
  };
  const tell = (place) => {
    const words = data.words[place.dataset.chart];
    const id = `numbers-${all("[data-chart]").indexOf(place)}`;
    const details = byId(id) ?? numbersOf(place, id);
    const shown = forChart(place);
    byId(`${id}-words`).replaceChildren(...sentences(words, shown).map((text) => make("li", { textContent: text })));
    if (details.open) details.querySelector("table").replaceChildren(...tableOf(words, shown));
  };

