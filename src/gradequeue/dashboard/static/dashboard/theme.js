// Before the page is painted, so that it does not flash in the other colours.
const THEMES = ["auto", "light", "dark"];
function theme() {
  let kept = null;
  try { kept = localStorage.getItem("gradequeue-theme"); } catch { /* storage may be forbidden */ }
  return THEMES.includes(kept) ? kept : "auto";
}
document.documentElement.dataset.theme = theme();
