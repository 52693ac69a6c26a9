import { randomBytes, randomUUID } from "node:crypto";

/** Chance as the broker sees it; tests pass a seeded one (src/testing/seeded-random.ts). */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A fresh identifier, a UUID in production. */
  id(): string;
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = {
  next: () => Math.random(),
  id: () => randomUUID(),
  bytes: (count) => randomBytes(count),
};
