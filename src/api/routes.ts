/**
 * The paths of the HTTP API, in one place for the server, the client and the command line.
 * A template such as `/v1/buses/{bus}` documents; a builder makes the path of one resource.
 */
export const paths = {
  buses: "/v1/buses",
  bus: "/v1/buses/{bus}",
  events: "/v1/buses/{bus}/events",
  event: "/v1/buses/{bus}/events/{offset}",
  /** Where publishers written for Vanus send. */
  gateway: "/gateway/{bus}",
  vanusEvents: "/namespaces/default/eventbus/{bus}/events",
  subscriptions: "/v1/subscriptions",
  subscription: "/v1/subscriptions/{id}",
  pause: "/v1/subscriptions/{id}/pause",
  resume: "/v1/subscriptions/{id}/resume",
  status: "/v1/subscriptions/{id}/status",
  deadLetters: "/v1/subscriptions/{id}/dead-letters",
  deadLetter: "/v1/subscriptions/{id}/dead-letters/{letter}",
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
export const eventPath = (bus: string, offset: number): string => fill(paths.event, bus, offset);
export const subscriptionPath = (id: string): string => fill(paths.subscription, id);
export const pausePath = (id: string): string => fill(paths.pause, id);
export const resumePath = (id: string): string => fill(paths.resume, id);
export const statusPath = (id: string): string => fill(paths.status, id);
export const deadLettersPath = (id: string): string => fill(paths.deadLetters, id);
export const deadLetterPath = (id: string, letter: string): string =>
  fill(paths.deadLetter, id, letter);
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
} as const;

/** Headers of the API that no other specification defines. */
export const headerNames = {
  offset: "millrace-offset",
  offsets: "millrace-offsets",
  nextOffset: "millrace-next-offset",
  gap: "millrace-gap",
  /** `true` on the answer to a publish of an event that the bus had already. */
  duplicate: "millrace-duplicate",
  /** Of an answer: the id of a delayed event. */
  delayed: "millrace-delayed",
  /** Of a publish: how long its events are to wait, as a duration. */
  delay: "millrace-delay",
} as const;
