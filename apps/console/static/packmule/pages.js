// Small helpers of the pages for people. Everything but passkeys also works without them.
(function () {
  "use strict";
  const root = document.documentElement;
  function wanted() {
    try { return JSON.parse(localStorage.getItem("_x_adminTheme")) || "auto"; } catch { return "auto"; }
  }
  const dark = matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    const isDark = wanted() === "dark" || (wanted() === "auto" && dark.matches);
    root.classList.toggle("dark", isDark);
    root.classList.toggle("light", !isDark);
  }
  root.classList.add("js");
  paint();
  dark.addEventListener("change", paint);

  function textOf(id) {
    return Array.from(document.querySelectorAll(`#${id} li, #${id}:not(:has(li))`), (one) => one.textContent.trim()).join("\n");
  }
  async function copy(button) {
    const text = textOf(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    say(button, "Copied");
  }
  function say(button, text) {
    const said = button.dataset.said || button.textContent;
    button.dataset.said = said;
    button.textContent = text;
    setTimeout(() => { button.textContent = said; }, 2000);
  }
  function save(button) {
    const url = URL.createObjectURL(new Blob([textOf(button.dataset.save) + "\n"], { type: "text/plain" }));
    Object.assign(document.createElement("a"), { href: url, download: button.dataset.filename }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-save], [data-print]");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    else if (button.dataset.save) save(button);
    else window.print();
  });
  // A second click must not do a thing twice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("[data-sent]").forEach((form) => delete form.dataset.sent);
  });

  // Passkeys belong to a name, so a page that is opened by a number cannot have them.
  function passkeysMissing() {
    if (/^[\d.]+$|^\[/.test(location.hostname)) return "Passkeys need a name in the address bar, not a number. Open this page by its name, such as localhost.";
    return window.PublicKeyCredential && window.isSecureContext ? "" : "This browser cannot use passkeys here.";
  }
  function passkeyProblem(text) {
    const place = document.getElementById("passkey-problem");
    if (!place) return;
    place.textContent = text;
    place.hidden = !text;
  }
  document.addEventListener("DOMContentLoaded", () => {
    const missing = passkeysMissing();
    document.querySelectorAll("[data-passkey]").forEach((part) => { part.hidden = Boolean(missing) && part.dataset.passkey === "offered"; });
    document.querySelectorAll("button[data-needs-passkey]").forEach((button) => { button.disabled = Boolean(missing); });
    if (missing && document.querySelector("[data-needs-passkey]")) passkeyProblem(missing);
  });
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    const name = event.detail.exception && event.detail.exception.name;
    const said = {
      NotAllowedError: "Nothing was chosen, or it took too long. Try again.",
      InvalidStateError: "That device holds a passkey of this account already.",
      SecurityError: "This page's address is not one that passkeys can be made for.",
    };
    passkeyProblem(said[name] || "The passkey could not be used. Try again, or choose another way.");
  });
})();
