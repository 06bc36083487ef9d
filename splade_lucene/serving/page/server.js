// Requests to the server that this page came from; addresses are relative, so that any path prefix will do.

const KEY = "splade-lucene-api-key";

export class KeyNeeded extends Error {}

export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

async function ask(address, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key ? { "X-API-Key": key } : {}) };
  let response;
  try {
    response = await fetch(address, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401) throw new KeyNeeded(key ? "The key is wrong." : "");
  if (!response.ok) throw new Error(answer.error ?? `The server answered with status ${response.status}.`);
  return answer;
}

const post = (address, body, signal) =>
  ask(address, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

export const listIndexes = () => ask("v1/indexes");
export const statistics = (name) => ask(`v1/${encodeURIComponent(name)}/stats`);

export function search(system, text, k, signal) {
  return post(`v1/${encodeURIComponent(system.index)}/search`, { text, k, explain: true, fusion: system.fused }, signal);
}

export function compare(system, text, docids) {
  return post(`v1/${encodeURIComponent(system.index)}/explain`, { text, docids });
}
