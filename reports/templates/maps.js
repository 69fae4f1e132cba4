  // ------------------------------------------------------------- the grids of maps
  let grids = { images: [], methods: {} }; // megabytes: read when the rest is there
  const perPage = 8;
  let firstImage = 0;
  const readPictures = () => {
    if (byId("pictures")) grids = JSON.parse(byId("pictures").textContent);
    showGrid();
  };
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
  const mapCell = (image, { label, model, column }, at) => {
    const map = column.maps[image.key];
    if (!map) return make("td", { textContent: unknown });
    const caption = make("figcaption", { textContent: map.correct ? "correct" : map.predicted, className: map.correct ? "correct" : "" });
    if (map.blank) caption.append(" · blank");
    const button = make("button", { type: "button" }, mapImage(map, column, describe(image, map, model, label)));
    Object.assign(button.dataset, { image: image.key, column: at });
    button.addEventListener("click", () => enlarge({ image: grids.images.indexOf(image), column: at }));
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
  const columnsShown = () => {
    const method = byId("method").value;
    const methods = method ? [method] : Object.keys(grids.methods); // one method, or all side by side
    return methods.flatMap((label) => Object.entries(grids.methods[label]).map(([model, column]) => ({ label, model, column })));
  };
  const showGrid = () => {
    if (!byId("grid")) return;
    const columns = columnsShown();
    const several = new Set(columns.map(({ label }) => label)).size > 1;
    const images = grids.images.slice(firstImage, firstImage + perPage);
    const rows = images.map((image) =>
      make("tr", {}, imageHeading(image), ...columns.map((column, at) => mapCell(image, column, at))));
    const headings = make("tr", {}, make("th", { scope: "col", textContent: "Image" }), ...columns.map((column) => modelHeading(column, several)));
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

  // ------------------------------------------------------------- one map, enlarged: beside its image or over it
  let enlarged = null; // positions of the image and of the column
  const dialog = byId("enlarged");
  const mapAt = ({ image, column }) => columnsShown()[column].column.maps[grids.images[image].key];
  // every map of the grids in reading order, those on other pages too
  const positions = () => grids.images.flatMap((_, image) => columnsShown().map((_column, column) => ({ image, column }))).filter(mapAt);
  const isAt = (one, other) => one.image === other.image && one.column === other.column;
  const factsOf = (image, map, column) => [
    ["image", image.key],
    ["label", image.label],
    ["top-1", `${map.predicted} (${map.correct ? "correct" : "wrong"})`],
    ["explained class", map.explained ?? map.predicted],
    ["gradient", column.pseudo_gradient ? "pseudo-gradient, through binarized layers" : "true gradient"],
    ["full colour is", map.scale.toPrecision(3)],
    ...(column.layer ? [["layer", column.layer]] : []),
    ...(map.blank ? [["note", "the map is blank"]] : []),
    ...Object.entries(map.scores).map(([metric, value]) => [metric, digits(value)]),
  ];
  const enlarge = (position) => {
    enlarged = position;
    const image = grids.images[position.image];
    const { label, model, column } = columnsShown()[position.column];
    const [map, every] = [column.maps[image.key], positions()];
    const at = every.findIndex((other) => isAt(other, position));
    byId("enlarged-title").textContent = `${label} of ${model}, class “${map.explained ?? map.predicted}”`;
    byId("enlarged-where").textContent = `Map ${at + 1} of ${every.length}: image ${position.image + 1} of ${grids.images.length} (${image.label})`;
    Object.assign(byId("enlarged-image"), { src: image.source, alt: `image ${image.key}: ${image.label}` });
    byId("enlarged-map").replaceWith(Object.assign(mapImage(map, column, describe(image, map, model, label)), { id: "enlarged-map" }));
    byId("enlarged-facts").replaceChildren(...factsOf(image, map, column).flatMap(([term, text]) => [make("dt", { textContent: term }), make("dd", { textContent: text })]));
    [["enlarged-previous", at - 1], ["enlarged-next", at + 1]].forEach(([id, other]) => byId(id).setAttribute("aria-disabled", String(!every[other])));
    if (!dialog.open) dialog.showModal();
  };
  const step = (by) => {
    const every = positions();
    const next = every[every.findIndex((other) => isAt(other, enlarged)) + by];
    if (next) enlarge(next);
  };
  const showOverlay = () => {
    const over = byId("overlay").checked;
    byId("enlarged-pair").classList.toggle("over", over);
    byId("opacity").disabled = !over;
    byId("enlarged-pair").style.setProperty("--opacity", byId("opacity").value / 100);
  };
  // Back to the map that was shown last, though another may have been pressed, and on another page of images.
  const returnFocus = () => {
    const page = perPage * Math.floor(enlarged.image / perPage);
    if (page !== firstImage) turn(page - firstImage);
    const key = CSS.escape(grids.images[enlarged.image].key);
    byId("grid").querySelector(`button[data-image="${key}"][data-column="${enlarged.column}"]`)?.focus();
  };
  const keys = { ArrowLeft: -1, ArrowRight: 1 };
  const keepFocus = (event) => {
    const stops = all("button, input:not(:disabled)", dialog);
    const [from, to] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (document.activeElement !== from && stops.includes(document.activeElement)) return;
    event.preventDefault();
    to.focus();
  };
  dialog?.addEventListener("keydown", (event) => {
    if (event.key === "Tab") return keepFocus(event);
    if (!(event.key in keys) || event.target.type === "range" || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    step(keys[event.key]);
  });
  dialog?.addEventListener("close", returnFocus);
  byId("enlarged-previous")?.addEventListener("click", () => step(-1));
  byId("enlarged-next")?.addEventListener("click", () => step(1));
  ["overlay", "opacity"].forEach((id) => byId(id)?.addEventListener("input", showOverlay));

