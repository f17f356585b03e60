// Goes on with long work by itself; without a script there is the button.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form.gq-continue");
  if (!form) return;
  const going = setTimeout(() => form.submit(), 500);
  form.querySelector(".gq-stop")?.addEventListener("click", () => clearTimeout(going));
});
