import { credentialHeader } from "../credential.ts";
import type { Signer } from "../signing.ts";
import { createSigner } from "../signing.ts";
import type { SinkConfig } from "./sink-kind.ts";

/** What makes a request trusted; none of it is ever shown. */
export interface RequestSecrets {
  readonly signer: Signer | undefined;
  /** Name and value of the header with the credential. */
  readonly credential: readonly [string, string] | undefined;
}

export function secretsOf({ signing = [], credential }: SinkConfig): RequestSecrets {
  return {
    signer: signing.length === 0 ? undefined : createSigner(signing),
    credential: credential === undefined ? undefined : credentialHeader(credential),
  };
}
