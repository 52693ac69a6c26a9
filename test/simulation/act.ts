import type { World } from "./world.ts";

/** Somebody who does one thing to the world when it is his turn. */
export interface Act {
  readonly name: string;
  /** How often it comes, beside the others. */
  readonly weight: number;
  readonly act: (world: World) => void | Promise<void>;
}
