// Buttons that copy a text: <button data-copy="...">. Says on the button, and to a screen reader, whether it worked.
"use strict";
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy;
  let done = true;
  try {
    if (navigator.clipboard && window.isSecureContext) {
      await navigator.clipboard.writeText(text);
    } else {
      const field = document.createElement("textarea");
      field.value = text;
      field.style.position = "fixed";
      field.style.opacity = "0";
      document.body.append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
      button.focus({ preventScroll: true });
    }
  } catch {
    done = false;
  }
  const was = button.dataset.label || button.textContent;
  button.dataset.label = was;
  button.setAttribute("aria-live", "polite");
  button.textContent = done ? "Copied" : "Press Ctrl+C";
  setTimeout(() => { button.textContent = was; }, 2000);
});
