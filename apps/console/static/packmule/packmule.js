// Small helpers of the admin's pages. The theme is set before the first paint, also where the theme's own script is not loaded.
(function () {
  "use strict";
  const root = document.documentElement;
  function stored() {
    try { return JSON.parse(localStorage.getItem("_x_adminTheme")) || "auto"; } catch { return "auto"; }
  }
  function isDark() {
    const wanted = stored();
    return wanted === "dark" || (wanted === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  }
  root.classList.toggle("dark", isDark());

  async function copy(button) {
    const text = document.getElementById(button.dataset.copy).textContent.trim();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const said = button.textContent;
    button.textContent = "Copied";
    button.dataset.copied = "yes";
    setTimeout(() => { button.textContent = said; }, 2000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.submit();
  });
  // A second click must not do a thing twice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("[data-sent]").forEach((form) => delete form.dataset.sent);
  });
})();
