// The search in the address of the page: what is shown can be shared, and the browser's buttons go through it.

export function read() {
  const values = new URLSearchParams(location.search);
  return { q: values.get("q") ?? "", left: values.get("left"), right: values.get("right"), k: Number(values.get("k")) || 10 };
}

export function write({ q, left, right, k }, replace) {
  const values = new URLSearchParams({ q, left, ...(right ? { right } : {}), k });
  const address = `${location.pathname}?${values}`;
  if (replace || address === location.pathname + location.search) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}
