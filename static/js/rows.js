/* Keys of the list of rows: J and K walk, Space ticks, the verbs press their buttons for the ticked rows, or else for
   the row one stands on. Without this script ticks and buttons do the same. */
"use strict";

const cards = () => [...document.querySelectorAll("[data-row]")];
const here = () => cards().find((card) => card.contains(document.activeElement)) ?? cards().find((card) => "here" in card.dataset);
const tick = (card) => card?.querySelector(".tick");

function stand(card) {
  if (!card) return;
  cards().forEach((other) => delete other.dataset.here);
  card.dataset.here = "";
  (tick(card) ?? card.querySelector("a")).focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

function walk(steps) {
  const all = cards();
  const place = all.indexOf(here());
  stand(all[place < 0 ? 0 : Math.min(Math.max(place + steps, 0), all.length - 1)]);
}

function press(button) {
  const form = button.form;
  if (form.id === "bulk" && !form.all_found?.checked && !document.querySelector(".tick:checked")) {
    const box = tick(here());
    if (!box) return;
    box.checked = true;
  }
  form.requestSubmit(button);
}

/* A text that is being typed is left by Esc and sent by Ctrl Enter; a summary with a key opens on its text. */
function whileTyping(event) {
  const box = event.target.closest("details");
  if (event.key === "Escape") box.querySelector("summary").focus();
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) box.querySelector("button").click();
  else return;
  event.preventDefault();
}

function follow(found) {
  if (!found.matches("summary")) return found.matches("a") ? found.click() : press(found);
  found.parentElement.open = true;
  found.parentElement.querySelector("textarea").focus();
}

document.addEventListener("keydown", (event) => {
  if (event.target.closest("details textarea") && !event.repeat && !event.isComposing) return whileTyping(event);
  if (event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not(.tick), textarea, select, [popover]:popover-open")) return;
  const key = event.key.toLowerCase();
  if (cards().length && (key === "j" || key === "k")) walk(key === "j" ? 1 : -1);
  else if (key === " " && !event.target.closest("button, a, summary, .tick") && tick(here())) tick(here()).click();
  else if (key === "/") document.querySelector("[data-key='/']").focus();
  else {
    const found = document.querySelector(`:is(button, a, summary)[data-key="${CSS.escape(key)}"]`);
    if (!found || event.shiftKey) return;
    follow(found);
  }
  event.preventDefault();
});
