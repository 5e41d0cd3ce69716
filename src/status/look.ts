import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeObject, KubeReference, KubeSelection } from '../cluster/cluster-objects.ts'

/** What our rights do not let us see, which is another thing than what is not there. */
export const hidden = Symbol('hidden')
export type Seen<Value> = Value | typeof hidden

/** Reads on where one kind may not be read, and remembers that. */
export class Look {
  /** `Secret trow-ca: secrets "trow-ca" is forbidden: …`. */
  readonly unseen: string[] = []
  readonly #objects: ClusterObjects

  constructor(objects: ClusterObjects) {
    this.#objects = objects
  }

  /** Undefined: it is not there. */
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

/** What can be gone on with where it is not to be seen: `unseen` says that it is. */
export function orElse<Value, Other>(seen: Seen<Value>, otherwise: Other): Value | Other {
  return seen === hidden ? otherwise : seen
}
