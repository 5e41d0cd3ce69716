/** Any object of the API, as it travels: plain JSON. */
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

/** `namespace` undefined: a cluster-scoped object. */
export interface KubeReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string | undefined
}

/** `namespace` undefined: of all namespaces. */
export interface KubeSelection {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace?: string | undefined
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export interface ApplyOptions {
  /** The API server checks everything and keeps nothing (`dryRun=All`). */
  readonly dryRun?: boolean
  /** Takes fields over from other managers instead of an ApplyConflict. */
  readonly force?: boolean
}

export type KubeChange =
  | { readonly kind: 'present'; readonly object: KubeObject }
  | { readonly kind: 'absent'; readonly object: KubeObject }
  /** All that there is was told; from here on it is news. Told again after a gap (410 Gone, a new connection). */
  | { readonly kind: 'synced' }

/** What may be asked by SelfSubjectAccessReview. */
export interface OwnRight {
  readonly verb: string
  /** `''`: the core group. */
  readonly group: string
  /** Plural: `statefulsets`; with a subresource: `pods/portforward`. */
  readonly resource: string
  readonly namespace?: string | undefined
  readonly name?: string | undefined
}

/** Objects of the API server, by the identity of one kube context. Everything rejects with ClusterFault. */
export interface ClusterObjects {
  /** `https://10.0.0.1:6443`. */
  readonly server: string
  /** GET /version, and the server's clock by its Date header (milliseconds since the epoch). */
  version(): Promise<{ readonly gitVersion: string; readonly clock: number | undefined }>
  get(reference: KubeReference): Promise<KubeObject | undefined>
  list(selection: KubeSelection): Promise<readonly KubeObject[]>
  /** List, then watch, for ever: until the signal ends it. Faults on the way are told to `onFault` and tried again. */
  watch(
    selection: KubeSelection,
    listeners: {
      readonly onChange: (change: KubeChange) => void
      readonly onFault?: (fault: Error) => void
    },
    signal: AbortSignal,
  ): Promise<void>
  /** Server-side apply (KEP-555) as one field manager, `trow` unless the connection has another. Rejects with ApplyConflict when others own the fields. */
  apply(object: KubeObject, options?: ApplyOptions): Promise<KubeObject>
  /** JSON merge patch (RFC 7386). Undefined: it is not there. */
  patch(reference: KubeReference, patch: object): Promise<KubeObject | undefined>
  /** False: it was not there. Dependents go in the background. */
  delete(reference: KubeReference, options?: { readonly uid?: string }): Promise<boolean>
  /** SelfSubjectAccessReview. */
  may(right: OwnRight): Promise<boolean>
  /** The last lines of a container's log; undefined where there is none. */
  log(
    pod: { readonly namespace: string; readonly name: string; readonly container?: string },
    options: { readonly lines: number; readonly previous?: boolean },
  ): Promise<string | undefined>
}

/** Server-side apply: other managers own fields that we would change (409, cause FieldManagerConflict). */
export class ApplyConflict extends Error {
  readonly object: KubeReference
  /** Each manager with the field paths it owns: `kubectl-client-side-apply: .spec.replicas`. */
  readonly owners: readonly { readonly manager: string; readonly field: string }[]

  constructor(object: KubeReference, owners: ApplyConflict['owners'], options: { cause?: unknown } = {}) {
    const managers = [...new Set(owners.map(({ manager }) => manager))].join(', ')
    super(`${object.kind} ${object.name}: fields are owned by ${managers}`, options)
    this.name = 'ApplyConflict'
    this.object = object
    this.owners = owners
  }
}
