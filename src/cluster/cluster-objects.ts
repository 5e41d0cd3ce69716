/** Any API object as plain JSON. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: KubeMetadata
  readonly [field: string]: unknown
}

export interface KubeMetadata {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

/** `namespace` is `undefined` for a cluster-scoped object. */
export interface KubeReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string | undefined
}

/** `namespace` is `undefined` for all namespaces. */
export interface KubeSelection {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace?: string | undefined
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Objects per page of a list; 500 by default. */
  readonly pageSize?: number
}

export interface ApplyOptions {
  /** The API server validates the object and stores nothing (`dryRun=All`). */
  readonly dryRun?: boolean
  /** Takes fields over from other managers instead of throwing ApplyConflict. */
  readonly force?: boolean
  /** Only this part of the object, which others cannot write with the object itself. */
  readonly subresource?: 'status'
}

/** What is known of an object that is gone. */
export interface ObjectName {
  readonly metadata: Pick<KubeMetadata, 'name' | 'namespace'>
}

export type KubeChange =
  | { readonly kind: 'present'; readonly object: KubeObject }
  | { readonly kind: 'absent'; readonly object: ObjectName }
  /** The initial list is complete; later changes are new. Sent again after every new list (after 410 Gone). */
  | { readonly kind: 'synced' }

export interface WatchListeners {
  readonly onChange: (change: KubeChange) => void
  readonly onFault?: (fault: Error) => void
  /** The API server has said something: a list, the head of a watch, a change, a bookmark, its end. */
  readonly onHeard?: () => void
}

export interface WatchOptions {
  /**
   * Seconds after which the watch is asked for anew; 240 by default. One that has not ended 3 s later is a fault, and so long a silence
   * lasts at most. A pause between two attempts lasts a quarter of it at most.
   */
  readonly renewal?: number
}

/** What SelfSubjectAccessReview can ask. */
export interface OwnRight {
  readonly verb: string
  /** `''` is the core group. */
  readonly group: string
  /** Plural, such as `statefulsets`; with a subresource `pods/portforward`. */
  readonly resource: string
  readonly namespace?: string | undefined
  readonly name?: string | undefined
}

/** Objects of the API server, accessed with the identity of one kube context. All methods reject with ClusterFault. */
export interface ClusterObjects {
  /** `https://10.0.0.1:6443`. */
  readonly server: string
  /** GET /version, with the server's clock from its Date header (milliseconds since the epoch). */
  version(): Promise<{ readonly gitVersion: string; readonly clock: number | undefined }>
  get(reference: KubeReference): Promise<KubeObject | undefined>
  list(selection: KubeSelection): Promise<readonly KubeObject[]>
  /** Lists, then watches until the signal aborts. Faults are passed to `onFault` and retried. */
  watch(
    selection: KubeSelection,
    listeners: WatchListeners,
    signal: AbortSignal,
    options?: WatchOptions,
  ): Promise<void>
  /**
   * Server-side apply (KEP-555) with one field manager: `trow` unless the connection sets another. Rejects with
   * ApplyConflict if others own the fields.
   */
  apply(object: KubeObject, options?: ApplyOptions): Promise<KubeObject>
  /** JSON merge patch (RFC 7386). Returns `undefined` if the object does not exist. */
  patch(reference: KubeReference, patch: object): Promise<KubeObject | undefined>
  /** Returns false if the object did not exist. Dependents are deleted in the background. */
  delete(reference: KubeReference, options?: { readonly uid?: string }): Promise<boolean>
  /** SelfSubjectAccessReview. */
  may(right: OwnRight): Promise<boolean>
  /** Returns the last lines of a container's log, or `undefined` if it has none. */
  log(
    pod: { readonly namespace: string; readonly name: string; readonly container?: string },
    options: { readonly lines: number; readonly previous?: boolean },
  ): Promise<string | undefined>
}

/** Server-side apply failed: other managers own fields that the object sets (409, cause FieldManagerConflict). */
export class ApplyConflict extends Error {
  readonly object: KubeReference
  /** Each manager with a field path that it owns: `kubectl-client-side-apply: .spec.replicas`. */
  readonly owners: readonly { readonly manager: string; readonly field: string }[]

  constructor(object: KubeReference, owners: ApplyConflict['owners'], options: { cause?: unknown } = {}) {
    const managers = [...new Set(owners.map(({ manager }) => manager))].join(', ')
    super(`${object.kind} ${object.name}: fields are owned by ${managers}`, options)
    this.name = 'ApplyConflict'
    this.object = object
    this.owners = owners
  }
}
