import { Type } from "typebox";
import type { TSchema } from "typebox";

const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()]);

/** Members of a subscription that no answer has. */
export const writeOnlyMembers: Readonly<Record<"signing" | "sinkcredential", TSchema>> = {
  signing: Type.Optional(
    nullable(
      Type.Object(
        {
          secret: Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: 2 })], {
            description: "whsec_ (HMAC) or whsk_ (Ed25519) and base64; two while rotating",
          }),
        },
        {
          writeOnly: true,
          description: "Standard Webhooks; absent keeps the stored one, null removes it",
        },
      ),
    ),
  ),
  sinkcredential: Type.Optional(
    nullable(
      Type.Object(
        {
          credentialtype: Type.Union([
            Type.Literal("PLAIN"),
            Type.Literal("ACCESSTOKEN"),
            Type.Literal("HEADER"),
          ]),
          identifier: Type.Optional(Type.String({ description: "of PLAIN" })),
          secret: Type.Optional(Type.String({ description: "of PLAIN" })),
          accesstoken: Type.Optional(Type.String({ description: "of ACCESSTOKEN" })),
          header: Type.Optional(Type.String({ description: "of HEADER: its name" })),
          value: Type.Optional(Type.String({ description: "of HEADER" })),
        },
        {
          writeOnly: true,
          additionalProperties: true,
          description: "absent keeps the stored one, null removes it; replaced whole",
        },
      ),
    ),
  ),
};
