// Times in the reader's own zone; the server's stays as the title. Without a script, the server's is what one sees.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const two = (number) => String(number).padStart(2, "0");
  const named = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeZoneName: "short" });
  for (const time of document.querySelectorAll("time.gq-time")) {
    const when = new Date(time.dateTime);
    if (Number.isNaN(when.getTime())) continue;
    time.title = time.textContent;
    const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
    const seconds = time.classList.contains("gq-short") ? "" : `:${two(when.getSeconds())}`;
    const zone = named.formatToParts(when).find((part) => part.type === "timeZoneName")?.value ?? "";
    time.textContent = `${day} ${two(when.getHours())}:${two(when.getMinutes())}${seconds} ${zone}`;
  }
});
