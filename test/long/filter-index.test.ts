import { test } from "node:test";
import { runFilterIndexProperty } from "../support/filter-index-property.ts";

test("index and plain evaluation agree for any filters, changes and events, a million times", () => {
  runFilterIndexProperty(1_000_000);
});
