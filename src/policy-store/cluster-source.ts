import type { ClusterObjects, KubeChange } from '../cluster/cluster-objects.ts'
import { everyPolicy, policyKinds, type PolicyKind } from '../cluster/policy-object.ts'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import { unitName, unitOf } from './object-unit.ts'
import type { PolicySource, SourceListener, SourceUnit, UnitOutcome } from './policy-source.ts'
import { StatusWriter } from './status-writer.ts'

export interface ClusterSourceParts {
  readonly objects: ClusterObjects
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: Log
}

/** Seconds: a source is taken for alive that was heard within 10. */
const renewal = 4
/** Milliseconds until something is said at first. */
const firstWord = 4000

interface Followed {
  readonly units: Map<string, SourceUnit>
  isListed: boolean
  /** Since `alive` was told last. */
  isHeard: boolean
  fault: string | undefined
}

/**
 * The policies and exceptions of a cluster, each object a unit: listed, then watched. The watches are asked for anew every
 * few seconds, so that one that died without a word is not taken for one on which nothing happens.
 */
export class ClusterSource implements PolicySource {
  readonly name = 'the cluster'
  readonly #parts: ClusterSourceParts
  readonly #status: StatusWriter
  readonly #end = new AbortController()
  readonly #followed: ReadonlyMap<PolicyKind, Followed>
  #listener: SourceListener | undefined
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  /** There is something that the listener was not told. */
  #isNew = true

  constructor(parts: ClusterSourceParts) {
    this.#parts = parts
    this.#status = new StatusWriter(parts)
    const none = { isListed: false, isHeard: false, fault: undefined }
    this.#followed = new Map(policyKinds.map(({ kind }) => [kind, { ...none, units: new Map() }]))
  }

  watch(listener: SourceListener): void {
    this.#listener = listener
    this.#timer = setTimeout(() => listener.away('the API server has not answered yet'), firstWord)
    for (const [kind, followed] of this.#followed) void this.#follow(kind, followed)
  }

  async close(): Promise<void> {
    this.#listener = undefined
    this.#end.abort()
    clearTimeout(this.#timer)
    clearImmediate(this.#soon)
    await this.#status.close()
  }

  /** Writes what has become of the units into their `status`, a few in a second, where it does not stand there. */
  report(outcomes: readonly UnitOutcome[]): void {
    this.#status.report(outcomes)
  }

  async #follow(kind: PolicyKind, followed: Followed): Promise<void> {
    const listeners = {
      onChange: (change: KubeChange) => this.#take(kind, followed, change),
      onHeard: () => this.#hear(followed),
      onFault: (fault: Error) => this.#lose(followed, reasonOf(fault)),
    }
    try {
      await this.#parts.objects.watch(everyPolicy(kind), listeners, this.#end.signal, { renewal })
    } catch (error) {
      this.#parts.log.error('a watch has ended', { kind, reason: reasonOf(error) })
      this.#lose(followed, reasonOf(error))
    }
  }

  #take(kind: PolicyKind, followed: Followed, change: KubeChange): void {
    if (change.kind === 'synced') followed.isListed = true
    else {
      const name = unitName(kind, change.object.metadata.name)
      const known = followed.units.get(name)
      if (change.kind === 'absent') {
        followed.units.delete(name)
        this.#status.gone(name)
        this.#isNew = true
      } else {
        const unit = unitOf(kind, change.object)
        this.#status.seen(name, change.object)
        // A change of labels or of the status is none of the policy.
        if (known?.version !== unit.version) {
          followed.units.set(name, unit)
          this.#isNew = true
        }
      }
    }
    // A list is one change, however many objects it has.
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined
      this.#tell()
    })
  }

  #tell(): void {
    const all = [...this.#followed.values()]
    if (!this.#isNew || all.some(({ isListed }) => !isListed)) return
    this.#isNew = false
    clearTimeout(this.#timer)
    this.#listener?.state(all.flatMap(({ units }) => [...units.values()]))
    const fault = all.find((each) => each.fault !== undefined)?.fault
    if (fault !== undefined) this.#listener?.away(fault)
  }

  #hear(followed: Followed): void {
    followed.isHeard = true
    followed.fault = undefined
    const all = [...this.#followed.values()]
    if (this.#isNew || all.some(({ isListed, isHeard }) => !isListed || !isHeard)) return
    for (const each of all) each.isHeard = false
    this.#listener?.alive()
  }

  #lose(followed: Followed, reason: string): void {
    clearTimeout(this.#timer)
    followed.isHeard = false
    followed.fault = reason
    this.#listener?.away(reason)
  }
}
