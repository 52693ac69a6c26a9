import type { IncomingMessage, ServerResponse } from "node:http";
import { toProblem } from "../api/problems.ts";
import { mediaTypes } from "../api/routes.ts";
import { systemClock } from "../kernel/clock.ts";
import type { BrokerError } from "../kernel/errors.ts";
import { limits } from "../kernel/limits.ts";

/** Headers that go with an error, beside its problem details. */
export function problemHeaders(error: BrokerError): Record<string, string> {
  const headers: Record<string, string> = { "content-type": mediaTypes.problem };
  const { status } = error.facts;
  if (error.allow !== undefined) headers["allow"] = error.allow.join(", ");
  if (status === 401) headers["www-authenticate"] = 'Bearer realm="millrace"';
  if (status === 429 || status === 503 || status === 507) {
    headers["retry-after"] = String(error.retryAfterSeconds ?? limits.retryAfterSecondsDefault);
  }
  return headers;
}

/** Further members of the problem details (RFC 9457 §3.2). */
export type ProblemMembers = Readonly<Record<string, unknown>>;

/** Answers with a problem; the connection goes on, so the whole request must have been read. */
export function sendProblem(
  response: ServerResponse,
  error: BrokerError,
  members: ProblemMembers = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(JSON.stringify({ ...toProblem(error), ...members }));
  response.writeHead(error.facts.status, {
    ...problemHeaders(error),
    "content-length": String(body.length),
  });
  response.end(body);
}

/**
 * Answers with a problem before the request body was read, and closes the connection. The rest of
 * the body is thrown away for a moment first: closing at once with unread bytes would reset the
 * connection, and the client would never see why.
 */
export function refuseEarly(
  request: IncomingMessage,
  response: ServerResponse,
  error: BrokerError,
  members: ProblemMembers = {},
): void {
  if (response.headersSent || response.destroyed) return;
  if (request.complete) {
    sendProblem(response, error, members);
    return;
  }
  const body = Buffer.from(JSON.stringify({ ...toProblem(error), ...members }));
  response.writeHead(error.facts.status, {
    ...problemHeaders(error),
    "content-length": String(body.length),
    connection: "close",
  });
  response.write(body);
  let discardedBytes = 0;
  const finish = (): void => {
    timer.dispose();
    request.removeAllListeners("data");
    response.end();
    request.socket.destroySoon();
  };
  const timer = systemClock.after(limits.lingerMs, finish);
  request.removeAllListeners("data");
  request.removeAllListeners("end");
  request.on("data", (chunk: Buffer) => {
    discardedBytes += chunk.length;
    if (discardedBytes > limits.lingerBytesMax) finish();
  });
  request.once("end", finish);
  request.once("close", () => timer.dispose());
  request.resume();
}

/** An answer where there is no ServerResponse: the request could not even be parsed. */
export function rawProblem(error: BrokerError): string {
  const body = JSON.stringify(toProblem(error));
  const reason = {
    408: "Request Timeout",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
  };
  const { status } = error.facts;
  return [
    `HTTP/1.1 ${status} ${reason[status as 408] ?? "Bad Request"}`,
    `content-type: ${mediaTypes.problem}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
