/** The variables that are known where a part of an expression stands, the outermost first. */
export interface Scope {
  readonly variables: readonly string[];
}
