import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { lacksMust } from "./far-ends.ts";

const tickMs = 20;

/** Publishes at a steady rate, whatever the answers; keeps which event got which offset. */
export class Publisher implements Disposable {
  readonly acknowledged: Map<number, number> = new Map();
  readonly refused: string[] = [];
  readonly latenciesMs: number[] = [];
  readonly #agent: Agent = new Agent({ keepAlive: true, maxSockets: 32 });
  readonly #url: string;
  readonly #perSecond: number;
  readonly #began: number = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #open = 0;

  constructor(url: string, perSecond: number) {
    this.#url = `${url}/v1/buses/default/events`;
    this.#perSecond = perSecond;
  }

  start(): void {
    this.#timer = setInterval(() => {
      const due = ((performance.now() - this.#began) * this.#perSecond) / 1000;
      // More than this waiting would measure our own line, not the broker.
      while (this.#sent < due && this.#open < 1000) this.#publish(this.#sent++);
    }, tickMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#open > 0) await new Promise((done) => setTimeout(done, tickMs));
    this.#agent.destroy();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#agent.destroy();
  }

  #publish(id: number): void {
    const began = performance.now();
    this.#open += 1;
    const must = lacksMust(id) ? "" : `"must":${id},`;
    const fill = "x".repeat((id * 7919) % 400);
    const headers = {
      "content-type": "application/json",
      "ce-specversion": "1.0",
      "ce-id": String(id),
      "ce-source": "/soak",
      "ce-type": `soak.${id % 5}`,
    };
    const call = request(this.#url, { method: "POST", agent: this.#agent, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => {
        this.#open -= 1;
        this.latenciesMs.push(performance.now() - began);
        const offset = Number(answer.headers["millrace-offset"]);
        if (answer.statusCode !== 202) this.refused.push(`${id}: ${answer.statusCode}`);
        else this.#acknowledge(offset, id);
      });
    });
    call.on("error", (error) => {
      this.#open -= 1;
      this.refused.push(`${id}: ${error.message}`);
    });
    call.end(`{${must}"key":"k${id % 97}","fill":"${fill}"}`);
  }

  #acknowledge(offset: number, id: number): void {
    assert(!this.acknowledged.has(offset), `offset ${offset} was given twice (P1)`);
    this.acknowledged.set(offset, id);
  }
}
