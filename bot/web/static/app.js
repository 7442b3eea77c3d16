// Runs lines without leaving the page. Every form and link here also works without this script.

import { Bar } from "./bar.js";
import { Preview } from "./preview.js";

const KEY = "k2c.delete-key";
const MADE = "k2c.made";
const REMEMBERED = 200;
const RETRIES = 4;

const answers = document.querySelector(".answers");
const owned = document.querySelector("[data-owner]"); // only the page of an answer has one
const input = document.getElementById("line");
const bar = input ? new Bar(input, document.getElementById("choices")) : null;
const dragged = document.querySelector("form[data-preview]");
const preview = dragged ? new Preview(dragged, answers, say, retry) : null;

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is switched off: answers cannot be deleted from here, no more
  }
}

function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // as above
  }
}

function deleteKey() {
  const known = stored(KEY);
  if (known) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  const key = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  store(KEY, key);
  return key;
}

function made() {
  try {
    const list = JSON.parse(stored(MADE) ?? "[]");
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

function say(words) {
  const place = document.getElementById("said");
  place.textContent = words;
  setTimeout(() => (place.textContent = ""), 2500);
}

async function copy(text, words) {
  try {
    await navigator.clipboard.writeText(text);
    say(words);
  } catch {
    window.prompt("Copy this:", text); // no clipboard outside https and localhost
  }
}

function failure(message, line) {
  const article = document.createElement("article");
  article.className = "answer refusal";
  article.dataset.line = line;
  const words = document.createElement("p");
  words.textContent = message;
  article.append(words);
  return article;
}

function place(article) {
  preview?.clear();
  answers.prepend(article);
  article.querySelectorAll("img").forEach(retry);
  const top = article.getBoundingClientRect().top;
  if (top < 0 || top > window.innerHeight * 0.6) article.scrollIntoView({ block: "start" });
}

/** A chart under a backlog is asked for again, later each time. */
function retry(image) {
  let tries = 0;
  const again = () => {
    if (++tries > RETRIES) return;
    setTimeout(() => {
      const url = new URL(image.src);
      url.searchParams.set("try", String(tries));
      image.src = url.href;
      for (const source of image.parentElement.querySelectorAll("source")) {
        source.srcset = `${source.srcset.replace(/&try=\d+$/, "")}&try=${tries}`;
      }
    }, 1500 * tries);
  };
  image.addEventListener("error", again);
  if (image.complete && image.naturalWidth === 0) again();
}

async function send(form, submitter) {
  const fields = new URLSearchParams(new FormData(form));
  const line = fields.get("line") ?? "";
  const headers = { Accept: "application/json", "X-Delete-Key": deleteKey() };
  let body = fields;
  if (preview && form === preview.form) {
    headers["Content-Type"] = "application/json"; // a file's text would grow by percent-encoding
    body = JSON.stringify(Object.fromEntries(fields));
  }
  const button = submitter ?? form.querySelector("button");
  button?.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(form.action, { method: "POST", body, headers });
    const answer = await response.json();
    if (!response.ok) return place(failure(answer.error.message, line));
    remember(answer);
    if (owned && answer.id) return location.assign(`/r/${answer.id}`);
    const holder = document.createElement("template");
    holder.innerHTML = answer.html; // escaped by the server; the policy allows no inline script
    place(holder.content.firstElementChild);
  } catch {
    place(failure("The server did not answer. Your line is still in the bar; try again.", line));
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

function remember(answer) {
  if (answer.id) store(MADE, JSON.stringify([answer.id, ...made()].slice(0, REMEMBERED)));
  if (!bar) return;
  bar.input.value = answer.line;
  history.replaceState(null, "", `/?line=${encodeURIComponent(answer.line)}`);
}

async function remove(id) {
  const headers = { "X-Delete-Key": deleteKey() };
  const response = await fetch(`/api/results/${id}`, { method: "DELETE", headers });
  if (!response.ok) return say((await response.json()).error.message);
  store(MADE, JSON.stringify(made().filter((other) => other !== id)));
  location.href = "/";
}

function act(event) {
  const link = event.target.closest("[data-action], [data-line], [data-copy]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const article = link.closest("article");
  const { action, copy: source } = link.dataset;
  if (source) copy(document.getElementById(source).textContent, "Copied");
  else if (action === "share") copy(link.href, "Link copied");
  else if (action === "delete") remove(owned.dataset.owner);
  else if (action === "change" && bar) bar.set(article.dataset.line);
  else if (link.matches("a[data-line]") && bar) bar.set(link.dataset.line);
  else return;
  event.preventDefault();
}

async function suggest(field) {
  const { command, option } = field.dataset;
  const query = new URLSearchParams({ command, option, text: field.value });
  const response = await fetch(`/api/suggest?${query}`).catch(() => null);
  if (!response?.ok) return;
  const { choices } = await response.json();
  field.nextElementSibling.replaceChildren(
    ...choices.map((choice) => new Option(choice.label, choice.value)),
  );
}

/** Fields of the form complete with the browser's own list. */
function completeFields() {
  document.querySelectorAll("input[data-option]").forEach((field) => {
    const list = document.createElement("datalist");
    list.id = `${field.id}-list`;
    field.after(list);
    field.setAttribute("list", list.id);
    field.addEventListener("input", () => suggest(field));
    field.addEventListener("focus", () => suggest(field), { once: true });
  });
}

document.addEventListener("click", act);
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!answers || form.method !== "post") return;
  event.preventDefault();
  bar?.close();
  send(form, event.submitter);
});
document.querySelectorAll("[data-copy]").forEach((button) => (button.hidden = false));
if (owned) owned.hidden = !made().includes(owned.dataset.owner);
document.querySelectorAll(".answers img").forEach(retry);
completeFields();
// From "Change inputs" of another page: the caret goes where the change will be typed.
if (bar && input.value && !answers.childElementCount) bar.set(input.value);
