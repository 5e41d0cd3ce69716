/** Names of an install in the cluster, shared by install, uninstall, status and the agents. */
export interface Layout {
  /** The registry's namespace: `trow`. */
  readonly namespace: string
  /** The agents' namespace: `trow-node`. It is separate because agents need hostPath volumes. */
  readonly nodeNamespace: string
  /** The host in image references, unless `--host` sets another: `trow.trow.svc`. */
  readonly imageHost: string
}

export function layoutOf(namespace: string): Layout {
  return { namespace, nodeNamespace: `${namespace}-node`, imageHost: `${names.service}.${namespace}.svc` }
}

/** Names of single objects. They are in the registry's namespace unless stated otherwise. */
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
  /** Secret with the CA that signs now, `ca.crt` and `ca.key`; during a rotation also `next.crt` and `next.key`. */
  authority: 'trow-ca',
  /** ConfigMap with the CA bundle that all clients trust, `ca.crt`, and its `generation`. */
  bundle: 'trow-ca',
  /** ConfigMap with the last heads of the audit log, kept apart from the log's volume. */
  auditHeads: 'trow-audit',
  /** ConfigMap with what runs although a policy refuses it: `findings.json`. */
  running: 'trow-running',
  /** ClusterRole for users who read the audit log through the registry. */
  auditorRole: 'trow-auditor',
  /** Role for users who push by port-forward: it allows pods/portforward and reading the bundle. */
  clientRole: 'trow-client',
  /**
   * ConfigMap with NodeSettings, the agents' desired state. Agents may read it, and write nothing in this namespace.
   */
  desiredState: 'trow-orders',
  /**
   * In the agents' namespace: DaemonSet, ServiceAccount and Role, and the ConfigMap with NodeSettings for
   * agents of the previous release, which is deleted with the last of them.
   */
  agent: 'trow-node',
  /** In the agents' namespace, one ConfigMap per node: `node-<name>`, label `trow.io/report: node`. */
  report: (node: string): string => `node-${node}`,
} as const

export const ports = {
  /** Port of the Service. */
  service: 443,
  /** Port of the registry's container. */
  registry: 8443,
  /** Port of the registry's container for metrics, plain HTTP. */
  metrics: 9090,
  /** Port of each node's agent, on 127.0.0.1. */
  loopback: 29443,
  /** Port of `trow connect`, on 127.0.0.1 of the user's machine. */
  connect: 5443,
  /** Health port of each node's agent, on 127.0.0.1: `/livez` and `/readyz` for the DaemonSet's probes, plain HTTP. */
  agentHealth: 29444,
} as const

/**
 * A node that registers with this taint (effect NoSchedule) gets no pods until its agent has set up pulling. With `trow
 * install --startup-taint` the agent removes the taint.
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
