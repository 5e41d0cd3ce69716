import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type {
  ClusterObjects,
  KubeChange,
  KubeObject,
  KubeReference,
  KubeSelection,
} from '../../src/cluster/cluster-objects.ts'

interface Watcher {
  readonly selection: KubeSelection
  readonly onChange: (change: KubeChange) => void
  readonly onFault: ((fault: Error) => void) | undefined
}

/** An API server that can be made unreachable. Tests with a real one: test/e2e. */
export class FakeObjects implements ClusterObjects {
  readonly server = 'https://fake.test'
  /** Every object that was applied or patched, in order. */
  readonly writes: KubeObject[] = []
  readonly #objects = new Map<string, KubeObject>()
  readonly #watchers = new Set<Watcher>()
  /** Patches are forbidden. */
  refusePatch = false
  #version = 0
  #away = false

  /** Writes an object as an administrator does. */
  put(object: KubeObject): void {
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) }
    const kept = { ...object, metadata }
    this.#objects.set(keyOf({ ...object, ...object.metadata }), kept)
    this.#tell(kept, 'present')
  }

  remove(reference: KubeReference): void {
    const object = this.#objects.get(keyOf(reference))
    this.#objects.delete(keyOf(reference))
    if (object !== undefined) this.#tell(object, 'absent')
  }

  set away(away: boolean) {
    this.#away = away
    if (!away) return
    for (const { onFault } of this.#watchers) onFault?.(new ClusterFault('unreachable', 'taken away'))
  }

  /** Forbids the agents to watch one kind. */
  forbid(kind: string): void {
    for (const { selection, onFault } of this.#watchers)
      if (selection.kind === kind) onFault?.(new ClusterFault('forbidden', `${kind} is forbidden`))
  }

  peek(reference: KubeReference): KubeObject | undefined {
    return this.#objects.get(keyOf(reference))
  }

  async get(reference: KubeReference): Promise<KubeObject | undefined> {
    this.#answer()
    return this.peek(reference)
  }

  async apply(object: KubeObject): Promise<KubeObject> {
    this.#answer()
    const old = this.peek({ ...object, ...object.metadata })
    this.put({ ...old, ...object })
    this.writes.push(object)
    return this.peek({ ...object, ...object.metadata }) ?? object
  }

  async patch(reference: KubeReference, patch: object): Promise<KubeObject | undefined> {
    this.#answer()
    if (this.refusePatch) throw new ClusterFault('forbidden', 'it may not be patched', { status: 403 })
    const old = this.peek(reference)
    if (old === undefined) return undefined
    const { metadata, spec } = patch as { metadata?: { resourceVersion?: string }; spec?: object }
    const version = metadata?.resourceVersion
    if (version !== undefined && version !== old.metadata.resourceVersion)
      throw new ClusterFault('refused', 'somebody was faster', { status: 409 })
    this.put({ ...old, spec: { ...(old['spec'] as object | undefined), ...spec } })
    return this.peek(reference)
  }

  async watch(
    selection: KubeSelection,
    { onChange, onFault }: Parameters<ClusterObjects['watch']>[1],
    signal: AbortSignal,
  ): Promise<void> {
    const watcher = { selection, onChange, onFault }
    this.#watchers.add(watcher)
    for (const object of this.#objects.values())
      if (isSelected(object, selection)) onChange({ kind: 'present', object })
    onChange({ kind: 'synced' })
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (!signal.aborted) await promise
    this.#watchers.delete(watcher)
  }

  async list(selection: KubeSelection): Promise<readonly KubeObject[]> {
    this.#answer()
    return [...this.#objects.values()].filter((object) => isSelected(object, selection))
  }

  // Methods that agents never call.
  version = unexpected
  delete = unexpected
  may = unexpected
  log = unexpected

  #tell(object: KubeObject, kind: 'present' | 'absent'): void {
    if (this.#away) return
    for (const { selection, onChange } of this.#watchers)
      if (isSelected(object, selection)) onChange({ kind, object })
  }

  #answer(): void {
    if (this.#away) throw new ClusterFault('unreachable', 'taken away')
  }
}

async function unexpected(): Promise<never> {
  throw new Error('an agent does not ask for this')
}

function isSelected({ kind, metadata }: KubeObject, selection: KubeSelection): boolean {
  const [, name] = /^metadata\.name=(.*)$/.exec(selection.fieldSelector ?? '') ?? []
  const [, label = '', value] = /^([^=]+)=(.*)$/.exec(selection.labelSelector ?? '') ?? []
  return (
    kind === selection.kind &&
    (selection.namespace === undefined || metadata.namespace === selection.namespace) &&
    (name === undefined || metadata.name === name) &&
    (value === undefined || metadata.labels?.[label] === value)
  )
}

function keyOf({ kind, namespace, name }: Omit<KubeReference, 'apiVersion'>): string {
  return `${kind} ${namespace ?? ''} ${name}`
}
