/**
 * The one table of operational errors: stable code → HTTP status, title, advice. Problem details
 * (RFC 9457), the command line's messages and docs/reference/errors.md all come from it.
 * `stored` answers what a publisher must know: may the event have been stored all the same?
 */
export interface ErrorCodeFacts {
  readonly status: number;
  readonly title: string;
  /** What the reader of the error can do about it, one sentence. */
  readonly advice: string;
}

export const errorCodes = {
  invalid_event: {
    status: 400,
    title: "The event is not a valid CloudEvent",
    advice: "Mend the attributes named in errors and publish again; nothing was stored.",
  },
  invalid_request: {
    status: 400,
    title: "The request is not valid",
    advice: "Mend what errors names and send the request again.",
  },
  invalid_json: {
    status: 400,
    title: "The body is not valid JSON",
    advice: "Send one JSON value in UTF-8; the error names the position.",
  },
  invalid_resource: {
    status: 400,
    title: "The resource is not valid",
    advice: "Mend the members named in errors; nothing was changed.",
  },
  not_supported_yet: {
    status: 400,
    title: "This version does not support that yet",
    advice: "Leave the member out; the changelog says what each version can do.",
  },
  immutable: {
    status: 400,
    title: "This member cannot be changed",
    advice: "Create a new resource; to read a subscription again from another point use seek.",
  },
  unauthorized: {
    status: 401,
    title: "A token is required",
    advice: "Send Authorization: Bearer with the token the broker was started with.",
  },
  signature_invalid: {
    status: 401,
    title: "The webhook's signature does not match",
    advice: "Set the same secret at the sender and at the source.",
  },
  forbidden: {
    status: 403,
    title: "This request is not allowed",
    advice: "Start the broker with --token to serve names other than loopback.",
  },
  not_found: {
    status: 404,
    title: "There is nothing at this path",
    advice: "See /openapi.json for the paths of this version.",
  },
  bus_not_found: {
    status: 404,
    title: "There is no such bus",
    advice: "Create it with PUT /v1/buses/{bus} or millrace bus create.",
  },
  subscription_not_found: {
    status: 404,
    title: "There is no such subscription",
    advice: "List the subscriptions with GET /v1/subscriptions.",
  },
  source_not_found: {
    status: 404,
    title: "There is no such source",
    advice: "Create it with PUT /v1/sources/{source}.",
  },
  event_not_found: {
    status: 404,
    title: "There is no event at this offset yet",
    advice: "Offsets below the bus's next offset exist.",
  },
  dead_letter_not_found: {
    status: 404,
    title: "There is no such dead letter",
    advice: "List them with GET /v1/subscriptions/{id}/dead-letters.",
  },
  replay_not_found: {
    status: 404,
    title: "There is no such replay",
    advice: "List them with GET /v1/subscriptions/{id}/replays; old ones are forgotten.",
  },
  delayed_not_found: {
    status: 404,
    title: "No such delayed event waits",
    advice: "It was appended or cancelled; GET /v1/buses/{bus}/delayed lists those that wait.",
  },
  method_not_allowed: {
    status: 405,
    title: "This path does not take that method",
    advice: "The Allow header lists the methods it takes.",
  },
  request_timeout: {
    status: 408,
    title: "The request body came too slowly",
    advice: "Send the body faster than the limit bodyBytesPerSecondMin; nothing was stored.",
  },
  already_exists: {
    status: 409,
    title: "There is one of that name already",
    advice: "Choose another name, or change the existing one with PUT or PATCH.",
  },
  not_blocked: {
    status: 409,
    title: "No key is blocked by this event",
    advice: "Look at the status of the subscription; somebody may have moved it already.",
  },
  in_use: {
    status: 409,
    title: "Other resources still use this one",
    advice: "Delete those first, or delete all with ?cascade=true (--cascade).",
  },
  id_reused: {
    status: 409,
    title: "This id was published before with other content",
    advice: "Give each event an id of its own; nothing was stored.",
  },
  event_expired: {
    status: 410,
    title: "The event is no longer kept",
    advice: "Retention removed it; read from the oldest kept with from=earliest.",
  },
  event_damaged: {
    status: 410,
    title: "The stored event is damaged",
    advice: "The disk returned other bytes than were written; see the log of the broker.",
  },
  precondition_failed: {
    status: 412,
    title: "The precondition of the request does not hold",
    advice:
      "If the name is taken choose another; if it has changed, read it again and use the new ETag.",
  },
  event_too_large: {
    status: 413,
    title: "The event is too large",
    advice: "Keep an event within eventBytesMax; put large data elsewhere and set dataref.",
  },
  batch_too_large: {
    status: 413,
    title: "The batch is too large",
    advice: "Split it: at most batchEventsMax events and batchBytesMax bytes.",
  },
  request_too_large: {
    status: 413,
    title: "The request body is too large",
    advice: "Send less; spec/limits.md names the limit.",
  },
  unsupported_content_type: {
    status: 415,
    title: "The content type is not supported here",
    advice: "The message names the content types that are.",
  },
  too_many_headers: {
    status: 431,
    title: "The request has too many or too large headers",
    advice: "Send the event in structured mode.",
  },
  overloaded: {
    status: 429,
    title: "The broker is at a limit",
    advice: "Wait for Retry-After and send the request again; nothing was stored.",
  },
  internal: {
    status: 500,
    title: "The broker made an error",
    advice: "Please report it with the broker's log lines of that moment.",
  },
  storage_unavailable: {
    status: 503,
    title: "Storage cannot take events now",
    advice: "Nothing was stored; wait for Retry-After and publish again.",
  },
  outcome_unknown: {
    status: 503,
    title: "Whether the event was stored is unknown",
    advice: "Publish again; with deduplication on, a repeat is recognised.",
  },
  stopping: {
    status: 503,
    title: "The broker is stopping",
    advice: "Nothing was stored; publish again to the next broker or after the restart.",
  },
  disk_full: {
    status: 507,
    title: "The disk is full",
    advice:
      "Make room on the file system of the data directory, or shorten the retention; nothing was stored.",
  },
  bus_full: {
    status: 507,
    title: "The bus is full of events that nobody has seen yet",
    advice:
      "Let the subscription that the message names catch up, seek on or go, or keep more in retention.",
  },

  // Start-up and data directory: these stop the process, no request ever sees them.
  data_dir_in_use: {
    status: 500,
    title: "Another process uses this data directory",
    advice: "Stop the other broker or choose another --data-dir.",
  },
  data_dir_too_new: {
    status: 500,
    title: "This data directory was written by a later version",
    advice: "Start the version that wrote it; nothing was changed.",
  },
  data_corrupt: {
    status: 500,
    title: "The data directory holds damage that cannot be opened safely",
    advice: "Keep a copy of it and see spec/log-format.md for what can be done.",
  },
  invalid_config: {
    status: 500,
    title: "The configuration is not valid",
    advice: "Mend the flag or variable the message names; millrace serve --help lists them.",
  },
  cannot_listen: {
    status: 500,
    title: "The broker cannot listen on this address",
    advice: "Choose another --port or --host, or stop the process that listens there.",
  },
  secret_key_missing: {
    status: 500,
    title: "The key that opens the stored secrets is missing or wrong",
    advice: "Set MILLRACE_SECRET_KEY or MILLRACE_SECRET_KEY_FILE to the key used before.",
  },
  fenced: {
    status: 500,
    title: "Another broker has taken over this bus",
    advice: "Nothing to do: the new holder goes on from the last commit.",
  },
} as const;

export type ErrorCode = keyof typeof errorCodes;
