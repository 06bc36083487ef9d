// The description of the API, drawn from openapi.json.

import { element, replace } from "./dom.js";

const description = await (await fetch("openapi.json")).json();
const base = new URL(".", location.href).href.replace(/\/$/, "");

function resolve(schema) {
  return schema?.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : (schema ?? {});
}

function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(", ");
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  if (schema.additionalProperties && schema.additionalProperties !== true) return `object of ${kind(schema.additionalProperties)}`;
  return schema.type ?? "any";
}

function table(heading, rows) {
  if (!rows.length) return null;
  return element("table", {}, element("thead", {}, element("tr", {}, [heading, "type", ""].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, rows.map((cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell))))));
}

function properties(schema) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, value]) => [
    name, kind(value), `${value.description ?? ""}${value.default !== undefined && value.default !== null ? ` (default: ${JSON.stringify(value.default)})` : ""}${required.has(name) ? " required" : ""}`]);
}

function example(method, path, operation) {
  const place = path.replaceAll("{index}", "INDEX").replaceAll("{docid}", "DOCID");
  const needed = (operation.parameters ?? []).some((each) => each.name === "query") ? "?query=why+does+glass+break&hits=3" : "";
  if (method === "get") return `curl '${base}${place}${needed}'`;
  const name = resolve(operation.requestBody?.content["application/json"].schema).title;
  const bodies = { SearchBody: { text: "why does glass break", k: 3 }, ExplainBody: { text: "why does glass break", docids: ["DOCID"] }, EmbedBody: { inputs: ["why does glass break"], prompt_name: "query" } };
  return `curl '${base}${place}' \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(bodies[name] ?? {})}'`;
}

function route(path, method, operation) {
  const body = operation.requestBody?.content["application/json"].schema;
  const answer = operation.responses["200"]?.content?.["application/json"]?.schema;
  const shape = resolve(answer?.type === "array" ? answer.items : answer);
  return element("details", {},
    element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("span", { class: "path" }, path), element("span", { class: "said" }, operation.summary)),
    table("parameter", (operation.parameters ?? []).map((each) => [each.name, kind(each.schema), `${each.description ?? ""}${each.required ? " required" : ""}`])),
    body ? table("body", properties(resolve(body))) : null,
    answer ? table(`answer: ${kind(answer)}`, properties(shape)) : null,
    element("pre", {}, element("code", {}, example(method, path, operation))));
}

const groups = new Map();
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const tag = operation.tags?.[0] ?? "";
    groups.set(tag, [...(groups.get(tag) ?? []), route(path, method, operation)]);
  }
}
replace(document.getElementById("routes"), [...groups].flatMap(([tag, routes]) => [element("h2", {}, tag[0].toUpperCase() + tag.slice(1)), ...routes]));
