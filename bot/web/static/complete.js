// What can be typed at the caret: pure functions over the line and the list of commands.

/** The option starts of `text` ("gpu:", "model:") with the place of name and value. */
function optionStarts(text, command) {
  const names = command.options.flatMap((o) => [o.name, o.field]);
  const longest = [...new Set(names)].sort((a, b) => b.length - a.length).join("|");
  const pattern = new RegExp(`(^|\\s)(${longest}):`, "gi");
  return [...text.matchAll(pattern)].map((m) => ({
    at: m.index,
    value: m.index + m[0].length,
    option: command.options.find((o) => [o.name, o.field].includes(m[2].toLowerCase())),
  }));
}

/** Where the caret stands: in the command's name, or in an option's value or name. */
export function contextAt(text, caret, commands) {
  const before = text.slice(0, caret);
  const name = before.match(/^\s*\/?(\S*)$/);
  if (name) return { kind: "name", typed: name[1].toLowerCase() };
  const typedName = text.match(/^\s*\/?(\S+)/)[1].toLowerCase();
  const command = commands.find((c) => c.name === typedName);
  if (!command) return null;
  const starts = optionStarts(text, command);
  const current = starts.filter((s) => s.value <= caret).at(-1) ?? null;
  const next = starts.find((s) => s.value > caret);
  return {
    kind: "option",
    command,
    used: new Set(starts.map((s) => s.option.name)),
    option: current?.option ?? null,
    from: current?.value ?? caret,
    to: next ? next.at : text.length,
    value: current ? before.slice(current.value) : "",
    word: before.match(/\S*$/)[0],
  };
}

/** Items for the list: {label, note, text (the whole new line), caret, more (keep completing)}. */
export function nameItems(text, context, commands) {
  return commands
    .filter((c) => c.name.startsWith(context.typed))
    .map((c) => {
      const line = `/${c.name} `;
      const rest = text.replace(/^\s*\/?\S*\s*/, "");
      return { label: `/${c.name}`, note: c.description, text: line + rest, caret: line.length };
    });
}

/** Option names that are not used yet and begin with the word at the caret. */
export function optionItems(text, caret, context) {
  const word = context.word.toLowerCase();
  if (word.includes(":") || (context.option && !context.value.trim())) return [];
  const start = caret - context.word.length;
  return context.command.options
    .filter((o) => !context.used.has(o.name) && o.name.startsWith(word))
    .map((o) => ({
      label: `${o.name}:`,
      note: (o.required ? "required · " : "") + o.description,
      text: `${text.slice(0, start)}${o.name}:${text.slice(caret)}`,
      caret: start + o.name.length + 1,
    }));
}

/** Whether the caret stands in a value that can be completed. */
export function completesValue(context) {
  const { option, value } = context;
  if (!option || (value.trim() && /\s$/.test(value))) return false;
  return option.suggests || option.choices.length > 0;
}

/** Values for the option at the caret; `choices` are [{label, value}]. */
export function valueItems(text, context, choices) {
  const after = text.slice(context.to).replace(/^\s+/, "");
  return choices
    .filter((c) => c.value !== context.value.trim())
    .map((c) => {
      const head = `${text.slice(0, context.from)}${c.value} `;
      const note = c.label === c.value ? "" : c.value;
      return { label: c.label, note, text: head + after, caret: head.length };
    });
}
