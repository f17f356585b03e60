// Names that screen readers need and Django's pages lack: of the search field, and of the signs beside its lists.
"use strict";
window.addEventListener("load", () => {
  const field = document.getElementById("searchbar");
  const button = field?.form.querySelector("input[type=submit]");
  if (button) field.setAttribute("aria-label", button.value);
  // Django's own script makes them when the page is loaded.
  setTimeout(() => {
    for (const sign of document.querySelectorAll(".help-tooltip[aria-label]")) sign.setAttribute("role", "img");
  });
});
