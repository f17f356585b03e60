// Refresh, pause, theme, and times in the reader's zone. Everything else is the server's; without scripts all of it works.
(() => {
  "use strict";
  const EVERY = 5000;
  const live = () => document.getElementById("live");
  const pause = document.getElementById("pause");
  const refreshed = document.getElementById("refreshed");

  // Times. ------------------------------------------------------------------------------------------------------------
  const FORMS = {
    time: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
    mark: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
    full: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  };
  const writers = Object.fromEntries(Object.entries(FORMS).map(([name, form]) => [name, new Intl.DateTimeFormat(undefined, form)]));
  function localise() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.valueOf())) time.textContent = (writers[time.dataset.form] || writers.full).format(moment);
    }
  }

  // Refresh. ----------------------------------------------------------------------------------------------------------
  let paused = false;
  function say(words, trouble = false) {
    if (refreshed && refreshed.textContent !== words) refreshed.textContent = words;
    refreshed?.parentElement.classList.toggle("trouble", trouble);
  }
  function calm() {
    say(paused ? "Refresh is paused." : `Refreshes every ${EVERY / 1000} seconds.`);
  }
  function held() {
    // Somebody is about to confirm or type something: the page must not change meanwhile.
    return document.querySelector("details[data-hold][open]") !== null || String(getSelection()) !== "";
  }
  if (pause && live()) {
    pause.hidden = false;
    try { paused = sessionStorage.getItem("gradequeue-paused") === "yes"; } catch { /* then not */ }
    const show = () => {
      pause.textContent = paused ? "Resume refresh" : "Pause refresh";
      pause.setAttribute("aria-pressed", String(paused));
      calm();
    };
    pause.addEventListener("click", () => {
      paused = !paused;
      try { sessionStorage.setItem("gradequeue-paused", paused ? "yes" : "no"); } catch { /* only here, then */ }
      show();
    });
    show();
    setInterval(() => {
      if (!paused && !document.hidden && !held() && live()) htmx.trigger(live(), "refresh");
    }, EVERY);
    document.body.addEventListener("htmx:afterSwap", () => { localise(); calm(); });
    for (const trouble of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
      document.body.addEventListener(trouble, () => {
        say("The server did not answer; this page may be out of date. Trying again.", true);
      });
    }
  }
  if (window.Idiomorph) {
    // What the reader opened or scrolled stays so.
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.tagName === "DETAILS");
  }

  // Theme. ------------------------------------------------------------------------------------------------------------
  const button = document.getElementById("theme");
  if (button) {
    button.hidden = false;
    const name = document.getElementById("theme-name");
    name.textContent = theme();
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
      try { localStorage.setItem("gradequeue-theme", next); } catch { /* only here, then */ }
      document.documentElement.dataset.theme = next;
      name.textContent = next;
    });
  }
  localise();
})();
