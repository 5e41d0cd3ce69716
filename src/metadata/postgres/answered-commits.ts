/** Milliseconds of which the newest commit is kept. */
const step = 250
/** Steps that are kept: half a minute of commits without a pause. */
const most = 120
/** Milliseconds; younger than what `LogPruner` deletes. */
const oldest = 300_000

/**
 * The attempts of the durable commits that one thread has answered last, one of each quarter of a second. A failover that
 * loses commits loses the newest ones, and takes longer than that: the last one before it is among them.
 */
export class AnsweredCommits {
  readonly #attempts: { readonly step: number; readonly attempt: string }[] = []

  /** `now`: milliseconds of a clock that never goes back. */
  add(attempt: string, now: number): void {
    const answered = { step: Math.floor(now / step), attempt }
    if (this.#attempts.at(-1)?.step === answered.step) this.#attempts.pop()
    this.#attempts.push(answered)
    if (this.#attempts.length > most) this.#attempts.shift()
  }

  /** Those that the change log must still have. */
  list(now: number): readonly string[] {
    const first = Math.floor((now - oldest) / step)
    return this.#attempts.filter((answered) => answered.step >= first).map(({ attempt }) => attempt)
  }

  /** To be called when a comparison has shown that they are lost: it is said once. */
  clear(): void {
    this.#attempts.length = 0
  }
}
