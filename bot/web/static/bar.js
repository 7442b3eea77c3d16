// The command bar as an accessible combobox: arrows choose, Tab or Enter completes, Enter runs.

import { completesValue, contextAt, nameItems, optionItems, valueItems } from "./complete.js";

const WAIT_MS = 80; // typing pauses longer than this ask the server once
const MOST = 25;

export class Bar {
  constructor(input, list) {
    this.input = input;
    this.list = list;
    this.items = [];
    this.active = -1;
    this.commands = [];
    this.known = new Map();
    this.asked = 0;
    this.prepare();
  }

  prepare() {
    const { input } = this;
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", this.list.id);
    input.setAttribute("aria-expanded", "false");
    input.addEventListener("input", () => this.refresh());
    input.addEventListener("click", () => this.refresh());
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.close());
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const item = event.target.closest("li");
      if (item) this.accept(Number(item.dataset.place));
    });
    fetch("/api/commands")
      .then((response) => response.json())
      .then((answer) => (this.commands = answer.commands))
      .catch(() => {}); // without the list the bar still runs lines
  }

  set(line) {
    this.input.value = line;
    this.input.focus();
    this.input.setSelectionRange(line.length, line.length);
    this.close();
  }

  async refresh() {
    const asked = ++this.asked;
    const { value: text, selectionStart: caret } = this.input;
    const context = contextAt(text, caret, this.commands);
    if (!context || !text.trim()) return this.close();
    if (context.kind === "name") return this.show(nameItems(text, context, this.commands));
    const options = optionItems(text, caret, context);
    if (!completesValue(context)) return this.show(options);
    const choices = await this.choices(context, asked);
    if (asked === this.asked) this.show([...valueItems(text, context, choices), ...options]);
  }

  async choices({ command, option, value }, asked) {
    const typed = value.trim().toLowerCase();
    if (!option.suggests) {
      return option.choices
        .filter((c) => c.toLowerCase().includes(typed))
        .map((c) => ({ label: c, value: c }));
    }
    const query = new URLSearchParams({ command: command.name, option: option.name, text: typed });
    const key = query.toString();
    if (this.known.has(key)) return this.known.get(key);
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    if (asked !== this.asked) return [];
    try {
      const response = await fetch(`/api/suggest?${key}`);
      const { choices } = response.ok ? await response.json() : { choices: [] };
      this.known.set(key, choices);
      return choices;
    } catch {
      return [];
    }
  }

  show(items) {
    this.items = document.activeElement === this.input ? items.slice(0, MOST) : [];
    this.active = -1;
    this.list.replaceChildren(...this.items.map((item, place) => this.row(item, place)));
    this.list.hidden = this.items.length === 0;
    this.list.scrollTop = 0;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.input.removeAttribute("aria-activedescendant");
  }

  row(item, place) {
    const row = document.createElement("li");
    row.id = `choice-${place}`;
    row.dataset.place = place;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", "false");
    const label = document.createElement("b");
    label.textContent = item.label;
    const note = document.createElement("span");
    note.textContent = item.note;
    row.append(label, note);
    return row;
  }

  close() {
    this.asked++;
    this.show([]);
  }

  move(step) {
    const count = this.items.length;
    if (!count) return;
    const start = this.active < 0 && step < 0 ? 0 : this.active;
    this.active = (start + step + count) % count;
    [...this.list.children].forEach((row, place) =>
      row.setAttribute("aria-selected", String(place === this.active)),
    );
    const row = this.list.children[this.active];
    row.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", row.id);
  }

  accept(place) {
    const item = this.items[place];
    if (!item) return;
    this.input.value = item.text;
    this.input.setSelectionRange(item.caret, item.caret);
    this.input.scrollLeft = this.input.scrollWidth;
    this.refresh();
  }

  key(event) {
    if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
    const open = !this.list.hidden;
    if (event.key === "ArrowDown") open ? this.move(1) : this.refresh();
    else if (event.key === "ArrowUp" && open) this.move(-1);
    else if (event.key === "Escape" && open) this.close();
    else if (event.key === "Enter" && open && this.active >= 0) this.accept(this.active);
    else if (event.key === "Tab" && open && !event.shiftKey && this.completes()) {
      this.accept(Math.max(this.active, 0));
    } else return;
    event.preventDefault();
  }

  // After a blank Tab moves on as everywhere; within a word it completes.
  completes() {
    const before = this.input.value.slice(0, this.input.selectionStart);
    return this.active >= 0 || /\S$/.test(before);
  }
}
