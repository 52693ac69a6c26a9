/** Writes the pages of the reference that are made from the source. `npm run docs` compares them. */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { generatedPages } from "./generated-pages.ts";

const root = resolve(import.meta.dirname, "..");
for (const [path, text] of generatedPages) writeFileSync(resolve(root, path), text());
