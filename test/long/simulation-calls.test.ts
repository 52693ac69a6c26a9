import assert from "node:assert/strict";
import { test } from "node:test";
import { dieAtEveryCall } from "../simulation/every-call.ts";

for (const moment of ["before", "after"] as const) {
  test(`P1, P2, F3: dying ${moment} any call to the disk, under 100 seeds each, nothing promised is lost`, async () => {
    assert((await dieAtEveryCall(moment, 100)) > 30);
  });
}
