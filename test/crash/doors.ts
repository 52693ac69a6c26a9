/** The broker's HTTP door as the crash tests knock on it: connections that stay, and no retries. */
import { Agent, request } from "node:http";
import type { IncomingHttpHeaders } from "node:http";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Request {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

/** One keep-alive connection; each request waits for nobody else. */
export class Door {
  readonly #url: string;
  readonly #agent: Agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(url: string) {
    this.#url = url;
  }

  /** undefined when the broker stops, or was gone before it had answered whole. */
  send({ method = "GET", path, headers = {}, body }: Request): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const gone = (): void => resolve(undefined);
      const options = { method, headers, agent: this.#agent };
      const sent = request(`${this.#url}${path}`, options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.once("error", gone);
        answer.once("end", () => {
          const text = Buffer.concat(chunks).toString();
          // A broker that stops says so, once, on each connection.
          if (answer.statusCode === 503 && text.includes('"code":"stopping"')) gone();
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
        });
        // A connection that breaks in the middle of an answer ends without "end".
        answer.once("close", gone);
      });
      sent.once("error", gone);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
