/** Milliseconds of a clock that all threads share and that is never set; `performance.now()` is of one thread. */
export function systemUptime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
