import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeObject, KubeReference, KubeSelection } from '../cluster/cluster-objects.ts'

/** Marks what the user may not read, which differs from what does not exist. */
export const hidden = Symbol('hidden')
export type Seen<Value> = Value | typeof hidden

/** Reads objects, continues if the user may not read one kind, and records that. */
export class Look {
  /** `Secret trow-ca: secrets "trow-ca" is forbidden: …`. */
  readonly unseen: string[] = []
  readonly #objects: ClusterObjects

  constructor(objects: ClusterObjects) {
    this.#objects = objects
  }

  /** Returns `undefined` if the object does not exist. */
  get(reference: KubeReference): Promise<Seen<KubeObject | undefined>> {
    return this.#try(`${reference.kind} ${reference.name}`, () => this.#objects.get(reference))
  }

  list(selection: KubeSelection): Promise<Seen<readonly KubeObject[]>> {
    return this.#try(`${selection.kind}s`, () => this.#objects.list(selection))
  }

  async #try<Value>(what: string, read: () => Promise<Value>): Promise<Seen<Value>> {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof ClusterFault) || error.kind !== 'forbidden') throw error
      this.unseen.push(`${what}: ${error.message}`)
      return hidden
    }
  }
}

/** Replaces a hidden value by one with which the checks can continue; `unseen` lists the hidden value. */
export function orElse<Value, Other>(seen: Seen<Value>, otherwise: Other): Value | Other {
  return seen === hidden ? otherwise : seen
}
