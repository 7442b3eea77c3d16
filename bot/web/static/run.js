// The page of an answer that a worker is still making: asks how far it is, and cancels.

const KEY = "k2c.delete-key";
const EVERY_MS = 1500;
const SLOWEST_MS = 15_000;

const place = document.querySelector("[data-run]");

function deleteKey() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return ""; // storage is switched off: only the asker's own browser could cancel
  }
}

/** Puts the new words in place of the old ones, unless nothing changed: a pressed button stays. */
function show(html) {
  if (place.dataset.shown === html) return;
  place.dataset.shown = html;
  const holder = document.createElement("template");
  holder.innerHTML = html; // escaped by the server; the policy allows no inline script
  place.replaceChildren(holder.content);
}

async function follow(wait) {
  try {
    const response = await fetch(`/r/${place.dataset.run}/progress`);
    if (response.status === 404 || response.status === 410) return location.reload();
    if (!response.ok) throw new Error(String(response.status));
    const told = await response.json();
    if (told.ended) return location.reload(); // the answer, its files and its picture
    show(told.html);
    setTimeout(follow, EVERY_MS, EVERY_MS);
  } catch {
    const next = Math.min(wait * 2, SLOWEST_MS); // the bot restarts, or the network is away
    setTimeout(follow, next, next);
  }
}

async function cancel(form) {
  const said = document.getElementById("said");
  try {
    const headers = { "X-Delete-Key": deleteKey() };
    const response = await fetch(form.action, { method: "POST", headers });
    const told = await response.json();
    said.textContent = told.message ?? told.error.message;
  } catch {
    said.textContent = "The server did not answer; try again.";
  }
}

place.addEventListener("submit", (event) => {
  if (!event.target.action.endsWith("/cancel")) return;
  event.preventDefault();
  event.stopPropagation(); // the page's own script would run it as a line
  cancel(event.target);
});
follow(EVERY_MS);
