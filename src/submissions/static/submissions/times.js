// Moments in the reader's own zone; the server's stays as the title. Without a script, the server's is what one sees.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const two = (number) => String(number).padStart(2, "0");
  for (const time of document.querySelectorAll("time.gq-time")) {
    const when = new Date(time.dateTime);
    if (Number.isNaN(when.getTime())) continue;
    time.title = time.textContent;
    const minute = `${two(when.getMonth() + 1)}-${two(when.getDate())} ${two(when.getHours())}:${two(when.getMinutes())}`;
    time.textContent = time.classList.contains("gq-short") ? minute :
      `${when.getFullYear()}-${minute}:${two(when.getSeconds())}`;
  }
});
