// Before the page is painted, so that it does not flash in the other colours. The admin keeps its theme at the same place.
const THEMES = ["auto", "light", "dark"];
function theme() {
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* storage may be forbidden */ }
  return THEMES.includes(kept) ? kept : "auto";
}
function wear(name) {
  document.documentElement.dataset.theme = name;
  // For the frame with a reply, whose page runs no scripts.
  document.cookie = `theme=${name}; path=/dashboard/; SameSite=Lax; max-age=31536000`;
}
wear(theme());
