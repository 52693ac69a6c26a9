import { test } from "node:test";
import { filterProperties } from "../support/filter-properties.ts";

for (const property of filterProperties) {
  test(property.name, () => {
    property.run(10_000);
  });
}
