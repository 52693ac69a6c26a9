/** The pages of the reference that are made from the source. */
import { cesqlPage, cesqlPagePath } from "./cesql-page.ts";
import { commandsPage, commandsPagePath } from "./commands-page.ts";
import { dialectsPage, dialectsPagePath } from "./dialects-page.ts";
import { templatesPage, templatesPagePath } from "./templates-page.ts";

export const generatedPages: readonly (readonly [path: string, text: () => string])[] = [
  [commandsPagePath, commandsPage],
  [cesqlPagePath, cesqlPage],
  [dialectsPagePath, dialectsPage],
  [templatesPagePath, templatesPage],
];
