import type {
  ClusterObjects,
  KubeChange,
  KubeObject,
  KubeReference,
  KubeSelection,
  OwnRight,
  WatchListeners,
} from '../../src/cluster/cluster-objects.ts'

type Listener = (change: KubeChange) => void

/** Objects in memory, for faults and for what a real cluster would take minutes to show. No defaults, no ownership of fields. */
export class FakeObjects implements ClusterObjects {
  readonly server = 'https://fake:6443'
  readonly #objects = new Map<string, KubeObject>()
  readonly #watchers = new Set<{ selection: KubeSelection; listener: Listener }>()
  #version = 0
  /** Every write, in order: `apply ConfigMap trow/trow-ca`. */
  readonly writes: string[] = []
  /** Called before each request; what it throws is the answer. */
  fault: (verb: string, kind: string, name: string | undefined) => void = () => {}
  /** What `may` answers. */
  rights: (right: OwnRight) => boolean = () => true

  put(...objects: readonly object[]): void {
    for (const object of objects) this.#store(object as KubeObject)
  }

  version(): Promise<{ gitVersion: string; clock: number | undefined }> {
    return this.#answer('version', '', undefined, () => ({ gitVersion: 'v1.37.2', clock: undefined }))
  }

  get(reference: KubeReference): Promise<KubeObject | undefined> {
    return this.#answer('get', reference.kind, reference.name, () => this.#objects.get(keyOf(reference)))
  }

  list(selection: KubeSelection): Promise<readonly KubeObject[]> {
    return this.#answer('list', selection.kind, undefined, () =>
      [...this.#objects.values()].filter((object) => isSelected(object, selection)),
    )
  }

  async watch(
    selection: KubeSelection,
    { onChange, onHeard }: WatchListeners,
    signal: AbortSignal,
  ): Promise<void> {
    const there = await this.list(selection)
    onHeard?.()
    for (const object of there) onChange({ kind: 'present', object })
    onChange({ kind: 'synced' })
    const watcher = { selection, listener: onChange }
    this.#watchers.add(watcher)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    this.#watchers.delete(watcher)
  }

  apply(object: KubeObject, { dryRun = false } = {}): Promise<KubeObject> {
    return this.#answer('apply', object.kind, object.metadata.name, () => {
      const before = this.#objects.get(keyOf(referenceOf(object)))
      const merged = merge(before ?? {}, object) as KubeObject
      if (dryRun || (before !== undefined && JSON.stringify(merged) === JSON.stringify(before))) return merged
      this.#wrote('apply', object)
      return this.#store(merged)
    })
  }

  patch(reference: KubeReference, patch: object): Promise<KubeObject | undefined> {
    return this.#answer('patch', reference.kind, reference.name, () => {
      const before = this.#objects.get(keyOf(reference))
      if (before === undefined) return undefined
      this.#wrote('patch', before)
      return this.#store(merge(before, patch) as KubeObject)
    })
  }

  delete(reference: KubeReference): Promise<boolean> {
    return this.#answer('delete', reference.kind, reference.name, () => {
      const object = this.#objects.get(keyOf(reference))
      if (object === undefined) return false
      this.#wrote('delete', object)
      this.#objects.delete(keyOf(reference))
      this.#tell('absent', object)
      if (reference.kind === 'Namespace')
        for (const [key, { metadata }] of this.#objects)
          if (metadata.namespace === reference.name) this.#objects.delete(key)
      return true
    })
  }

  may(right: OwnRight): Promise<boolean> {
    return this.#answer('may', right.resource, right.name, () => this.rights(right))
  }

  log(): Promise<string | undefined> {
    return this.#answer('log', 'Pod', undefined, () => undefined)
  }

  /** All there is, as `Kind namespace/name`. */
  get all(): string[] {
    return [...this.#objects.keys()]
  }

  get objects(): KubeObject[] {
    return [...this.#objects.values()]
  }

  #answer<Value>(verb: string, kind: string, name: string | undefined, make: () => Value): Promise<Value> {
    return Promise.try(() => {
      this.fault(verb, kind, name)
      return make()
    })
  }

  #wrote(verb: string, object: KubeObject): void {
    this.writes.push(`${verb} ${keyOf(referenceOf(object))}`)
  }

  #store(object: KubeObject): KubeObject {
    const stored = structuredClone({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#version) },
    })
    this.#objects.set(keyOf(referenceOf(stored)), stored)
    this.#tell('present', stored)
    return stored
  }

  #tell(kind: 'present' | 'absent', object: KubeObject): void {
    for (const { selection, listener } of this.#watchers)
      if (isSelected(object, selection)) listener({ kind, object })
  }
}

function referenceOf({ apiVersion, kind, metadata }: KubeObject): KubeReference {
  return { apiVersion, kind, name: metadata.name, namespace: metadata.namespace }
}

function keyOf({ kind, namespace, name }: KubeReference): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

function isSelected(object: KubeObject, selection: KubeSelection): boolean {
  const { kind, namespace, labelSelector, fieldSelector } = selection
  if (object.kind !== kind || (namespace !== undefined && object.metadata.namespace !== namespace))
    return false
  const { labels = {} } = object.metadata
  const labelled = (labelSelector ?? '').split(',').every((each) => {
    const [name = '', value] = each.split('=')
    return name === '' || (name in labels && (value === undefined || labels[name] === value))
  })
  const name = /(?:^|,)metadata\.name=([^,]+)/.exec(fieldSelector ?? '')?.[1]
  return labelled && (name === undefined || object.metadata.name === name)
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else merged[name] = merge(merged[name], value)
  }
  return merged
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
