import type { NodeProblem, NodeReport } from '../cluster/node-report.ts'

export interface PullContext {
  readonly node: string
  /** Namespace of the registry. */
  readonly namespace: string
  /** `trow.trow.svc`. */
  readonly host: string
  /** The folder of hosts.toml, whether the file exists or not. */
  readonly folder: string | undefined
  readonly identity: NodeReport['identity']['kind']
  /** systemd's name of the runtime. */
  readonly runtime: string
}

interface PullFailure {
  readonly pattern: RegExp
  readonly code: string
  readonly file?: (where: PullContext) => string | undefined
  readonly message: (where: PullContext) => string
  readonly hint: (where: PullContext) => string
}

const hostsFile = ({ folder, host }: PullContext): string | undefined =>
  folder === undefined ? undefined : `${folder}/${host}/hosts.toml`
const bundleFile = ({ folder, host }: PullContext): string | undefined =>
  folder === undefined ? undefined : `${folder}/${host}/ca.crt`
const runtimeLog = ({ node, runtime }: PullContext): string =>
  `On node ${node}: journalctl -u ${runtime} | tail`

/**
 * Error messages of runtimes and their meaning; the first pattern that matches counts. containerd reports
 * only one of several endpoints, so hints lead to its log as well.
 */
const rows: readonly PullFailure[] = [
  {
    pattern:
      /unable to read CA cert|failed to load X509 key pair|failed to load cert file|no such file or directory/i,
    code: 'PULL_FILE_UNREADABLE',
    file: hostsFile,
    message: ({ node }) => `the runtime of node ${node} cannot read a file that hosts.toml names`,
    hint: (where) =>
      `On node ${where.node}: cat ${hostsFile(where) ?? 'hosts.toml'}, and see that every file in it is there.`,
  },
  {
    pattern: /expired or is not yet valid/i,
    code: 'PULL_CERTIFICATE_EXPIRED',
    message: ({ node }) => `for node ${node} the registry's certificate has expired or is not valid yet`,
    hint: ({ node, namespace }) =>
      `Compare the clocks: date on node ${node}, and kubectl -n ${namespace} logs statefulset/trow.`,
  },
  {
    pattern:
      /certificate is (valid for|not valid for)|doesn't contain any IP SANs|cannot validate certificate for/i,
    code: 'PULL_CERTIFICATE_NAME',
    file: hostsFile,
    message: () => `the registry's certificate does not have the address that hosts.toml names`,
    hint: () => 'trow install writes the addresses of now into the registry’s settings.',
  },
  {
    pattern: /x509|certificate signed by unknown authority|tls: failed to verify|bad certificate/i,
    code: 'PULL_CERTIFICATE_UNTRUSTED',
    file: bundleFile,
    message: ({ node }) => `the runtime of node ${node} does not trust the registry's certificate`,
    hint: (where) =>
      `On node ${where.node}: cat ${bundleFile(where) ?? 'ca.crt'}, and compare it with trow ca show. ${runtimeLog(where)}`,
  },
  {
    pattern: /no such host|server misbehaving|temporary failure in name resolution|dial tcp: lookup /i,
    code: 'PULL_NOT_MAPPED',
    file: hostsFile,
    message: ({ node, host }) =>
      `the runtime of node ${node} looks for ${host} in DNS: it does not use hosts.toml, or no endpoint has the image`,
    hint: (where) =>
      `On node ${where.node}: cat ${hostsFile(where) ?? 'hosts.toml'}; grep -r config_path /etc/containerd. ${runtimeLog(where)}`,
  },
  {
    pattern: /\b403\b|forbidden|insufficient.scope|\bdenied\b(?!.*(authorization failed|no basic auth))/i,
    code: 'PULL_DENIED',
    message: ({ node, identity }) =>
      identity === 'none'
        ? `node ${node} pulls as nobody, who may not`
        : identity === 'service-account'
          ? `the agent of node ${node}, by its service account, may not pull`
          : `node ${node} is known to the registry and may not pull`,
    hint: ({ node, identity }) =>
      identity === 'service-account'
        ? 'trow install gives the agents’ service account its rule again; trow audit query shows the refusal.'
        : `kubectl get clusterrolebindings -o wide | grep system:nodes shows whether nodes may; ` +
          `trow audit query shows the refusal of system:node:${node}; trow install binds them again.`,
  },
  {
    pattern: /\b401\b|unauthorized|no basic auth credentials|authorization failed|authentication required/i,
    code: 'PULL_UNAUTHENTICATED',
    file: hostsFile,
    message: ({ node, identity }) =>
      identity === 'none'
        ? `node ${node} has no certificate to pull with`
        : identity === 'service-account'
          ? `the registry does not take the token of the agent of node ${node}`
          : `the registry does not know the certificate of node ${node}`,
    hint: ({ identity, namespace, node }) =>
      identity === 'none'
        ? `trow install without --no-node-pull gives nodes a certificate; kubectl -n ${namespace} logs statefulset/trow.`
        : identity === 'service-account'
          ? `kubectl -n ${namespace} logs statefulset/trow tells why; the token has audience trow.`
          : `kubectl -n ${namespace} logs statefulset/trow tells which CA it knows; on node ${node} see client = in hosts.toml.`,
  },
  {
    pattern: /connection refused|no route to host|network is unreachable|connection reset|: EOF$/i,
    code: 'PULL_REFUSED_CONNECTION',
    message: ({ node }) => `node ${node} does not reach the registry`,
    hint: (where) =>
      `kubectl -n ${where.namespace} get pods,endpointslices shows whether it runs. ${runtimeLog(where)}`,
  },
  {
    pattern: /i\/o timeout|deadline exceeded|handshake timeout|Client\.Timeout|no end of it within/i,
    code: 'PULL_TIMED_OUT',
    message: ({ node }) => `node ${node} waited for the registry in vain`,
    hint: ({ namespace, node }) =>
      `kubectl -n ${namespace} get pods -o wide, and see whether the network lets node ${node} reach them.`,
  },
  {
    pattern: /not found|manifest unknown|\b404\b/i,
    code: 'PULL_NOT_FOUND',
    message: () => 'the registry does not have the image that nodes are to pull as a proof',
    hint: () => 'trow install pushes it again.',
  },
  {
    pattern: /\b50\d\b|service unavailable|internal server error|too many requests|\b429\b/i,
    code: 'PULL_REGISTRY_FAILED',
    message: () => 'the registry answered with an error',
    hint: ({ namespace }) => `kubectl -n ${namespace} logs statefulset/trow tells why.`,
  },
  {
    pattern: /(?:)/,
    code: 'PULL_FAILED',
    message: ({ node }) => `the runtime of node ${node} cannot pull from the registry`,
    hint: runtimeLog,
  },
]

/** The problem and the remedy for a failed pull. `error`: the runtime's message. */
export function pullProblem(error: string, where: PullContext): NodeProblem {
  const row = rows.find(({ pattern }) => pattern.test(error))
  if (row === undefined) throw new Error('the last row fits everything')
  const file = row.file?.(where)
  return {
    code: row.code,
    message: `${row.message(where)}: ${lastWords(error)}`,
    hint: row.hint(where),
    ...(file === undefined ? {} : { file }),
    fatal: true,
  }
}

/** The end of the message: containerd puts the cause there. */
function lastWords(error: string): string {
  return error.length <= 300 ? error : `…${error.slice(-300)}`
}
