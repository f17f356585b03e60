// Keyboard shortcuts and the list of them. Without scripts there are none, and none is needed.
(() => {
  "use strict";
  const list = document.getElementById("keys");
  const opener = document.getElementById("keys-open");
  const single = document.getElementById("keys-single");
  // Who speaks to the computer, or slips on a key, can switch them off (WCAG 2.1.4).
  try { single.checked = localStorage.getItem("gradequeue-keys") !== "no"; } catch { /* then they are on */ }
  single.addEventListener("change", () => {
    try { localStorage.setItem("gradequeue-keys", single.checked ? "yes" : "no"); } catch { /* only here, then */ }
  });
  opener.hidden = false;
  opener.addEventListener("click", () => list.showModal());

  function close() {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  function find(event) {
    const field = document.querySelector("input[type=search]");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  }
  document.addEventListener("keydown", (event) => {
    if (list.open) return;  // the browser closes it with Escape
    if (event.key === "Escape") close();
    if (!single.checked || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, textarea, select")) return;
    if (event.key === "/") find(event);
    if (event.key === "?") { event.preventDefault(); list.showModal(); }
  });
})();
