import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { ClusterObjects, KubeObject, KubeReference } from '../../cluster/cluster-objects.ts'
import type { Log } from '../../log.ts'
import { compileFloor, type CompiledFloor } from '../../policy/floor/compile-floor.ts'
import {
  floorBindingObject,
  floorPolicyObject,
  floorReferences,
  type FloorObject,
} from '../../policy/floor/floor-objects.ts'
import type { FloorPolicies } from '../../policy/floor/floor-parameters.ts'
import { reasonOf } from '../../reason-of.ts'
import { breakGlassData, type BreakGlassMap } from './break-glass-map.ts'
import type { FloorContent, FloorStatus } from './floor-status.ts'
import { isAsWanted, notedParameters, sinceOf } from './noted-floor.ts'
import { specDifference } from './spec-difference.ts'

export interface FloorKeeperParts {
  readonly objects: Pick<ClusterObjects, 'watch' | 'apply' | 'patch' | 'delete'>
  readonly breakGlass: BreakGlassMap
  /** Namespaces whose pods the floor does not see: those that the webhook excludes. */
  readonly excluded: readonly string[]
  /** Whether this process is the one that keeps the floor. */
  readonly isHolder: () => boolean
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds since an arbitrary start; never jumps. */
  readonly monotonic: () => number
  readonly onStatus: (status: FloorStatus) => void
  readonly log: Log
}

interface Policies extends FloorPolicies {
  /** Increases with each change. */
  readonly generation: number
  /** Equal for equal policies and exceptions. */
  readonly hash: string
}

type Compiled = Extract<CompiledFloor, { readonly kind: 'compiled' }>
type Place = keyof typeof floorReferences
interface Held extends Compiled {
  readonly generation: number
  readonly hash: string
}

const places = ['parameters', 'policy', 'binding'] as const
/** Milliseconds between two looks at what changes with time. */
const tick = 250
/** Milliseconds between two rounds. */
const least = 20
/** Milliseconds until what failed is tried again. */
const pauses = { first: 250, last: 10_000 }

/**
 * Keeps the floor in step with the policies, and puts back what others change or delete. What it has written holds without it.
 */
export class FloorKeeper {
  readonly #parts: FloorKeeperParts
  readonly #end = new AbortController()
  readonly #seen = new Map<Place, KubeObject>()
  readonly #synced = new Set<string>()
  #policies: Policies | undefined
  #held: Held | undefined
  #problems: readonly string[] = []
  #breakGlass: KubeObject | undefined
  #isOpen = false
  #isStale = true
  #pause = 0
  #notBefore = 0
  #wake: () => void = () => {}
  #told = ''
  #inForce: FloorContent | undefined

  constructor(parts: FloorKeeperParts) {
    this.#parts = parts
  }

  /** Newer policies are in force. */
  put(policies: Policies): void {
    this.#policies = policies
    this.#stir()
  }

  /** Keeps the floor until `close`. */
  async run(): Promise<void> {
    const { breakGlass } = this.#parts
    const watching = Promise.all([
      ...places.map((place) => this.#watch(floorReferences[place], (object) => this.#see(place, object))),
      this.#watch({ apiVersion: 'v1', kind: 'ConfigMap', ...breakGlass }, (object) => {
        this.#breakGlass = object
        this.#stir()
      }),
    ])
    while (!this.#end.signal.aborted) {
      await this.#round()
      await this.#rest()
    }
    await watching
  }

  close(): void {
    this.#end.abort()
    this.#wake()
  }

  /** Takes the floor away: the binding first, so that no pod is refused for what is missing. Rejects with ClusterFault. */
  async remove(): Promise<void> {
    this.close()
    for (const place of places.toReversed()) await this.#parts.objects.delete(floorReferences[place])
  }

  get status(): FloorStatus {
    const held = this.#held
    const open = this.#open
    const inForce = this.#inForce
    const state =
      open !== undefined ? 'open' : inForce === undefined ? 'unknown' : held?.isBinding ? 'closed' : 'idle'
    return { state, inForce, openUntil: open?.until, problems: this.#problems }
  }

  async #round(): Promise<void> {
    const { isHolder, now, log } = this.#parts
    const time = now()
    // An opening and an exception end by themselves.
    if (this.#isOpen !== (this.#open !== undefined)) this.#isStale = true
    if (this.#held?.until !== undefined && time >= this.#held.until) this.#isStale = true
    // Until all is known, an opening that is not seen yet would be undone.
    if (
      !this.#isStale ||
      this.#synced.size <= places.length ||
      !isHolder() ||
      this.#parts.monotonic() < this.#notBefore
    )
      return
    this.#isStale = false
    try {
      await this.#keep(time)
      this.#pause = 0
    } catch (error) {
      const reason = reasonOf(error)
      this.#isStale = true
      this.#pause = Math.min(Math.max(this.#pause * 2, pauses.first), pauses.last)
      this.#notBefore = this.#parts.monotonic() + this.#pause
      this.#problems = [`the floor could not be written: ${reason}`]
      log.warn('the floor could not be written', { reason })
    }
    this.#tell()
  }

  async #keep(time: number): Promise<void> {
    this.#compile(time)
    this.#isOpen = this.#open !== undefined
    const held = this.#held
    if (this.#isOpen) await this.#remove('binding')
    else await this.#clearBreakGlass(time)
    if (held === undefined) return
    if (!held.isBinding) await this.#remove('binding')
    const seen = this.#seen.get('parameters')
    await this.#ensure('parameters', notedParameters(held.parameters, { hash: held.hash, seen, time }))
    await this.#ensure('policy', floorPolicyObject(this.#parts.excluded))
    if (held.isBinding && !this.#isOpen) await this.#ensure('binding', floorBindingObject())
    this.#inForce = {
      generation: held.generation,
      since: Date.parse(sinceOf(this.#seen.get('parameters')) ?? ''),
      policies: held.parameters.policies.flatMap(({ enforce, name }) => (enforce ? name : [])),
      exceptions: Object.keys(held.parameters.exceptions).length,
    }
  }

  /** What does not fit leaves the floor as it was, and says so. */
  #compile(time: number): void {
    const policies = this.#policies
    if (policies === undefined) return
    const { until, generation } = this.#held ?? {}
    this.#problems = this.#problems.filter((each) => !each.startsWith('the floor could not be written'))
    if (generation === policies.generation && (until === undefined || time < until)) return
    const compiled = compileFloor(policies, time)
    if (compiled.kind === 'compiled') {
      this.#held = { ...compiled, generation: policies.generation, hash: policies.hash }
      this.#problems = []
      return
    }
    const problems = compiled.problems.map((problem) => `the floor is not that of the policies: ${problem}`)
    if (isDeepStrictEqual(problems, this.#problems)) return
    this.#problems = problems
    this.#parts.log.error('the policies do not fit into the floor, which stays as it was', {
      problems: compiled.problems,
    })
  }

  /** Server-side apply leaves alone what others have added, and an added condition could open the floor: that is taken away. */
  async #ensure(place: Place, wanted: FloorObject): Promise<void> {
    const { objects, log } = this.#parts
    const seen = this.#seen.get(place)
    // Equal content, which may have a megabyte, is held once.
    if (seen !== undefined && isAsWanted(seen, wanted))
      return void this.#seen.set(place, { ...seen, spec: wanted.spec })
    const isNew = seen === undefined
    let written: KubeObject | undefined = await objects.apply({ ...wanted }, { force: true })
    const spec = specDifference(written['spec'], wanted.spec)
    if (spec !== undefined) written = await objects.patch(floorReferences[place], { spec })
    if (written === undefined || !isDeepStrictEqual(written['spec'], wanted.spec))
      throw new Error(`${wanted.kind} ${wanted.metadata.name} is not stored as it was written`)
    this.#seen.set(place, { ...written, spec: wanted.spec })
    log.info(isNew ? 'an object of the floor was made' : 'an object of the floor was put right', {
      object: `${wanted.kind} ${wanted.metadata.name}`,
    })
  }

  async #remove(place: Place): Promise<void> {
    if (!this.#seen.has(place)) return
    await this.#parts.objects.delete(floorReferences[place])
    this.#seen.delete(place)
    this.#parts.log.info('an object of the floor was taken away', { object: place })
  }

  get #open(): { readonly until: number } | undefined {
    const { breakGlass, now } = this.#parts
    return breakGlass.read(breakGlassData(this.#breakGlass), now())
  }

  /** So that the same line can be written again. One whose end nobody can read stays, for whoever wrote it. */
  async #clearBreakGlass(time: number): Promise<void> {
    const { objects, breakGlass } = this.#parts
    const ended = this.#breakGlass
    if (ended?.metadata.uid === undefined || !(Date.parse(breakGlassData(ended)?.['until'] ?? '') <= time))
      return
    const { namespace, name } = breakGlass
    await objects.delete(
      { apiVersion: 'v1', kind: 'ConfigMap', namespace, name },
      { uid: ended.metadata.uid },
    )
  }

  #see(place: Place, object: KubeObject | undefined): void {
    if (object === undefined) this.#seen.delete(place)
    else this.#seen.set(place, object)
    this.#stir()
  }

  #stir(): void {
    this.#isStale = true
    this.#wake()
  }

  #tell(): void {
    const { status } = this
    const told = JSON.stringify(status)
    if (told === this.#told) return
    this.#told = told
    this.#parts.onStatus(status)
  }

  async #rest(): Promise<void> {
    if (this.#end.signal.aborted) return
    // Somebody who undoes everything at once must not make this thread write without end.
    await sleep(least)
    if (this.#isStale && this.#parts.monotonic() >= this.#notBefore && this.#isReady) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, tick)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  get #isReady(): boolean {
    return this.#synced.size > places.length && this.#parts.isHolder()
  }

  #watch(reference: KubeReference, take: (object: KubeObject | undefined) => void): Promise<void> {
    const { objects, log } = this.#parts
    const { apiVersion, kind, namespace, name } = reference
    return objects.watch(
      { apiVersion, kind, namespace, fieldSelector: `metadata.name=${name}` },
      {
        onChange: (change) => {
          if (change.kind === 'synced') {
            this.#synced.add(kind)
            this.#stir()
          } else take(change.kind === 'present' ? change.object : undefined)
        },
        onFault: (fault) => {
          log.debug('an object of the floor cannot be read', { kind, reason: reasonOf(fault) })
        },
      },
      this.#end.signal,
    )
  }
}
