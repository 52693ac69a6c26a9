/**
 * The paths of the HTTP API, in one place for the server, the client and the command line.
 * A template such as `/v1/buses/{bus}` documents; a builder makes the path of one resource.
 */
export const paths = {
  buses: "/v1/buses",
  bus: "/v1/buses/{bus}",
  events: "/v1/buses/{bus}/events",
  event: "/v1/buses/{bus}/events/{offset}",
  explain: "/v1/buses/{bus}/events/{offset}/explain",
  stream: "/v1/buses/{bus}/events/stream",
  export: "/v1/buses/{bus}/export",
  import: "/v1/buses/{bus}/import",
  delayed: "/v1/buses/{bus}/delayed",
  delayedEvent: "/v1/buses/{bus}/delayed/{id}",
  /** Where publishers written for Vanus send. */
  gateway: "/gateway/{bus}",
  vanusEvents: "/namespaces/default/eventbus/{bus}/events",
  subscriptions: "/v1/subscriptions",
  subscription: "/v1/subscriptions/{id}",
  pause: "/v1/subscriptions/{id}/pause",
  resume: "/v1/subscriptions/{id}/resume",
  seek: "/v1/subscriptions/{id}/seek",
  status: "/v1/subscriptions/{id}/status",
  /** The decision is skip, retry or dead-letter. */
  unblock: "/v1/subscriptions/{id}/blocked/{offset}/{decision}",
  deadLetters: "/v1/subscriptions/{id}/dead-letters",
  deadLetterExport: "/v1/subscriptions/{id}/dead-letters/export",
  deadLetterRedrive: "/v1/subscriptions/{id}/dead-letters/redrive",
  deadLetter: "/v1/subscriptions/{id}/dead-letters/{letter}",
  attempts: "/v1/subscriptions/{id}/attempts",
  replays: "/v1/subscriptions/{id}/replays",
  replay: "/v1/subscriptions/{id}/replays/{replay}",
  sources: "/v1/sources",
  source: "/v1/sources/{name}",
  hook: "/hooks/{source}",
  playground: "/v1/playground",
  live: "/health/live",
  ready: "/health/ready",
  metrics: "/metrics",
  openapi: "/openapi.json",
} as const;

export type PathTemplate = (typeof paths)[keyof typeof paths];

export const busPath = (bus: string): string => fill(paths.bus, bus);
export const eventsPath = (bus: string): string => fill(paths.events, bus);
export const streamPath = (bus: string): string => fill(paths.stream, bus);
export const exportPath = (bus: string): string => fill(paths.export, bus);
export const importPath = (bus: string): string => fill(paths.import, bus);
export const eventPath = (bus: string, offset: number): string => fill(paths.event, bus, offset);
export const delayedPath = (bus: string): string => fill(paths.delayed, bus);
export const delayedEventPath = (bus: string, id: string): string =>
  fill(paths.delayedEvent, bus, id);
export const subscriptionPath = (id: string): string => fill(paths.subscription, id);
export const pausePath = (id: string): string => fill(paths.pause, id);
export const resumePath = (id: string): string => fill(paths.resume, id);
export const seekPath = (id: string): string => fill(paths.seek, id);
export const unblockPath = (id: string, offset: number, decision: string): string =>
  fill(paths.unblock, id, offset, decision);
export const statusPath = (id: string): string => fill(paths.status, id);
export const deadLettersPath = (id: string): string => fill(paths.deadLetters, id);
export const deadLetterPath = (id: string, letter: string): string =>
  fill(paths.deadLetter, id, letter);
export const deadLetterExportPath = (id: string): string => fill(paths.deadLetterExport, id);
export const deadLetterRedrivePath = (id: string): string => fill(paths.deadLetterRedrive, id);
export const attemptsPath = (id: string): string => fill(paths.attempts, id);
export const replaysPath = (id: string): string => fill(paths.replays, id);
export const replayPath = (id: string, replay: string): string => fill(paths.replay, id, replay);
export const explainPath = (bus: string, offset: number): string =>
  fill(paths.explain, bus, offset);
export const sourcePath = (name: string): string => fill(paths.source, name);
export const hookPath = (source: string): string => fill(paths.hook, source);

/** Puts the values, percent-encoded, into the braces of the template, in order. */
function fill(template: string, ...values: readonly (string | number)[]): string {
  let next = 0;
  return template.replace(/\{[^}]+\}/g, () => encodeURIComponent(values[next++] ?? ""));
}

/** The media types of bodies. */
export const mediaTypes = {
  json: "application/json",
  mergePatch: "application/merge-patch+json",
  problem: "application/problem+json",
  event: "application/cloudevents+json",
  batch: "application/cloudevents-batch+json",
  lines: "application/x-ndjson",
  stream: "text/event-stream",
} as const;

/** Headers of the API that no other specification defines. */
export const headerNames = {
  offset: "millrace-offset",
  offsets: "millrace-offsets",
  nextOffset: "millrace-next-offset",
  gap: "millrace-gap",
  /** A trailer of an export: how many events it holds. */
  count: "millrace-count",
  /** `true` on the answer to a publish of an event that the bus had already. */
  duplicate: "millrace-duplicate",
  /** Of an answer: the id of a delayed event. */
  delayed: "millrace-delayed",
  /** Of a publish: how long its events are to wait, as a duration. */
  delay: "millrace-delay",
} as const;
