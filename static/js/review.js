/* Keys press the page's own buttons, and the server's answer takes the place of the stage. No verdict is made here, and
   without this script every button works as a plain form. */
"use strict";

let isBusy = false;
const stage = () => document.getElementById("stage");
const heading = () => stage().querySelector("h1");
const button = (key) => stage().querySelector(`[data-key="${CSS.escape(key)}"]`);
const verb = (name) => stage().querySelector(`[data-verb="${name}"]`);
const editor = () => document.getElementById("target");

function hear(words) {
  document.getElementById("heard").textContent = words;
}

function say(words) {
  const status = document.getElementById("status");
  status.textContent = words;
  status.classList.add("trouble");
  hear(words);
}

/* Sending: one request at a time; the page changes only with the server's answer. */

function fields(form, submitter) {
  const body = new FormData(form, submitter);
  // A log-in in another tab renews the token; the cookie has the one that holds now.
  const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
  if (token) body.set("csrfmiddlewaretoken", token[1]);
  return body;
}

async function send(form, submitter) {
  isBusy = true;
  stage().setAttribute("aria-busy", "true");
  // Read at once: what is typed or ticked from here on is not what was decided.
  const body = fields(form, submitter);
  // Not form.action: a field of that name stands before it.
  const address = submitter.getAttribute("formaction") ?? form.getAttribute("action");
  const left = stage();
  if (DECIDES.test(address)) showAhead(left);
  try {
    clearTimeout(waiting);
    await saving; // a draft that arrives after its verdict would come back to life
    const response = await fetch(address, { method: "POST", body, headers: { "X-Stage": "next" } });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (page.getElementById("stage") === null) stage().replaceWith(left);
    show(response, page);
  } catch (error) {
    stage().replaceWith(left); // nothing was answered, so nothing has happened
    if (!(error instanceof TypeError)) throw error;
    say("Not sent: the server does not answer. Press again; it counts once.");
  } finally {
    isBusy = false;
    stage().removeAttribute("aria-busy");
  }
}

/* Reading ahead: the row that most likely comes next is shown at once, as dead as the page is while it waits, and the
   answer to the verdict takes its place: nearly always the same row, now claimed. */

const DECIDES = /\/(include|exclude|later)\/$/;
const AHEAD_AFTER = 150;
let fetching = 0;
let ahead = null; // {of: the row's form, stage}

function readAhead() {
  clearTimeout(fetching);
  ahead = null;
  fetching = setTimeout(fetchAhead, AHEAD_AFTER);
}

async function fetchAhead() {
  const form = document.querySelector("#verdict[data-ahead]");
  if (form === null || isBusy) return;
  try {
    const response = await fetch(form.dataset.ahead, { headers: { "X-Stage": "ahead" } });
    if (response.status !== 200) return;
    const found = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("stage");
    if (found !== null && form.isConnected) ahead = { of: form, stage: found };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the verdict will say that the server is away
  }
}

function showAhead(left) {
  if (ahead === null || !left.contains(ahead.of)) return;
  ahead.stage.setAttribute("aria-busy", "true");
  ahead.stage.inert = true; // what would be typed or ticked here could not stay
  left.replaceWith(ahead.stage);
  ahead = null;
  window.scrollTo(0, 0);
}

function show(response, page) {
  const next = page.getElementById("stage");
  if (next === null) {
    say(
      response.status >= 500
        ? "Not saved: the server failed. Press again; it counts once."
        : "Not saved: you are logged out, or may not do this. Log in in another tab, then press again.",
    );
    return;
  }
  stage().replaceWith(next);
  document.title = page.title;
  // A verdict is answered with the next row itself, without the way over its address.
  if (response.ok) history.pushState(null, "", response.headers.get("Content-Location") ?? response.url);
  window.scrollTo(0, 0);
  tellClocks();
  findSimilar();
  readAhead();
  (document.getElementById("fault") ?? heading()).focus();
  hear(`${document.getElementById("status").dataset.says} ${heading().textContent}.`);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("#stage [data-swap]")) return;
  event.preventDefault();
  if (isBusy) return;
  // A verdict takes along what is typed; going elsewhere leaves it as a draft.
  if ("leaves" in form.dataset && isUnsaved() && !(await saveDraft())) say("Your text is not saved, so you are still here. Try again.");
  else if (!isBusy) send(form, event.submitter);
});
window.addEventListener("popstate", () => location.reload());

/* Asking for a part of the page. */

async function part(ids, address, body, isStale = () => false) {
  // A redirect leads to the log-in and back here, where only forms are taken: it is not followed.
  const response = await fetch(address, { method: "POST", body, headers: { "X-Part": ids }, redirect: "manual" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const id of ids.split(" ")) {
    const found = page.getElementById(id);
    // No such part: logged out, or the server failed.
    if (found === null) throw new TypeError(`The server answered ${response.status} without the part.`);
    if (!isStale()) document.getElementById(id)?.replaceWith(found);
  }
  tellClocks();
  return response;
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-part]")) return;
  event.preventDefault();
  try {
    await part(form.dataset.part, form.getAttribute("action"), fields(form, event.submitter));
    heading().focus();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    say("Not saved: the server does not answer, or you are logged out.");
  }
});

function tellClocks() {
  for (const time of document.querySelectorAll("time[data-clock]"))
    time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/* Drafts: a second after the last key, and before the row is left. */

const DRAFT_AFTER = 1000;
let waiting = 0;
let saving = Promise.resolve();

function isUnsaved() {
  const area = editor();
  return area !== null && area.value !== (area.savedText ?? area.defaultValue);
}

function saveDraft() {
  clearTimeout(waiting);
  saving = saving.then(saveNow);
  return saving;
}

async function saveNow() {
  const area = editor();
  const saver = stage().querySelector("[data-saves]");
  if (area === null || saver === null) return false;
  const typed = area.value;
  document.getElementById("saved").textContent = "Saving…";
  try {
    await part("saved", saver.getAttribute("formaction"), fields(area.form));
    area.savedText = typed;
    return true;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    document.getElementById("saved").textContent = "Not saved. Save draft tries again.";
    return false;
  }
}

document.addEventListener("input", (event) => {
  if (event.target !== editor() || !stage().querySelector("[data-saves]")) return;
  document.getElementById("saved").textContent = "Not saved yet";
  clearTimeout(waiting);
  waiting = setTimeout(saveDraft, DRAFT_AFTER);
  clearTimeout(checking);
  checking = setTimeout(check, CHECK_AFTER);
});
window.addEventListener("beforeunload", (event) => {
  if (isUnsaved()) event.preventDefault();
});

/* What changed and what is wrong, as it is typed. */

const CHECK_AFTER = 300;
let checking = 0;

async function check() {
  const area = editor();
  if (!area?.dataset.checks) return;
  const typed = area.value;
  try {
    await part("shown changed faults", area.dataset.checks, fields(area.form), () => editor()?.value !== typed);
    area.toggleAttribute("aria-invalid", document.querySelector("#faults li") !== null);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the verdict itself is checked again
  }
}

/* The hold: it lasts while somebody is here. */

const BEAT = 60_000;
const PRESENT = 300_000;
let lastInput = Date.now();
for (const kind of ["keydown", "pointerdown", "wheel"])
  document.addEventListener(kind, () => (lastInput = Date.now()), { passive: true, capture: true });

let isBeating = false;

async function beat() {
  const hold = document.getElementById("hold");
  if (!hold?.dataset.beats || isBusy || isBeating || document.hidden || Date.now() - lastInput > PRESENT) return;
  isBeating = true; // the answer brings the token that the next one needs
  try {
    const response = await part("hold", hold.dataset.beats, fields(document.getElementById("verdict")));
    if (response.status === 409) say(document.getElementById("hold").textContent);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the server is away: the next beat asks again
  } finally {
    isBeating = false;
  }
}

setInterval(beat, BEAT);
setTimeout(beat, BEAT / 4); // a page that was only loaded anew has just loosened its own hold
window.addEventListener("pagehide", () => {
  const hold = document.getElementById("hold");
  if (hold?.dataset.closes) navigator.sendBeacon(hold.dataset.closes, fields(document.getElementById("verdict")));
});

/* Similar rows come by themselves, once somebody stays on a row longer than a plain one takes. */

const SIMILAR_AFTER = 600;
let finding = 0;

function findSimilar() {
  clearTimeout(finding);
  finding = setTimeout(loadSimilar, SIMILAR_AFTER);
}

async function loadSimilar() {
  const place = document.querySelector("#similar[data-loads]");
  if (place === null || isBusy) return;
  try {
    const page = new DOMParser().parseFromString(await (await fetch(place.dataset.loads)).text(), "text/html");
    const found = page.getElementById("similar");
    if (found !== null && place.isConnected) place.replaceWith(found);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the link is still there
  }
}

/* A repair is asked for: what comes of it takes its place, wherever the person is on the page. */

const LOOK_AFTER = 1000;

async function look() {
  const repair = document.querySelector("#repair[data-looks]");
  if (repair === null || isBusy || document.hidden) return;
  try {
    if ((await fetch(repair.dataset.looks)).status !== 200) return;
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    const found = page.getElementById("repair");
    if (found === null || !repair.isConnected) return;
    repair.replaceWith(found);
    hear(found.querySelector(".error, h2").textContent);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the server is away: the next look asks again
  }
}

setInterval(look, LOOK_AFTER);

/* Keys: never while typing, held down, with a modifier, under an open sheet, or before the last answer has come. */

function press(element) {
  const via = element.type === "checkbox" ? null : element.form?.elements.via;
  if (via) via.value = "key";
  element.classList.add("pressed");
  element.click(); // the form is read before this returns
  if (via) via.value = "button";
}

function openEditor() {
  const area = editor();
  if (area === null) return;
  const details = area.closest("details");
  if (details) details.open = true;
  area.focus();
  area.setSelectionRange(area.value.length, area.value.length);
}

function leaveEditor() {
  const area = editor();
  const details = area.closest("details");
  if (details && area.value === area.defaultValue) details.open = false;
  if (isUnsaved()) saveDraft();
  heading().focus();
}

function openNote(details) {
  details.open = true;
  document.getElementById("note").focus();
}

function whileTyping(event) {
  if (event.target.id === "note" && event.key === "Escape") return heading().focus();
  if (event.target.id === "tag" && event.key === "Escape") return heading().focus();
  if (event.target.id !== "target") return;
  if (event.key === "Escape") leaveEditor();
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && verb("include") && !isBusy) press(verb("include"));
  else return;
  event.preventDefault();
}

/* A letter is what the layout and Shift make of it, whatever the lock key says. */
function pressed(event) {
  if (event.ctrlKey || event.metaKey) {
    if (event.key.toLowerCase() !== "z") return null;
    return verb(event.shiftKey ? "redo" : "undo");
  }
  if (event.key.length !== 1 || event.key === " ") return null;
  return button(event.shiftKey ? event.key.toUpperCase() : event.key.toLowerCase());
}

const TEXT = "textarea, select, [contenteditable], input:not([type=checkbox])";
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.isComposing || event.altKey || event.getModifierState("AltGraph")) return;
  if (event.target.closest(TEXT)) return whileTyping(event);
  if (isBusy || document.querySelector(":popover-open")) return;
  const found = pressed(event);
  if (found === null) return;
  event.preventDefault();
  if (found.dataset.verb === "edit") openEditor();
  else if (found.dataset.verb === "repair") openNote(found.closest("details"));
  else if (found.dataset.verb === "tag") document.getElementById("tag").focus();
  else press(found);
  // An exclusion that only lacked its reason goes with the reason.
  if (found.name === "reason" && found.checked) stage().querySelector("[data-refused]")?.click();
});

document.addEventListener("click", (event) => {
  if (!event.target.closest('[data-verb="edit"]')) return;
  event.preventDefault();
  openEditor();
});

tellClocks();
findSimilar();
readAhead();
