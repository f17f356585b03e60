// Refresh, pause, theme, and times in the reader's zone. Everything else is the server's; without scripts all of it works.
(() => {
  "use strict";
  const EVERY = 5000;
  const live = () => document.getElementById("live");
  const pause = document.getElementById("pause");
  const refreshed = document.getElementById("refreshed");
  // All words are the page's own, in its language.
  const words = document.getElementById("refresh")?.dataset;

  // Times. ------------------------------------------------------------------------------------------------------------
  const FORMS = {
    time: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" },
    mark: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    full: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" },
  };
  // In the page's language, as the reader's country writes it; with the digits and the calendar of the rest of the page.
  const page = document.documentElement.lang;
  const locale = navigator.languages.find((one) => one.split("-")[0] === page) || page;
  const same = { numberingSystem: "latn", calendar: "gregory" };
  const writers = Object.fromEntries(Object.entries(FORMS).map(([name, form]) => [name, new Intl.DateTimeFormat(locale, { ...same, ...form })]));
  function localise() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.valueOf())) time.textContent = (writers[time.dataset.form] || writers.full).format(moment);
    }
  }

  // Refresh. ----------------------------------------------------------------------------------------------------------
  let paused = false;
  function say(sentence, trouble = false) {
    if (refreshed && refreshed.textContent !== sentence) refreshed.textContent = sentence;
    refreshed?.parentElement.classList.toggle("trouble", trouble);
  }
  function calm() {
    say(paused ? words.paused : words.calm);
  }
  function changed(field) {
    if (field.type === "hidden") return false;
    if (field.tagName !== "SELECT") return field.value !== field.defaultValue;
    return field.selectedIndex !== Math.max([...field.options].findIndex((one) => one.defaultSelected), 0);
  }
  function held() {
    // Somebody is about to confirm, type or choose something: the page must not change meanwhile.
    return document.querySelector("details[data-hold][open]") !== null || String(getSelection()) !== ""
      || [...live().querySelectorAll("input, select")].some(changed);
  }
  if (pause && live()) {
    pause.hidden = false;
    try { paused = sessionStorage.getItem("gradequeue-paused") === "yes"; } catch { /* then not */ }
    const show = () => {
      pause.textContent = paused ? pause.dataset.resume : pause.dataset.pause;
      pause.setAttribute("aria-pressed", String(paused));
      calm();
    };
    pause.addEventListener("click", () => {
      paused = !paused;
      try { sessionStorage.setItem("gradequeue-paused", paused ? "yes" : "no"); } catch { /* only here, then */ }
      show();
    });
    show();
    const still = () => "still" in live().dataset;
    setInterval(() => {
      if (!paused && !document.hidden && live() && !still() && !held()) htmx.trigger(live(), "refresh");
    }, EVERY);
    // A page that has not changed is not sent again.
    let known = "", passedOver = false;
    document.body.addEventListener("htmx:configRequest", (event) => { event.detail.headers["If-None-Match"] = known; });
    document.body.addEventListener("htmx:beforeSwap", (event) => {
      if (event.detail.xhr.status === 304) { event.detail.shouldSwap = false; calm(); }
      // Asked for before somebody began to type.
      else if (held()) { event.detail.shouldSwap = false; passedOver = true; }
    });
    document.body.addEventListener("htmx:afterRequest", (event) => {
      known = passedOver ? "" : event.detail.xhr.getResponseHeader("ETag") || known;
      passedOver = false;
    });
    document.body.addEventListener("htmx:afterSwap", () => {
      localise();
      const icon = document.getElementById("icon");
      if (icon.getAttribute("href") !== live().dataset.icon) icon.setAttribute("href", live().dataset.icon);
      if (still()) { say(words.ended); pause.hidden = true; } else { calm(); }
    });
    for (const trouble of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
      document.body.addEventListener(trouble, () => {
        say(words.trouble, true);
      });
    }
  }
  if (window.Idiomorph) {
    // What the reader opened or scrolled stays so.
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.tagName === "DETAILS");
  }

  // What readers hear. ------------------------------------------------------------------------------------------------
  // What stands in the page when it loads is not spoken: the message, or what is wrong, is put there a little later.
  for (const messages of document.querySelectorAll(".messages[role], [role=alert] > .messages")) {
    const told = [...messages.children];
    messages.style.minHeight = `${messages.offsetHeight}px`;
    messages.replaceChildren();
    setTimeout(() => messages.append(...told), 150);
  }

  // Theme. ------------------------------------------------------------------------------------------------------------
  const button = document.getElementById("theme");
  if (button) {
    button.hidden = false;
    const name = document.getElementById("theme-name");
    name.textContent = button.dataset[theme()];
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
      try { localStorage.setItem("theme", next); } catch { /* only here, then */ }
      wear(next);
      name.textContent = button.dataset[next];
    });
  }
  localise();
})();
