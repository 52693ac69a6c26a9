import { test } from "node:test";
import { filterProperties } from "../support/filter-properties.ts";

for (const property of filterProperties) {
  test(`${property.name}, a million times`, () => {
    property.run(1_000_000);
  });
}
