/** Milliseconds: how long a borrower keeps a buffer before it is asked for it, and how long a client may take to fill one. */
const patience = 1000
const turn = 10_000
/** Bytes of the smallest piece that is lent to a slow client, and how many times `patience` it may keep that one. */
export const leastPiece = 64 * 1024
const patienceWithLeast = 30
/** Bytes up to which buffers have few sizes, so that one that is returned suits the next borrower. */
const largestRounded = 8 * 2 ** 20

/** Asks for a buffer that is not full. `pace`: bytes a second that came into it. */
export type Recall = (pace: number) => void

/** A buffer in which one part waits until it is full, and then until S3 has it. */
export class PartLoan {
  readonly buffer: Buffer
  filled = 0
  /** Set when nothing more comes into it: it is returned as soon as S3 has its bytes. */
  isFinal = false
  readonly recall: Recall | undefined
  readonly #since = performance.now()

  constructor(buffer: Buffer, recall: Recall | undefined) {
    this.buffer = buffer
    this.recall = recall
  }

  get bytes(): Buffer {
    return this.buffer.subarray(0, this.filled)
  }

  get room(): number {
    return this.buffer.length - this.filled
  }

  /** Milliseconds since it was lent. */
  get age(): number {
    return performance.now() - this.#since
  }

  /** Bytes a second. A second counts at least: what waited in the kernel comes at once, and says little. */
  get pace(): number {
    return this.filled / Math.max(1, this.age / 1000)
  }

  append(chunk: Uint8Array): void {
    this.buffer.set(chunk, this.filled)
    this.filled += chunk.length
  }
}

/** Bytes that a client at this pace fills in its turn. Undefined: as many as anybody. */
export function pieceOf(pace: number, partSize: number): number | undefined {
  const bytes = (pace * turn) / 1000
  return bytes >= partSize ? undefined : Math.max(leastPiece, 2 ** Math.floor(Math.log2(bytes)))
}

/**
 * Lends the buffers in which parts wait for S3, at most `bytes` of them at a time in this thread. Who asks for more than
 * is left waits in order. A borrower may hold one buffer that fills; it returns those that are being sent without waiting
 * for anything. While somebody waits, buffers that their clients would take too long to fill are recalled, the slowest
 * first. So everybody gets one in the end.
 */
export class PartBudget {
  readonly #bytes: number
  readonly #patience: number
  readonly #waiting: {
    readonly size: number
    readonly recall: Recall | undefined
    readonly resolve: (loan: PartLoan) => void
  }[] = []
  readonly #loans = new Set<PartLoan>()
  #lent = 0
  #timer: NodeJS.Timeout | undefined
  /** A returned buffer, kept because fresh memory of this size costs a page fault for each page. */
  readonly #idle: Buffer[] = []

  /** `wait`: milliseconds that a borrower keeps a buffer at least. */
  constructor(bytes: number, wait = patience) {
    this.#bytes = bytes
    this.#patience = wait
  }

  /**
   * Resolves to a buffer of at least `size` bytes, or of the whole budget if that is less. `recall` is called at most once, if the
   * buffer fills too slowly while others wait; without it the buffer stays lent. Never in the turn in which it was lent.
   */
  take(size: number, recall?: Recall): Promise<PartLoan> | PartLoan {
    const most = Math.min(roundedUp(size), this.#bytes)
    if (this.#waiting.length === 0 && this.#lent + most <= this.#bytes) return this.#lend(most, recall)
    this.#timer ??= setInterval(() => this.#recallSlow(), this.#patience / 4).unref()
    return new Promise((resolve) => this.#waiting.push({ size: most, recall, resolve }))
  }

  give(loan: PartLoan): void {
    this.#loans.delete(loan)
    this.#lent -= loan.buffer.length
    this.#idle.push(loan.buffer)
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#lent + next.size > this.#bytes) break
      this.#waiting.shift()
      next.resolve(this.#lend(next.size, next.recall))
    }
    if (this.#waiting.length === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    // Idle and lent buffers together stay within the budget.
    let idle = this.#idle.reduce((sum, { length }) => sum + length, 0)
    while (idle + this.#lent > this.#bytes) idle -= this.#idle.shift()?.length ?? idle
  }

  #lend(size: number, recall: Recall | undefined): PartLoan {
    this.#lent += size
    const at = this.#idle.findIndex((buffer) => buffer.length === size)
    const buffer = at < 0 ? Buffer.allocUnsafeSlow(size) : (this.#idle.splice(at, 1)[0] as Buffer)
    const loan = new PartLoan(buffer, recall)
    this.#loans.add(loan)
    return loan
  }

  /** Asks for as many bytes as others wait for, without those that come back by themselves. */
  #recallSlow(): void {
    let wanted = this.#waiting.reduce((sum, { size }) => sum + size, 0)
    for (const { isFinal, buffer } of this.#loans) if (isFinal) wanted -= buffer.length
    const slow = [...this.#loans].filter((loan) => this.#isSlow(loan)).sort((a, b) => a.pace - b.pace)
    for (const loan of slow) {
      if (wanted <= 0) return
      wanted -= loan.buffer.length
      loan.isFinal = true
      loan.recall?.(loan.pace)
    }
  }

  #isSlow({ isFinal, recall, age, buffer, room, pace }: PartLoan): boolean {
    const kept = buffer.length > leastPiece ? this.#patience : this.#patience * patienceWithLeast
    return !isFinal && recall !== undefined && age >= kept && (age >= turn || room > (pace * turn) / 1000)
  }
}

function roundedUp(size: number): number {
  return size > largestRounded ? size : Math.max(leastPiece, 2 ** Math.ceil(Math.log2(size)))
}
