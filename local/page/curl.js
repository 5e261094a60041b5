/** The command that sends a request, for any POSIX shell; curl takes a body to mean POST, and none to mean GET. */
export function curlLine({ url, headers, body }) {
  const words = [["curl", "--include", quoted(url)]];
  for (const [name, value] of Object.entries(headers)) words.push(["--header", quoted(`${name}: ${value}`)]);
  if (body) words.push(["--data-raw", quoted(body)]);
  return words.map((line) => line.join(" ")).join(" \\\n  ");
}

/** Within single quotes a shell reads nothing but the quote that ends them. */
function quoted(text) {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
