/* Sends one prompt through the gateway with the key that was just made, as an application would. */
"use strict";

const box = document.getElementById("try");

async function ask(key, model, system, prompt) {
  const messages = [{ role: "user", content: prompt }];
  if (system) messages.unshift({ role: "system", content: system });
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error?.message ?? `The gateway answered ${response.status}.`);
  return { text: answer.choices[0].message.content ?? "", model: answer.model };
}

async function tryIt(event) {
  event.preventDefault();
  const value = (id) => document.getElementById(id).value.trim();
  const status = document.getElementById("try-status");
  const shown = document.getElementById("try-answer");
  const send = box.querySelector("button");
  send.disabled = true;
  status.textContent = "Waiting for the answer…";
  const started = performance.now();
  try {
    const answer = await ask(document.getElementById("key").textContent, box.dataset.model, value("system"), value("prompt"));
    status.textContent = `${answer.model} answered in ${Math.round(performance.now() - started)} ms.`;
    shown.textContent = answer.text;
  } catch (error) {
    status.textContent = "No answer.";
    shown.textContent = error.message;
  }
  shown.hidden = false;
  send.disabled = false;
}

if (box) {
  box.hidden = false;
  box.querySelector("form").addEventListener("submit", tryIt);
}
