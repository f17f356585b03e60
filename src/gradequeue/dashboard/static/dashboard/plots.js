// Values of a plot where the reader points, or by arrow keys: they stand in the table below it, which works without scripts.
(() => {
  "use strict";
  // By the figure's id: at which step the reader is. A refresh of the page leaves it there.
  const places = new Map();
  const rows = (figure) => figure.querySelectorAll(".values tbody tr");

  function words(figure, step) {
    const heads = [...figure.querySelectorAll(".values thead th")].slice(1);
    const [left, ...values] = rows(figure)[step].cells;
    const told = values.map((cell, column) => [heads[column].textContent, cell.textContent.trim()]);
    return `${left.textContent.trim()}: ${told.filter(([, value]) => value).map(([head, value]) => `${head} ${value}`).join(", ")}`;
  }

  function show(figure, step) {
    const plots = figure.querySelector(".plots");
    const cursor = figure.querySelector(".cursor");
    const readout = figure.querySelector(".readout");
    const length = rows(figure).length;
    if (step === null || !length) {
      places.delete(figure.id);
      cursor.hidden = readout.hidden = true;
      return;
    }
    const at = Math.min(Math.max(step, 0), length - 1);
    places.set(figure.id, at);
    const share = figure.classList.contains("of-bars") ? (at + 0.5) / length : at / Math.max(length - 1, 1);
    cursor.style.left = `${100 * share}%`;
    readout.textContent = words(figure, at);
    cursor.hidden = readout.hidden = false;
    plots.setAttribute("aria-valuenow", String(at + 1));
    plots.setAttribute("aria-valuetext", readout.textContent);
  }

  function prepare() {
    for (const figure of document.querySelectorAll("figure.chart")) {
      const plots = figure.querySelector(".plots");
      const length = rows(figure).length;
      if (!plots || !length) continue;
      // A slider of its steps: what screen readers and keyboards know.
      const step = places.get(figure.id);
      for (const [name, value] of Object.entries({
        tabindex: "0", role: "slider", "aria-label": plots.dataset.words, "aria-valuemin": "1", "aria-valuemax": String(length),
        "aria-valuenow": String((step ?? length - 1) + 1), "aria-valuetext": words(figure, Math.min(step ?? length - 1, length - 1)),
      })) plots.setAttribute(name, value);
      show(figure, step ?? null);
    }
  }

  const figureOf = (event) => event.target.closest?.(".plots[role=slider]")?.closest("figure.chart");
  function point(event) {
    const figure = figureOf(event);
    if (!figure) return;
    const box = figure.querySelector(".plots").getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const length = rows(figure).length;
    show(figure, figure.classList.contains("of-bars") ? Math.floor(share * length) : Math.round(share * (length - 1)));
  }
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.addEventListener("pointerout", (event) => {
    const figure = figureOf(event);
    const next = event.relatedTarget?.closest?.(".plots");
    if (figure && !figure.contains(next) && !figure.querySelector(".plots:focus")) show(figure, null);
  });
  document.addEventListener("focusin", (event) => {
    const figure = figureOf(event);
    if (figure && !places.has(figure.id)) show(figure, rows(figure).length - 1);
  });
  document.addEventListener("focusout", (event) => {
    const figure = figureOf(event);
    if (figure) show(figure, null);
  });
  document.addEventListener("keydown", (event) => {
    const figure = figureOf(event);
    if (!figure) return;
    const last = rows(figure).length - 1;
    const now = places.get(figure.id) ?? last;
    const to = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageDown: now - 10, PageUp: now + 10, Home: 0, End: last }[event.key];
    if (event.key === "Escape") {
      show(figure, null);
    } else if (to !== undefined) {
      event.preventDefault();
      show(figure, to);
    }
  });
  if (window.Idiomorph) {
    const before = Idiomorph.defaults.callbacks.beforeAttributeUpdated;
    // What is set here stays when the page is refreshed: the plot would lose the focus.
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node, kind) =>
      !node.matches?.(".plots") && before?.(name, node, kind) !== false;
  }
  document.body.addEventListener("htmx:afterSwap", prepare);
  prepare();
})();
