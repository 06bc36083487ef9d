// A text with the words that match in it marked.

import { element } from "./dom.js";

/**
 * @param {string} text
 * @param {{start: number, end: number, terms: string[]}[]} highlights places count characters, not UTF-16 units
 * @param {Map<string, {product: number, in_query: boolean}>} terms
 */
export function marked(text, highlights, terms) {
  const characters = Array.from(text);
  const parts = [];
  let end = 0;
  for (const each of highlights) {
    if (each.start < end) continue;
    const found = each.terms.map((name) => terms.get(name)).filter(Boolean);
    parts.push(characters.slice(end, each.start).join(""));
    parts.push(
      element("mark", { class: found.some((term) => term.in_query) ? "own" : "added", title: each.terms.join(" + ") },
        characters.slice(each.start, each.end).join("")),
    );
    end = each.end;
  }
  parts.push(characters.slice(end).join(""));
  return parts.filter((part) => part !== "");
}
