/** Which methods exist at which path: what a 405 has to say, and what tests walk over. */
export class RouteTable {
  readonly #routes: { readonly method: string; readonly segments: readonly string[] }[] = [];

  add(method: string | readonly string[], url: string): void {
    for (const each of typeof method === "string" ? [method] : method) {
      this.#routes.push({ method: each, segments: url.split("/") });
    }
  }

  all(): readonly { readonly method: string; readonly url: string }[] {
    return this.#routes.map(({ method, segments }) => ({ method, url: segments.join("/") }));
  }

  methodsOf(path: string): readonly string[] {
    const segments = path.split("/");
    const matching = this.#routes.filter((route) => matches(route.segments, segments));
    return [...new Set(matching.map(({ method }) => method))].sort();
  }
}

function matches(template: readonly string[], segments: readonly string[]): boolean {
  if (template.length !== segments.length) return false;
  return template.every((part, index) => {
    const segment = segments[index];
    return part.startsWith(":") ? segment !== "" : part === segment;
  });
}
