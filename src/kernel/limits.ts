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

  // Deduplication
  deduplicationWindowMsDefault: 600_000, // 10 min
  deduplicationWindowMsMin: 1000, // 1 s
  deduplicationWindowMsMax: 604_800_000, // 7 d
  deduplicationKeysDefault: 1_000_000,
  deduplicationKeysMax: 10_000_000,
  deduplicationKeysTotalMax: 20_000_000,
  deduplicationSweepMs: 1000, // 1 s
  deduplicationSweepKeysMax: 20_000,
  deduplicationWarningMs: 60_000, // 1 min

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
  fsyncIntervalMs: 1000, // 1 s
  closingMarkerDelayMs: 1000, // 1 s
  concurrentLogReadsMax: 2,
  logIndexBytesMax: 16_777_216, // 16 MiB
  readRetriesMax: 3,
  unreadableMsMin: 30_000, // 30 s
  scrubBytesPerSecond: 5_242_880, // 5 MiB
  scrubIntervalMs: 604_800_000, // 7 d
  diskRetryMs: 1000, // 1 s
  freeBytesIntervalMs: 1000, // 1 s
  diskHeadroomBytesMin: 67_108_864, // 64 MiB
  diskReserveBytes: 16_777_216, // 16 MiB
  diskStartReserveBytes: 1_048_576, // 1 MiB
  smallDiskShare: 16,

  // Reading
  readEventsDefault: 100,
  readEventsMax: 1000,
  readBytesMax: 8_388_608, // 8 MiB
  readWaitMsMax: 30_000, // 30 s
  readScanEventsMax: 50_000,
  readScanBytesMax: 33_554_432, // 32 MiB
  readInFlightBytesMax: 134_217_728, // 128 MiB
  readTurnMsMax: 2,
  readRestShare: 4,
  readIdleTurnMs: 0.2,
  readTurnEventsMax: 256,
  readTurnBytesMax: 1_048_576, // 1 MiB
  gapRangesMax: 100,
  streamsMax: 5000,
  streamTurnBytesMax: 65_536, // 64 KiB
  streamBytesTotalMax: 134_217_728, // 128 MiB
  streamHeartbeatMs: 15_000, // 15 s
  answerStallMsMax: 30_000, // 30 s
  answerSweepIntervalMs: 1000, // 1 s
  exportsMax: 16,
  exportTurnBytesMax: 262_144, // 256 KiB
  importsMax: 16,
  importLineBytesMax: 8_388_608, // 8 MiB
  importGroupEventsMax: 1000,
  importGroupBytesMax: 1_048_576, // 1 MiB
  importRetryMs: 100,

  // State database
  stateCommitIntervalMs: 50,
  stateUncommittedMsMax: 1000, // 1 s
  stateRequestsMax: 10_000,
  stateBatchRequestsMax: 256,
  stateWalBytesMax: 67_108_864, // 64 MiB
  stateRestartDelayMs: 1000, // 1 s

  // Delayed events
  delayMsMax: 31_622_400_000, // 366 d
  delayedEventsMax: 1_000_000,
  delayedBytesMax: 1_073_741_824, // 1 GiB
  delayedGroupEventsMax: 1000,
  delayedGroupBytesMax: 8_388_608, // 8 MiB
  delayedWindowEventsMax: 2000,
  delayedWindowBytesMax: 2_097_152, // 2 MiB
  delayedAppendedMax: 4000,
  delayedTimerMsMax: 1000, // 1 s
  delayedMarkEvents: 16_384,
  delayedMarkIntervalMs: 10_000, // 10 s

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
  credentialLengthMax: 8192,
  retentionMaxAgeMsDefault: 604_800_000, // 7 d
  retentionMaxAgeMsMin: 1000, // 1 s
  retentionMaxAgeMsMax: 3_153_600_000_000, // 36 500 d
  retentionIntervalMs: 2000, // 2 s
  clockDisagreementMsMax: 60_000, // 1 min
  segmentAgeMsMin: 1000, // 1 s
  segmentRollBytesMin: 1_048_576, // 1 MiB
  busFullRecheckMs: 100,
  listItemsDefault: 100,
  listItemsMax: 1000,

  // Filters and transformers
  filterNodesMax: 1000,
  filterDepthMax: 32,
  filterTextBytesMax: 65_536, // 64 KiB
  expressionDepthMax: 64,
  expressionNodesMax: 1000,
  expressionWorkMax: 8_388_608,
  definitionsMax: 100,
  templateBytesMax: 65_536, // 64 KiB
  templatePlaceholdersMax: 1000,
  pathStepsMax: 64,
  pathMatchesMax: 10_000,
  transformOutputBytesMax: 1_048_576, // 1 MiB
  pipelineCommandsMax: 100,
  pipelineNestingMax: 4,
  pipelineListLengthMax: 10_000,
  pipelineWorkMax: 4_194_304, // 4 Mi characters
  regexLengthMax: 1000,
  regexProgramMax: 2000,
  regexWorkMax: 50_000_000,
  regexTimeMsMax: 100,
  playgroundEventsMax: 100,
  playgroundLastMax: 10_000,

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
  retryDelaysMax: 100,
  retryStatusesMax: 100,
  holdMsMax: 60_000, // 1 min
  parkedMax: 10_000,
  blockedHeadsShown: 100,
  orderingPathLengthMax: 500,
  bufferedEventsMax: 1024,
  bufferedBytesMax: 4_194_304, // 4 MiB
  bufferedBytesTotalMax: 268_435_456, // 256 MiB
  bufferedBytesShare: 16_384, // 16 KiB
  lastErrorsMax: 10,
  expiredRangesMax: 100,
  previousGenerationsMax: 10,
  circuitFailuresToOpen: 5,
  circuitEventsToOpen: 3,
  circuitKeyLengthMax: 256,
  slowStartAfterMs: 60_000, // 1 min
  rateLimitMax: 1_000_000,
  rateBurstMs: 100,
  probeDelayMsMax: 60_000, // 1 min
  abortedRestMs: 100,
  matchedPerTurnMax: 512,
  evaluationsPerTurnMax: 20_000,
  attemptsPerTurnMax: 512,
  deadLetterRequestBytesMax: 65_536, // 64 KiB
  deadLetterAttemptsMax: 20,
  deadLettersMax: 100_000,
  deadLetterAgeMsMax: 2_592_000_000, // 30 d
  deadLetterSweepMs: 60_000, // 1 min
  deadLetterStepLetters: 500,
  redriveLettersMax: 1000,
  redriveRateMax: 10_000,
  replaysRunningMax: 4,
  replaysKeptMax: 20,
  replayWaitingMax: 1000,
  replayTickMs: 100,
  replaySendsMax: 8,
  replaySendAttemptsMax: 3,
  attemptLogFailuresMax: 1000,
  attemptLogSuccessesMax: 200,
  attemptLogBytesMax: 1_048_576, // 1 MiB
  attemptLogAgeMsMax: 604_800_000, // 7 d
  attemptSampleIntervalMs: 10_000, // 10 s
  attemptSamplesPerCommitMax: 64,
  attemptsUncommittedMax: 10_000,
  explainSubscriptionsDefault: 20,
  explainSubscriptionsMax: 100,
  explainAttemptsMax: 20,
  responseBytesMax: 65_536, // 64 KiB
  responseExcerptBytesMax: 1024, // 1 KiB
  deliveryHeaderBytesMax: 8192, // 8 KiB
  sinkHeadersMax: 64,
  sinkHeaderBytesMax: 8192, // 8 KiB
  sinkBatchEventsDefault: 100,
  sinkBatchEventsMax: 1000,
  sinkBatchBytesDefault: 1_000_000,
  sinkBatchBytesMax: 8_388_608, // 8 MiB
  sinkBatchLingerMsDefault: 20,
  sinkBatchLingerMsMax: 60_000, // 1 min
  allowedSinksMax: 1000,
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
  stopTimeoutMs: 7000, // 7 s
  stopEngineMsMin: 1500, // 1.5 s
  stopAnswersMs: 2000, // 2 s
  stopIdleMs: 100,
  stopDrainMs: 2500, // 2.5 s
  stopSweepIntervalMs: 25,
  stopExitMs: 500,
} as const;

export type LimitName = keyof typeof limits;
