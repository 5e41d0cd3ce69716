/** What trow is called in a cluster: shared by what installs, watches, looks and takes away. */
export interface Layout {
  /** Of the registry: `trow`. */
  readonly namespace: string
  /** Of the agents, which need hostPath volumes: `trow-node`. */
  readonly nodeNamespace: string
  /** As image references have it, when no `--host` says otherwise: `trow.trow.svc`. */
  readonly imageHost: string
}

export function layoutOf(namespace: string): Layout {
  return { namespace, nodeNamespace: `${namespace}-node`, imageHost: `${names.service}.${namespace}.svc` }
}

/** Names of single objects; each lives in the registry's namespace unless it says otherwise. */
export const names = {
  /** Service on port 443, and its StatefulSet and ServiceAccount. */
  service: 'trow',
  statefulSet: 'trow',
  serviceAccount: 'trow',
  /** PersistentVolumeClaim of the StatefulSet. */
  claim: 'data-trow-0',
  /** Headless Service of the StatefulSet. */
  headless: 'trow-pods',
  /** ConfigMap with `trow.yaml`. */
  configuration: 'trow-config',
  /** ConfigMap with the settings of the last `trow install`: `settings.json`, and `version`. */
  settings: 'trow-install',
  /** Secret with the CA that signs now, `ca.crt` and `ca.key`; while it is replaced also `next.crt` and `next.key`. */
  authority: 'trow-ca',
  /** ConfigMap with the bundle that everybody is to trust, `ca.crt`, and its `generation`. */
  bundle: 'trow-ca',
  /** ConfigMap with the last heads of the audit log, away from its volume. */
  auditHeads: 'trow-audit',
  /** ClusterRole for people who read the audit log through the registry. */
  auditorRole: 'trow-auditor',
  /** Role for people who push by port-forward: pods/portforward and the bundle. */
  clientRole: 'trow-client',
  /** ConfigMap with NodeSettings: what the agents do. They may read it, and write nothing in this namespace. */
  orders: 'trow-orders',
  /**
   * In the agents' namespace: DaemonSet, ServiceAccount and Role; and the ConfigMap with NodeSettings of agents of the
   * release before, which goes when none of them is left.
   */
  agent: 'trow-node',
  /** In the agents' namespace, one ConfigMap a node: `node-<name>`, label `trow.io/report: node`. */
  report: (node: string): string => `node-${node}`,
  /** Of the registry: the image that every node pulls to prove that it can. */
  canaryRepository: 'trow/canary',
} as const

export const ports = {
  /** Of the Service. */
  service: 443,
  /** Of the registry's container. */
  registry: 8443,
  /** Of the registry's container: metrics, plain HTTP. */
  metrics: 9090,
  /** Of each node's agent, on 127.0.0.1. */
  loopback: 29443,
  /** Of `trow connect`, on 127.0.0.1 of a laptop. */
  connect: 5443,
  /** Of each node's agent, on 127.0.0.1: `/livez` and `/readyz` for the DaemonSet's probes, plain HTTP. */
  agentHealth: 29444,
} as const

/**
 * A node that registers with this taint (effect NoSchedule) gets no pods before its agent has made it able to pull; with
 * `trow install --startup-taint` the agent takes it away.
 */
export const startupTaint = 'trow.io/agent-not-ready'

export const labels = {
  /** On every object: `app.kubernetes.io/part-of=trow`. */
  partOf: { 'app.kubernetes.io/part-of': 'trow' },
  /** `component`: `registry`, `node`, `access`. */
  of: (component: string): Readonly<Record<string, string>> => ({
    'app.kubernetes.io/name': 'trow',
    'app.kubernetes.io/part-of': 'trow',
    'app.kubernetes.io/component': component,
    'app.kubernetes.io/managed-by': 'trow',
  }),
  report: 'trow.io/report',
} as const
