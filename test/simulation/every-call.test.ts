import assert from "node:assert/strict";
import { test } from "node:test";
import { dieAtEveryCall, failEveryCall } from "./every-call.ts";

const callsMin = 30;

for (const code of ["EIO", "ENOSPC", "EMFILE", "short"]) {
  test(`P1, F4: whichever call to the disk fails with ${code}, no false acknowledgement, and the next open succeeds`, async () => {
    assert((await failEveryCall(code)) > callsMin);
  });
}

for (const moment of ["before", "after"] as const) {
  test(`P1, P2, F3: whichever call to the disk is the last (${moment} it is done), nothing promised is lost`, async () => {
    assert((await dieAtEveryCall(moment, 1)) > callsMin);
  });
}
