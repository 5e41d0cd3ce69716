import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import { MachineFiles } from '../trust/machine-files.ts'
import type { Alarm } from './alarm.ts'
import type { CanaryKeeper } from './canary-keeper.ts'
import { canaryImage, pullContextOf } from './canary-pull.ts'
import type { DesiredState } from './desired-state.ts'
import type { TrustState } from './trust-keeper.ts'

export interface ProofOptions {
  readonly node: string
  readonly hostRoot: string
  readonly canary: CanaryKeeper
  /** A token of the agent's own account, for pulls without a certificate. */
  readonly token: () => Promise<string>
  /** Rung when a pull has ended. */
  readonly alarm: Alarm
  readonly log: Log
}

/**
 * Pulls the canary in the background, one pull at a time: a pull that hangs does not delay the checks of
 * files.
 */
export class Proof {
  readonly #options: ProofOptions
  #pulling: Promise<void> | undefined
  #fault: Error | undefined

  constructor(options: ProofOptions) {
    this.#options = options
  }

  /** Milliseconds until `start` must be called again. Undefined: no pull is wanted, or one is running. */
  wait(desiredState: DesiredState | undefined, state: TrustState | undefined): number | undefined {
    const settings = desiredState?.settings
    const isWanted = settings?.mode === 'trust' && settings.canary !== undefined
    if (!isWanted || state?.facts.socket === undefined || this.#pulling !== undefined) return undefined
    return this.#options.canary.wait
  }

  /** Starts a pull if one is due and none is running. Rejects with the bug that the last pull has met. */
  async start(desiredState: DesiredState | undefined, state: TrustState | undefined): Promise<void> {
    const fault = this.#fault
    this.#fault = undefined
    if (fault !== undefined) throw fault
    const image = desiredState && canaryImage(desiredState)
    if (this.#pulling !== undefined || desiredState === undefined || state?.facts.socket === undefined) return
    if (image === undefined || !this.#options.canary.isDue(image, state.written)) return
    this.#pulling = this.#pull(desiredState, state)
      .catch((error: unknown) => {
        this.#fault = error instanceof Error ? error : new Error(reasonOf(error))
      })
      .finally(() => {
        this.#pulling = undefined
      })
  }

  /** Removes what was pulled, once the files are removed. */
  async forget(desiredState: DesiredState, { facts: { socket } }: TrustState): Promise<void> {
    await this.#pulling
    const image = canaryImage(desiredState)
    if (socket === undefined || image === undefined) return
    await this.#options.canary.forget(await new MachineFiles(this.#options.hostRoot).locate(socket), image)
  }

  close(): void {
    this.#options.canary.close()
  }

  async #pull(desiredState: DesiredState, { facts, identity, written }: TrustState): Promise<void> {
    const { node, hostRoot, canary, token, alarm, log } = this.#options
    const image = canaryImage(desiredState)
    if (facts.socket === undefined || image === undefined) return
    const where = pullContextOf(node, desiredState, facts, identity?.kind ?? 'none')
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
