/** Closed-loop HTTP load over raw sockets, for machines without wrk. Prints one JSON line. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import type { LoadOptions, LoadResult } from "./harness.ts";

const options = JSON.parse(process.argv[2] ?? "") as LoadOptions;
const target = new URL(options.url);
const body = Buffer.from(options.body);
const head = [
  `POST ${target.pathname} HTTP/1.1`,
  `host: ${target.host}`,
  `content-length: ${body.length}`,
  ...Object.entries(options.headers).map(([name, value]) => `${name}: ${value}`),
];
const request = Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);

let requests = 0;
let errors = 0;
let isOver = false;

/** Answers are small and carry content-length or no body: one "\r\n\r\n" and the rest. */
function onAnswer(socket: Socket, text: string): string {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return text;
  const length = Number(/content-length: (\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
  if (text.length < end + 4 + length) return text;
  requests++;
  if (text[9] !== "2") errors++;
  if (isOver) socket.destroy();
  else socket.write(request);
  return text.slice(end + 4 + length);
}

for (let index = 0; index < options.connections; index++) {
  const socket = connect(Number(target.port), target.hostname);
  let text = "";
  socket.setNoDelay(true);
  socket.on("connect", () => socket.write(request));
  socket.on("data", (chunk) => (text = onAnswer(socket, text + chunk.toString("latin1"))));
  socket.on("error", () => errors++);
}

const start = performance.now();
setTimeout(() => {
  isOver = true;
  const seconds = (performance.now() - start) / 1000;
  const result: LoadResult = { requests, requestsPerSecond: requests / seconds, errors };
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}, options.seconds * 1000);
