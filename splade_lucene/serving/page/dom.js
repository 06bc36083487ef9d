// Elements from plain values. Text is always text: nothing here reads markup.

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") made.className = value;
    else if (key === "style") Object.entries(value).forEach(([rule, text]) => made.style.setProperty(rule, text));
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "data") Object.assign(made.dataset, value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(Boolean));
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function number(value) {
  if (Number.isInteger(value)) return whole.format(value).replace("-", "−");
  return value.toFixed(Math.abs(value) < 1 ? 4 : Math.abs(value) < 100 ? 3 : 1).replace("-", "−");
}

export function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
