import { Lane } from '../../crash/load.ts'
import { Unanswered, type Client } from '../../crash/http-client.ts'
import { randomNumbers, type RepositoryModel } from '../../crash/model.ts'
import { verifyRepository } from '../../crash/verify.ts'

/** Times that a client pushes a blob whose push was not answered. */
const mostPushes = 50

/** Several clients with mixed load, which can be held between two steps. */
export class Load {
  readonly lanes: readonly Lane[]
  /** A sentence for each broken promise. */
  readonly losses: string[] = []
  readonly #client: Client
  readonly #working: Promise<void>[] = []
  #isOver = false
  #held: PromiseWithResolvers<void> | undefined
  #idle = 0
  #onIdle: (() => void) | undefined

  constructor(client: Client, seed: number, lanes: number) {
    this.#client = client
    this.lanes = Array.from(
      { length: lanes },
      (_, index) => new Lane(index, randomNumbers(seed * 31 + index), { large: 0.03, persist }),
    )
  }

  get repositories(): readonly RepositoryModel[] {
    return this.lanes.flatMap((lane) => lane.repositories)
  }

  get acknowledged(): number {
    return this.lanes.reduce((sum, { counts }) => sum + counts.acknowledged, 0)
  }

  start(): void {
    for (const lane of this.lanes) this.#working.push(this.#work(lane))
  }

  /** From now on no client begins a step. `idle` resolves when none is in one. */
  hold(): { readonly idle: Promise<void> } {
    this.#held ??= Promise.withResolvers<void>()
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve
      if (this.#idle === this.lanes.length) resolve()
    })
    return { idle }
  }

  release(): void {
    const held = this.#held
    this.#held = this.#onIdle = undefined
    held?.resolve()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    this.release()
    await Promise.all(this.#working)
  }

  async #work(lane: Lane): Promise<void> {
    while (!this.#isOver) {
      await this.#gate()
      try {
        await lane.run(this.#client, () => this.#isOver || this.#held !== undefined)
        for (const model of lane.repositories) if (model.pending !== undefined) await this.#settle(model)
      } catch (error) {
        // What a client believed before a promotion may not be so after it.
        if (this.#held === undefined) await this.#broken(lane, error as Error)
      }
    }
  }

  async #gate(): Promise<void> {
    if (this.#held === undefined) return
    this.#idle++
    if (this.#idle === this.lanes.length) this.#onIdle?.()
    await this.#held.promise
    this.#idle--
  }

  async #broken(lane: Lane, error: Error): Promise<void> {
    this.losses.push(`under load: ${error.message}`)
    for (const model of lane.repositories) {
      model.pending = undefined
      await this.#settle(model)
    }
  }

  /** Asks what has become of a change that was not answered. */
  async #settle(model: RepositoryModel): Promise<void> {
    this.losses.push(...(await verifyRepository(this.#client, model, undefined)))
  }
}

async function persist(push: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      return await push()
    } catch (error) {
      if (!(error instanceof Unanswered) || tries === mostPushes) throw error
    }
  }
}
