// The log as it lies in the page: gzip, in base64.

/** The text of a packed log, in pieces. What is no UTF-8 becomes U+FFFD. */
export async function* unpacked(base64: string): AsyncGenerator<string> {
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  // Not awaited: the stream takes the next bytes as those before them are read. Its fault comes out of the reader.
  writer.write(bytes(base64)).then(() => writer.close()).catch(() => undefined);
  const reader = stream.readable.getReader();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (;;) {
    const { done, value } = await reader.read();
    const text = decoder.decode(value, { stream: !done });
    if (text) yield text;
    if (done) return;
  }
}

function bytes(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const result = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) result[at] = binary.charCodeAt(at);
  return result;
}
