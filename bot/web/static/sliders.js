// A slider beside a number's field: both show the same value, on an even or a logarithmic scale.

const DIGITS = 2; // of a value that a logarithmic slider gives: 1,200 and not 1,187

function spread(slider) {
  const { low, high } = slider.dataset;
  return { low: Number(low), high: Number(high), log: "log" in slider.dataset };
}

function valueOf(slider) {
  const { low, high, log } = spread(slider);
  if (!log) return Number(slider.value);
  const share = Number(slider.value) / Number(slider.max);
  const value = Number((low * (high / low) ** share).toPrecision(DIGITS));
  return "whole" in slider.dataset ? Math.max(Math.round(value), Math.ceil(low)) : value;
}

function placeOf(slider, value) {
  const { low, high, log } = spread(slider);
  if (!log) return value;
  const share = Math.log(Math.max(value, low) / low) / Math.log(high / low);
  return Math.round(Math.min(share, 1) * Number(slider.max));
}

/** The number of "200,000" or "40%"; NaN of words such as "max". */
function typed(text) {
  const plain = text.trim().replaceAll(",", "");
  if (!plain) return NaN;
  return plain.endsWith("%") ? Number(plain.slice(0, -1)) / 100 : Number(plain);
}

function speak(slider, value) {
  slider.setAttribute("aria-valuetext", value.toLocaleString("en"));
}

function join(slider) {
  const field = document.getElementById(slider.dataset.for);
  slider.addEventListener("input", () => {
    const value = valueOf(slider);
    field.value = String(value);
    speak(slider, value);
  });
  const follow = () => {
    const value = typed(field.value);
    if (Number.isNaN(value)) return;
    slider.value = placeOf(slider, value);
    speak(slider, value);
  };
  field.addEventListener("input", follow);
  field.addEventListener("change", follow);
  speak(slider, valueOf(slider));
  follow();
}

/** A chosen file's text goes into its field; the file itself is sent nowhere. */
function upload(chooser, say) {
  const field = document.getElementById(chooser.dataset.into);
  const hint = document.getElementById(chooser.getAttribute("aria-describedby"));
  const usual = hint.textContent;
  chooser.addEventListener("change", async () => {
    const [file] = chooser.files;
    if (!file) return;
    const most = Number(chooser.dataset.most);
    if (file.size > most) {
      const kib = (bytes) => `${Math.floor(bytes / 1024)} KiB`;
      hint.textContent = `${file.name} is ${kib(file.size)}; at most ${kib(most)} are read here.`;
      say("That file is too large");
      chooser.value = "";
      return;
    }
    hint.textContent = usual;
    field.value = await file.text();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

export function joinAll(form, say) {
  form.querySelectorAll("input.slider").forEach(join);
  form.querySelectorAll("input.upload").forEach((chooser) => upload(chooser, say));
}
