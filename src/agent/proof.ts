import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import { MachineFiles } from '../trust/machine-files.ts'
import type { Alarm } from './alarm.ts'
import type { CanaryKeeper } from './canary-keeper.ts'
import { canaryImage, surroundingsOf } from './canary-orders.ts'
import type { NodeOrders } from './node-orders.ts'
import type { TrustState } from './trust-keeper.ts'

export interface ProofOptions {
  readonly node: string
  readonly hostRoot: string
  readonly canary: CanaryKeeper
  /** A token of the agent's own account, for pulls where nodes have no certificate. */
  readonly token: () => Promise<string>
  /** Rung when a pull has ended. */
  readonly alarm: Alarm
  readonly log: Log
}

/** Pulls of the canary, one at a time, beside everything else: one that hangs keeps nobody from looking at files. */
export class Proof {
  readonly #options: ProofOptions
  #pulling: Promise<void> | undefined
  #fault: Error | undefined

  constructor(options: ProofOptions) {
    this.#options = options
  }

  /** Milliseconds until `start` is to be called again; undefined: nothing is to be proved, or is being. */
  wait(orders: NodeOrders | undefined, state: TrustState | undefined): number | undefined {
    const settings = orders?.settings
    const isWanted = settings?.mode === 'trust' && settings.canary !== undefined
    if (!isWanted || state?.facts.socket === undefined || this.#pulling !== undefined) return undefined
    return this.#options.canary.wait
  }

  /** Pulls if it is time and nothing is being pulled. Rejects with the bug that the last pull has met. */
  async start(orders: NodeOrders | undefined, state: TrustState | undefined): Promise<void> {
    const fault = this.#fault
    this.#fault = undefined
    if (fault !== undefined) throw fault
    const image = orders && canaryImage(orders)
    if (this.#pulling !== undefined || orders === undefined || state?.facts.socket === undefined) return
    if (image === undefined || !this.#options.canary.isDue(image, state.written)) return
    this.#pulling = this.#pull(orders, state)
      .catch((error: unknown) => {
        this.#fault = error instanceof Error ? error : new Error(reasonOf(error))
      })
      .finally(() => {
        this.#pulling = undefined
      })
  }

  /** The files are gone: so is what was pulled by them. */
  async forget(orders: NodeOrders, { facts: { socket } }: TrustState): Promise<void> {
    await this.#pulling
    const image = canaryImage(orders)
    if (socket === undefined || image === undefined) return
    await this.#options.canary.forget(await new MachineFiles(this.#options.hostRoot).locate(socket), image)
  }

  close(): void {
    this.#options.canary.close()
  }

  async #pull(orders: NodeOrders, { facts, identity, written }: TrustState): Promise<void> {
    const { node, hostRoot, canary, token, alarm, log } = this.#options
    const image = canaryImage(orders)
    if (facts.socket === undefined || image === undefined) return
    const where = surroundingsOf(node, orders, facts, identity?.kind ?? 'none')
    const socket = await new MachineFiles(hostRoot).locate(facts.socket)
    const credential = where.identity === 'service-account' ? token : undefined
    try {
      if (!(await canary.keep({ socket, image, written, where, credential }))) return
    } catch (error) {
      alarm.ring()
      throw error
    }
    const { result } = canary
    if (result?.ok === true) log.debug('the canary was pulled', { image })
    else log.warn('the canary could not be pulled', { image, error: result?.error })
    alarm.ring()
  }
}
