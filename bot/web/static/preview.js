// The answer to a form while its sliders move: asked for again at every change, kept nowhere.

import { joinAll } from "./sliders.js";

const PAUSE_MS = 120; // a hand that moves on within this is not asked after
const PICTURE_MS = 1500; // the next question waits this long for the picture of the last
const LONGEST_ADDRESS = 1500; // characters of values that the page's own address repeats

/** The filled fields; a file's text stays out of the address. */
function filled(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => String(value).trim());
  return Object.fromEntries(pairs);
}

export class Preview {
  constructor(form, answers, say, retry) {
    this.form = form;
    this.answers = answers;
    this.retry = retry;
    this.headline = form.querySelector("#headline");
    this.article = null;
    this.stale = false;
    this.busy = false;
    this.timer = 0;
    joinAll(form, say);
    form.addEventListener("input", () => this.soon());
    form.addEventListener("change", () => this.soon());
    answers.addEventListener("click", (event) => this.repair(event));
    this.sent = answers.childElementCount ? JSON.stringify(filled(form)) : "";
    this.soon();
  }

  /** Whether every required field is filled. */
  ready() {
    const fields = filled(this.form);
    return [...this.form.querySelectorAll("label em")].every(
      (mark) => fields[document.getElementById(mark.parentElement.htmlFor).name],
    );
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE_MS);
  }

  async ask() {
    const body = JSON.stringify(filled(this.form));
    if (!this.ready() || body === this.sent) return;
    if (this.busy) {
      this.stale = true;
      return;
    }
    this.busy = true;
    this.stale = false;
    this.sent = body;
    this.form.setAttribute("aria-busy", "true");
    const wait = await this.fetch(body);
    this.form.removeAttribute("aria-busy");
    this.busy = false;
    if (wait) {
      this.sent = "";
      setTimeout(() => this.soon(), wait * 1000);
    } else if (this.stale) this.soon();
  }

  /** Ask and show. Returns the seconds to wait where that was too often, else 0. */
  async fetch(body) {
    const headers = { Accept: "application/json", "Content-Type": "application/json" };
    const { preview: url } = this.form.dataset;
    try {
      const response = await fetch(url, { method: "POST", body, headers });
      if (response.status === 429) {
        this.headline.textContent = "A moment, please.";
        return Number(response.headers.get("Retry-After")) || 5;
      }
      const answer = await response.json();
      if (!response.ok) this.headline.textContent = answer.error.message;
      else await this.show(answer);
    } catch {
      this.headline.textContent = "The server did not answer; move on to ask again.";
    }
    return 0;
  }

  async show(answer) {
    const holder = document.createElement("template");
    holder.innerHTML = answer.html; // escaped by the server; the policy allows no inline script
    const article = holder.content.firstElementChild;
    article.classList.add("preview");
    this.headline.textContent = answer.headline;
    this.address();
    const drawn = this.swap(article);
    await Promise.race([drawn, new Promise((done) => setTimeout(done, PICTURE_MS))]);
  }

  /** Put the new answer where the old one is; opened parts stay open, old pictures until new. */
  swap(article) {
    const old = this.article;
    const opened = [...(old?.querySelectorAll("details") ?? [])].map((part) => part.open);
    article.querySelectorAll("details").forEach((part, place) => (part.open = opened[place]));
    const within = old?.contains(document.activeElement) ? document.activeElement : null;
    const same = within && [...old.querySelectorAll("a, button, summary")].indexOf(within);
    const figures = [...(old?.querySelectorAll("figure") ?? [])];
    const drawn = [...article.querySelectorAll("figure")].map((figure, place) =>
      this.over(figure, figures[place]),
    );
    if (old?.isConnected) old.replaceWith(article);
    else this.answers.prepend(article);
    article.querySelectorAll("picture:last-of-type img").forEach(this.retry);
    this.article = article;
    if (within) article.querySelectorAll("a, button, summary")[same]?.focus();
    return drawn[0];
  }

  /** The old picture stays beneath the new one until that is drawn: nothing blinks or moves. */
  over(figure, old) {
    const image = figure.querySelector("img");
    const former = old?.querySelector("picture"); // the one that can be seen
    if (former) {
      former.querySelector("img").alt = "";
      figure.querySelector("a").prepend(former);
      figure.classList.add("drawing");
    }
    return new Promise((done) => {
      image.addEventListener("load", () => {
        former?.remove();
        figure.classList.remove("drawing");
        done();
      });
    });
  }

  /** A repair is typed into the form, as a hand would. */
  repair(event) {
    const button = event.target.closest("[data-changes]");
    if (!button) return;
    for (const [name, value] of Object.entries(JSON.parse(button.dataset.changes))) {
      const field = this.form.elements.namedItem(name);
      if (!field) continue;
      field.value = String(value);
      const others = field.closest("details");
      if (others) others.open = true;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }

  /** The page's address repeats what is in the form, to be copied or reloaded. */
  address() {
    const fields = Object.entries(filled(this.form)).filter(([, value]) => !/\n/.test(value));
    const query = new URLSearchParams(fields).toString();
    if (query.length <= LONGEST_ADDRESS) history.replaceState(null, "", `?${query}`);
  }

  /** The kept answer takes the preview's place. */
  clear() {
    this.article?.remove();
    this.article = null;
  }
}
