import { names } from './layout.ts'

/**
 * What the admission pods need in the cluster, and what `trow install` makes for them. In the registry's namespace unless
 * stated otherwise. The install makes the Secret, the ConfigMap and the Lease, empty: RBAC cannot say which object an account
 * may create, only which it may change.
 */
export const admissionNames = {
  /** Deployment, Service, ServiceAccount, Role, ClusterRole, and their bindings. */
  workload: 'trow-admission',
  /**
   * Secret, type Opaque, with the certificate of the webhook's Service and its CA: `ca.crt`, `ca.key`, `tls.crt`, `tls.key`; while
   * the CA is being replaced also `next.crt`, `next.key` and `previous.crt`. The pod that holds the Lease writes it.
   */
  certificate: 'trow-admission-tls',
  /** Lease of the pod that keeps certificate and webhook configuration, compiles the floor and scans. */
  lease: 'trow-admission',
  /** ConfigMap with what is wanted of the webhook: the keys of `webhookWishes`. */
  wishes: 'trow-admission',
  /** ConfigMap that opens webhook and floor until a time. Nobody makes it but a person who needs it. */
  breakGlass: 'break-glass',
  /** ValidatingWebhookConfiguration; cluster-scoped. */
  webhooks: 'trow',
  /** Field manager of what the admission pods write. */
  manager: 'trow-admission',
} as const

/** Keys of ConfigMap `trow-admission`. */
export const webhookWishes = {
  /** `Ignore` or `Fail`, for pods; without it `Ignore`. */
  failurePolicy: 'failurePolicy',
  /**
   * Namespaces that must be excluded before `Fail` is put in force, separated by commas: those of network, storage and DNS that
   * `trow install` has found. Without the key `Fail` is never put in force.
   */
  excluded: 'excluded',
} as const

const admissionRegistration = 'admissionregistration.k8s.io'
const policyGroup = 'policy.trow.io'

/**
 * The objects of the floor, which the pod that holds the Lease makes, in the order in which they are taken away: as long as there is
 * a binding, the API server refuses pods for a part that is missing.
 */
export const floorParts = [
  {
    apiVersion: `${admissionRegistration}/v1`,
    kind: 'ValidatingAdmissionPolicyBinding',
    name: 'trow-floor',
  },
  { apiVersion: `${admissionRegistration}/v1`, kind: 'ValidatingAdmissionPolicy', name: 'trow-floor' },
  { apiVersion: `${policyGroup}/v1alpha1`, kind: 'TrowFloor', name: 'trow' },
] as const

/** Of TrowFloor. */
export const floorAnnotations = {
  /** When its content was written, ISO 8601. */
  since: 'policy.trow.io/since',
  /** The hash of the policies and exceptions that it was made of. */
  hash: 'policy.trow.io/hash',
} as const

/** The entries of the ValidatingWebhookConfiguration. Of these only `pods` may ever have `failurePolicy: Fail`. */
export const webhookEntries = {
  pods: { name: 'pods.trow.io', path: '/pods', timeoutSeconds: 5 },
  templates: { name: 'templates.trow.io', path: '/templates', timeoutSeconds: 2 },
  policies: { name: 'policies.trow.io', path: '/policies', timeoutSeconds: 5 },
} as const

export const admissionPorts = {
  /** Of the Service. */
  service: 443,
  /** Of the container, HTTPS: the webhook, `/livez`, `/readyz`. The setting `listen`. */
  webhook: 8443,
  /** Of the container, plain HTTP. The setting `metrics-listen`. */
  metrics: 9090,
} as const

/**
 * How `trow admission` is started: `admission --config /etc/trow/trow.yaml`, with ConfigMap `trow-config`, the registry's own
 * settings, in `/etc/trow`. Of these it uses listen, metrics-listen, data, log-format, log-level, kubernetes, kubeconfig, access,
 * auth, and all that begin with policy- or say under which names the registry is reached; the others are the registry's.
 */
export const admissionMounts = {
  /** emptyDir: the last policies that were good. */
  data: '/data',
  /** ConfigMap `trow-ca`, key `ca.crt`: `--registry-ca`. */
  registryAuthority: '/etc/trow-registry/ca.crt',
  /** Projected service account token with audience `trow`: `--registry-token`. */
  registryToken: '/var/run/secrets/trow/token',
} as const

/**
 * Variables of the container, which spare some 25 MiB. Nothing can be kept in a read-only container anyway. Bodies of reviews are mapped
 * by themselves (above 12 KiB), or what lies between them would never be given back. The threads of libuv's pool only read and write small
 * files here.
 */
export const admissionEnvironment = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '12288',
  NODE_DISABLE_COMPILE_CACHE: '1',
  NODE_OPTIONS: '--max-semi-space-size=1 --v8-pool-size=1',
  UV_THREADPOOL_SIZE: '4',
} as const

const floorVerbs = ['get', 'list', 'watch', 'create', 'patch', 'delete']

interface PolicyRule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

/** ClusterRole `trow-admission`. */
export const admissionClusterRules: readonly PolicyRule[] = [
  {
    apiGroups: [policyGroup],
    resources: ['trowpolicies', 'trowexceptions'],
    verbs: ['get', 'list', 'watch'],
  },
  {
    apiGroups: [admissionRegistration],
    resources: ['validatingwebhookconfigurations'],
    resourceNames: [admissionNames.webhooks],
    verbs: ['get', 'list', 'watch', 'patch'],
  },
  // The floor. A right to create is limited to a name as well: an apply that makes an object has it in its path.
  {
    apiGroups: [admissionRegistration],
    resources: ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'],
    resourceNames: ['trow-floor'],
    verbs: floorVerbs,
  },
  { apiGroups: [policyGroup], resources: ['trowfloors'], resourceNames: ['trow'], verbs: floorVerbs },
  // The API server lets nobody make a policy whose parameters are of a kind that they may not read as a whole.
  { apiGroups: [policyGroup], resources: ['trowfloors'], verbs: ['get'] },
  // Whether a pod's service account may pull what the pod names.
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
  // The scan: which pods run, and what owns what owns them.
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
  { apiGroups: ['apps'], resources: ['replicasets'], verbs: ['get'] },
  { apiGroups: ['batch'], resources: ['jobs'], verbs: ['get'] },
  // What the registry asks about the admission pods before it answers: facts of content (get) and records (create).
  { apiGroups: ['registry.trow.io'], resources: ['admission'], verbs: ['get', 'create'] },
]

/** Role `trow-admission` in the registry's namespace. */
export const admissionRules: readonly PolicyRule[] = [
  {
    apiGroups: [''],
    resources: ['secrets'],
    resourceNames: [admissionNames.certificate],
    verbs: ['get', 'list', 'watch', 'patch'],
  },
  {
    apiGroups: [''],
    resources: ['configmaps'],
    resourceNames: [admissionNames.wishes, admissionNames.breakGlass],
    verbs: ['get', 'list', 'watch'],
  },
  // So that the same line can open it once more.
  {
    apiGroups: [''],
    resources: ['configmaps'],
    resourceNames: [admissionNames.breakGlass],
    verbs: ['delete'],
  },
  // What the scan has found.
  { apiGroups: [''], resources: ['configmaps'], resourceNames: [names.running], verbs: ['get', 'patch'] },
  {
    apiGroups: ['coordination.k8s.io'],
    resources: ['leases'],
    resourceNames: [admissionNames.lease],
    verbs: ['get', 'patch'],
  },
  // How many pods are ready, before `Fail` is put in force.
  {
    apiGroups: ['apps'],
    resources: ['deployments'],
    resourceNames: [admissionNames.workload],
    verbs: ['get'],
  },
]

/** The name in the certificate, and of the registry as the admission pods reach it. */
export function serviceHost(name: string, namespace: string): string {
  return `${name}.${namespace}.svc`
}
