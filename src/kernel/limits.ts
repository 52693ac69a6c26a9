/**
 * Every limit and default of the broker, in one place (P7). `spec/limits.md` lists the same names
 * and values with the behaviour at each limit; the docs check compares the two.
 * The unit comes last in each name: bytes, Ms, or a plain count. The values are plain literals,
 * because the declared type of the table is read off them without evaluating anything.
 */
export const limits = {
  // Publishing
  eventBytesMax: 1_048_576, // 1 MiB
  batchEventsMax: 1000,
  batchBytesMax: 8_388_608, // 8 MiB
  headerCountMax: 1000,
  headerBytesMax: 81_920, // 80 KiB
  jsonDepthMax: 64,
  jsonNodesMax: 1_000_000,
  validationErrorsMax: 100,
  appendQueueBytesMax: 67_108_864, // 64 MiB
  publishInFlightBytesMax: 268_435_456, // 256 MiB

  // HTTP server
  headersTimeoutMs: 10_000, // 10 s
  requestTimeoutMs: 60_000, // 60 s
  bodyRateGraceMs: 5000, // 5 s
  bodyBytesPerSecondMin: 1024, // 1 KiB
  bodySweepIntervalMs: 1000, // 1 s
  lingerMs: 500,
  lingerBytesMax: 16_777_216, // 16 MiB
  pathParameterLengthMax: 256,
  retryAfterSecondsDefault: 1,
  connectionsMax: 20_000,
  keepAliveTimeoutMs: 75_000, // 75 s
  adminBodyBytesMax: 1_048_576, // 1 MiB
  webhookBodyBytesMax: 26_214_400, // 25 MiB

  // Log on disk
  segmentBytesMax: 67_108_864, // 64 MiB
  groupRecordsMax: 4096,
  groupBytesMax: 16_777_216, // 16 MiB
  tailCacheBytesMax: 16_777_216, // 16 MiB
  tailCacheBytesTotalMax: 134_217_728, // 128 MiB
  offsetReserveCount: 65_536,
  closingMarkerDelayMs: 1000, // 1 s
  concurrentLogReadsMax: 2,
  diskRetryMs: 1000, // 1 s
  freeBytesIntervalMs: 10_000, // 10 s
  diskHeadroomBytesMin: 4_194_304, // 4 MiB

  // Reading
  readEventsDefault: 100,
  readEventsMax: 1000,
  readBytesMax: 8_388_608, // 8 MiB
  readWaitMsMax: 30_000, // 30 s

  // State database
  stateCommitIntervalMs: 50,
  stateUncommittedMsMax: 1000, // 1 s
  stateRequestsMax: 10_000,
  stateBatchRequestsMax: 256,
  stateWalBytesMax: 67_108_864, // 64 MiB

  // Resources
  nameLengthMax: 63,
  busesMax: 10_000,
  subscriptionsMax: 100_000,
  sourcesMax: 10_000,
  descriptionLengthMax: 1024,
  labelsMax: 64,
  labelLengthMax: 256,
  sinkUrlLengthMax: 4096,
  secretsMax: 2,
  secretLengthMax: 1024,
  retentionMaxAgeMsDefault: 604_800_000, // 7 d
  retentionMaxAgeMsMin: 1000, // 1 s
  retentionMaxAgeMsMax: 3_153_600_000_000, // 36 500 d
  retentionIntervalMs: 2000, // 2 s
  clockDisagreementMsMax: 60_000, // 1 min
  listItemsDefault: 100,
  listItemsMax: 1000,

  // Filters and transformers
  filterNodesMax: 1000,
  filterDepthMax: 32,
  filterTextBytesMax: 65_536, // 64 KiB
  definitionsMax: 100,
  templateBytesMax: 65_536, // 64 KiB
  templatePlaceholdersMax: 1000,
  pathStepsMax: 64,
  pathMatchesMax: 10_000,
  transformOutputBytesMax: 1_048_576, // 1 MiB
  playgroundEventsMax: 100,

  // Delivery
  concurrencyDefault: 64,
  concurrencyMax: 1024,
  timeoutMsDefault: 60_000, // 60 s
  timeoutMsMax: 600_000, // 10 min
  retryMaxAgeMsDefault: 86_400_000, // 1 d
  retryMaxAgeMsMax: 2_592_000_000, // 30 d
  retryMinDelayMsDefault: 1000, // 1 s
  retryMaxDelayMsDefault: 600_000, // 10 min
  retryAfterMsMax: 86_400_000, // 1 d
  holdMsMax: 60_000, // 1 min
  parkedMax: 10_000,
  bufferedEventsMax: 1024,
  bufferedBytesMax: 4_194_304, // 4 MiB
  bufferedBytesTotalMax: 268_435_456, // 256 MiB
  bufferedBytesShare: 16_384, // 16 KiB
  lastErrorsMax: 10,
  expiredRangesMax: 100,
  connectionFailuresToSlow: 5,
  failingInFlightMax: 4,
  probeDelayMsMax: 60_000, // 1 min
  abortedRestMs: 100,
  matchedPerTurnMax: 512,
  attemptsPerTurnMax: 512,
  deadLetterRequestBytesMax: 65_536, // 64 KiB
  deadLetterAttemptsMax: 20,
  responseBytesMax: 65_536, // 64 KiB
  responseExcerptBytesMax: 1024, // 1 KiB
  deliveryHeaderBytesMax: 8192, // 8 KiB
  sinkHeadersMax: 64,
  sinkHeaderBytesMax: 8192, // 8 KiB
  sinkConnectionAgeMsMax: 300_000, // 5 min
  connectTimeoutMs: 10_000, // 10 s
  poolIdleMs: 30_000, // 30 s

  // Names
  dnsTimeoutMs: 2000, // 2 s
  dnsCacheMs: 30_000, // 30 s
  dnsFailureCacheMs: 1000, // 1 s
  dnsCacheEntriesMax: 10_000,

  // Metrics
  metricsBusesMax: 200,

  // Process
  stopTimeoutMs: 10_000, // 10 s
  stopAnswersMs: 3000, // 3 s
  stopDrainMs: 5000, // 5 s
  stopSweepIntervalMs: 50,
} as const;

export type LimitName = keyof typeof limits;
