// Keys: digits press the button of their value, arrows follow the links. Without this file, the
// buttons and links do the same.
"use strict";

const form = document.getElementById("rate");
let sent = false;
let ready = false;

// A key that was meant for the page before must not rate this one unread.
setTimeout(() => {
  ready = true;
  document.documentElement.dataset.ready = "yes";
}, 250);

addEventListener("keydown", (event) => {
  if (!ready || sent || event.repeat || event.isComposing) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, textarea, select")) return;
  const link = { ArrowLeft: "back", ArrowRight: "onward" }[event.key];
  if (link) {
    document.getElementById(link)?.click();
  } else if (form && /^[0-9]$/.test(event.key)) {
    form.querySelector(`button[value="${event.key}"]`)?.click();
  }
});

form?.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
});

addEventListener("pageshow", () => {
  sent = false; // the browser may bring a page back as it was left
});
