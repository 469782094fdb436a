// Shows two answers side by side while they are written. What models write is set as text, never as HTML.
"use strict";

const form = document.getElementById("ask");
const sides = document.getElementById("sides");
const send = document.getElementById("send");
const stop = document.getElementById("stop");
const seed = document.getElementById("drawn");
const words = JSON.parse(form.dataset.words);
let running = null;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  halt();
  const run = (running = new AbortController());
  sides.replaceChildren();
  seed.hidden = true;
  stop.hidden = false;
  const both = {};
  for (const name of ["left", "right"]) both[name] = begin(form.elements[name].value);
  try {
    for await (const told of events(run.signal)) {
      if (told.seed !== undefined) showSeed(told.seed);
      else if (told.side) show(both[told.side], told);
      else if (told.error) throw new Error(told.error.message);
    }
    throw new Error("The answer ended before it was complete.");
  } catch (error) {
    for (const one of Object.values(both)) if (!one.ended) end(one, run.signal.aborted ? "" : error.message);
  }
  if (running === run) halt();
});
stop.addEventListener("click", halt);
addEventListener("pagehide", halt);

function halt() {
  if (running) running.abort();
  running = null;
  if (document.activeElement === stop) send.focus();
  stop.hidden = true;
}

function showSeed(number) {
  seed.querySelector("b").textContent = number;
  seed.hidden = false;
}

function begin(policy) {
  const side = make("section", "card side");
  side.setAttribute("aria-label", policy);
  side.append(make("h2", "", policy));
  const note = make("p", "soft", "waiting for the matrix …");
  note.setAttribute("role", "status");
  side.append(note);
  sides.append(side);
  return { side, note, block: null, ended: false };
}

function show(one, told) {
  if (told.error) return end(one, told.error.message);
  if (told.block) one.block = blockOf(one.side, told.block, one.block);
  if (told.text && one.block) one.block.text.append(told.text);
  if (told.games) one.side.append(games(told.games));
  if (told.block || told.games) one.note.textContent = "writing …";
  if (told.done) {
    one.ended = true;
    one.side.append(facts(told.done));
    one.note.remove();
  }
}

// Without a message, the person has stopped it.
function end(one, message) {
  one.ended = true;
  one.note.className = message ? "problem" : "soft";
  one.note.textContent = message || "stopped";
  one.side.append(one.note);
}

async function* events(signal) {
  const fields = new FormData(form);
  const body = new URLSearchParams();
  for (const name of ["question", "left", "right", "temperature", "max_tokens", "seed"]) body.set(name, fields.get(name));
  const headers = { "X-CSRF-Token": fields.get("csrf"), Accept: "text/event-stream" };
  const response = await fetch(form.dataset.answer, { method: "POST", headers, body, signal });
  const kind = response.headers.get("content-type") || "";
  if (!kind.startsWith("text/event-stream")) throw new Error(await problem(response, kind));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) yield JSON.parse(part.slice(6));
  }
}

async function problem(response, kind) {
  const text = await response.text();
  if (kind.startsWith("application/json")) return JSON.parse(text).error.message;
  const found = new DOMParser().parseFromString(text, "text/html").querySelector(".problem");
  return found ? found.textContent : "You are no longer signed in: load this page again.";
}

function blockOf(side, name, open) {
  if (open && open.name === name) return open;
  if (name === "payoff") return null;
  const box = make("div", name === "response" ? "bubble we" : "chain");
  const text = make("div", "text");
  box.append(make("h3", "", name), text);
  side.append(box);
  return { name, text };
}

// The server draws the matrices, and has escaped what is in them.
function games(tables) {
  const box = make("div", "games");
  box.innerHTML = tables;
  return box;
}

function facts(done) {
  const list = make("dl", "facts");
  const disobeys = done.obeyed === false ? ", which does not obey" : "";
  const acted = done.acted ? ", and the response carries out " + named(done.acted) + disobeys : "";
  const choice = make("span");
  if (!done.before) choice.append("none: " + (done.reason || "there is no matrix"));
  else if (done.flipped) choice.append(make("b", "", named(done.before) + " → " + named(done.after)), " ", make("span", "tag flipped", "flip"), acted);
  else choice.append(named(done.after) + acted);
  fact(list, "Choice", choice);
  fact(list, "Tokens", number(done.prompt_tokens, 0) + " read, " + number(done.completion_tokens, 0) + " written");
  fact(list, "Time", time(done.total_ms) + ", first text after " + time(done.first_ms) + ", the gateway's own " + time(done.added_ms));
  const link = make("a", "", done.decision);
  link.href = form.dataset.decisions + encodeURIComponent(done.decision);
  fact(list, "Decision", done.recorded ? link : "not on record");
  return list;
}

function named(action) {
  return words[action] ? action + " (" + words[action] + ")" : action;
}

function fact(list, name, value) {
  const row = make("div");
  const told = make("dd");
  told.append(value);
  row.append(make("dt", "", name), told);
  list.append(row);
}

function time(ms) {
  if (ms === null) return "–";
  return ms >= 1000 ? number(ms / 1000, 2) + " s" : number(ms, 1) + " ms";
}

function number(value, digits) {
  return value.toLocaleString("en", { maximumFractionDigits: digits }).replace("-", "−");
}

function make(tag, classes = "", text = "") {
  const found = document.createElement(tag);
  if (classes) found.className = classes;
  if (text) found.textContent = text;
  return found;
}
