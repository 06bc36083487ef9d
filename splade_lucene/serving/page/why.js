// Why one hit is above another.

import { differences } from "./bars.js";
import { element, number, replace } from "./dom.js";
import { compare } from "./server.js";

export async function showWhy(place, system, text, upper, lower) {
  place.hidden = false;
  if (place.dataset.pair === `${upper.docid} ${lower.docid}`) return;
  replace(place, element("p", { class: "note" }, "Comparing …"));
  try {
    const found = await compare(system, text, [upper.docid, lower.docid]);
    const [first, second] = found.documents;
    const own = new Set(found.query.terms.filter((term) => term.in_query).map((term) => term.term));
    const gap = first.score - second.score;
    const equal = Math.abs(gap) < 1e-4;
    replace(place,
      element("h4", {}, `Why ${upper.docid} is above ${lower.docid}`),
      element("p", { class: "note" }, equal
        ? `Both score ${number(first.score)}; equal scores come in the order of their ids.`
        : `${number(first.score)} − ${number(second.score)} = ${number(gap)}, the sum of these terms. To the right: what speaks for ${upper.docid}; in italics: what the model added to the query.`),
      differences(found.differences, own, upper.docid));
    place.dataset.pair = `${upper.docid} ${lower.docid}`;
  } catch (error) {
    replace(place, element("p", { class: "problem", role: "alert" }, error.message));
  }
}
