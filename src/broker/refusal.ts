import type { EventRefusal } from "../event/event.ts";
import { BrokerError } from "../kernel/errors.ts";

/** What a codec refused, as the error of the publish. */
export function refusalError(refusal: EventRefusal): BrokerError {
  const { code, violations } = refusal;
  const [first] = violations;
  const where = first?.index === undefined ? "" : `event ${first.index}: `;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return new BrokerError(code, `${where}${first?.message ?? "the event is refused"}${more}`, {
    violations,
  });
}
