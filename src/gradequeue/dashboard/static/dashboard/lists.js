// Selecting all jobs of a page, and work that goes on by itself. Without scripts all of it works.
(() => {
  "use strict";
  const all = document.getElementById("pick-all");
  const boxes = [...document.querySelectorAll("#many input[name=job]")];
  if (all) {
    const told = document.getElementById("how-many");
    const show = () => {
      const number = boxes.filter((box) => box.checked).length;
      told.textContent = `(${number})`;
      all.checked = number === boxes.length;
      all.indeterminate = number > 0 && number < boxes.length;
    };
    all.hidden = false;
    all.addEventListener("change", () => {
      for (const box of boxes) box.checked = all.checked;
      show();
    });
    for (const box of boxes) box.addEventListener("change", show);
    show();
  }

  const work = document.querySelector("form[data-go-on]");
  // A moment, so that what was done can be read, and stopped.
  if (work) setTimeout(() => work.requestSubmit(), 500);
})();
