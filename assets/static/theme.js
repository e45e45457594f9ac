// The choice of theme: kept in a cookie, which the server writes into the page's first bytes, so nothing flashes.
// Figures are drawn on the server's word: the event "et-theme" says what is seen now.
(function () {
  "use strict";
  const ET = (window.ET = window.ET || {});
  const root = document.documentElement;
  const light = matchMedia("(prefers-color-scheme: light)");
  ET.shade = () => root.dataset.theme || (light.matches ? "light" : "dark");

  function keep() {
    document.cookie = `et_theme=${root.dataset.theme || `auto-${ET.shade()}`}; path=/; max-age=31536000; samesite=lax`;
    document.dispatchEvent(new CustomEvent("et-theme", { detail: ET.shade() }));
  }

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-theme-choice]")) return;
    if (event.target.value) root.dataset.theme = event.target.value;
    else delete root.dataset.theme;
    keep();
  });
  light.addEventListener("change", keep);
  keep();
})();
