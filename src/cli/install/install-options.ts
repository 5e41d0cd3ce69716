import { normalize } from 'node:path/posix'
import { parseQuantity } from '../../cluster/quantity.ts'
import { checkConfiguration } from '../../install/registry-configuration.ts'
import {
  defaultInstallSettings,
  installSettingsSchema,
  type InstallSettings,
  type Storage,
} from '../../install/install-settings.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { hostName } from '../host-name.ts'
import { readServeFile } from './serve-file.ts'
import { isAddressRange } from '../../settings/setting-values.ts'

/** The flags of `trow install`. `undefined` means the value of the last install, or the default. */
export interface InstallOptions {
  readonly image?: string
  readonly host?: string
  readonly tlsSecret?: string
  readonly serviceType?: InstallSettings['serviceType']
  readonly nodePort?: string
  readonly ingressClass?: string
  readonly trustedProxies?: readonly string[]
  readonly storage?: string
  readonly storageSize?: string
  readonly storageClass?: string
  readonly replicas?: string
  readonly trustNodes?: boolean
  readonly restartRuntime?: boolean
  readonly editHosts?: boolean
  readonly startupTaint?: boolean
  readonly pullIdentity?: InstallSettings['pullIdentity']
  readonly anonymousPull?: boolean
  readonly clients?: readonly string[]
  readonly admission?: 'on' | 'off'
  readonly admissionFailurePolicy?: InstallSettings['admissionFailurePolicy']
  readonly exemptNamespaces?: readonly string[]
  readonly tenants?: InstallSettings['tenants']
  readonly config?: string
  readonly reset?: boolean
}

/**
 * Merges the flags into the settings of the last install. Throws UserError OPTION_INVALID, OPTIONS_CONFLICT,
 * REPLICAS_UNSUPPORTED, CONFIG_….
 */
export function installSettings(
  options: InstallOptions,
  { namespace, last }: { readonly namespace: string; readonly last: InstallSettings | undefined },
): InstallSettings {
  refuseReplicas(options.replicas)
  const base = last === undefined || options.reset === true ? defaultInstallSettings : last
  const given: Partial<InstallSettings> = {
    ...optional('image', options.image),
    ...optional('host', options.host === undefined ? undefined : hostName(options.host)),
    ...optional('tlsSecret', options.tlsSecret),
    ...optional('serviceType', options.serviceType),
    ...optional('nodePort', options.nodePort === undefined ? undefined : portNumber(options.nodePort)),
    ...optional('ingressClass', options.ingressClass),
    ...optional('trustedProxies', proxyRanges(options.trustedProxies)),
    ...optional('trustNodes', options.trustNodes),
    ...optional('restartRuntime', options.restartRuntime),
    ...optional('editHosts', options.editHosts),
    ...optional('startupTaint', options.startupTaint),
    ...optional('pullIdentity', options.pullIdentity),
    ...optional('anonymousPull', options.anonymousPull),
    ...optional('clients', options.clients === undefined ? undefined : [...options.clients]),
    ...optional('admission', options.admission === undefined ? undefined : options.admission === 'on'),
    ...optional('admissionFailurePolicy', options.admissionFailurePolicy),
    ...optional('exemptNamespaces', options.exemptNamespaces && [...options.exemptNamespaces]),
    ...optional('tenants', options.tenants),
    ...optional('configuration', options.config === undefined ? undefined : readServeFile(options.config)),
  }
  const settings = installSettingsSchema.parse({
    ...base,
    ...given,
    namespace,
    storage: storageOf(options, base.storage),
  })
  checkTogether(settings)
  checkConfiguration(settings.configuration)
  return settings
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>)
}

function refuseReplicas(replicas: string | undefined): void {
  if (replicas === undefined || replicas === '1') return
  throw new UserError('REPLICAS_UNSUPPORTED', `--replicas ${replicas}: a registry on one volume runs once`, {
    hint: 'The database and the blobs are files of one pod. An upgrade costs no pull: agents hold them meanwhile.',
    exitCode: exitCode.usage,
  })
}

function storageOf({ storage, storageSize, storageClass }: InstallOptions, base: Storage): Storage {
  if (storage === undefined && storageSize === undefined && storageClass === undefined) return base
  const size = storageSize ?? ('size' in base ? base.size : '20Gi')
  if (!(parseQuantity(size) > 0)) {
    throw invalid(`--storage-size ${size} is no size`, 'Write 20Gi, 500Gi, 1Ti.')
  }
  const kind = storage ?? base.kind
  if (storageClass !== undefined && kind !== 'claim') {
    throw conflict(`--storage-class does not go with --storage ${kind}`, 'Leave one of them out.')
  }
  if (kind === 'ephemeral') return { kind: 'ephemeral' }
  if (kind === 'claim') {
    const className = storageClass ?? (base.kind === 'claim' ? base.className : undefined)
    return { kind: 'claim', size, ...(className === undefined ? {} : { className }) }
  }
  if (storage === undefined && base.kind === 'local') return { ...base, size }
  const [, node, path] = /^local:(?:([a-z0-9.-]+):)?(\/.+)$/.exec(kind) ?? []
  if (path === undefined || /(^|\/)\.\.(\/|$)/.test(path)) {
    throw invalid(
      `--storage ${kind} is no storage`,
      'Write claim, local:/srv/trow, local:NODE:/srv/trow or ephemeral.',
    )
  }
  // An existing install keeps its folder, even if the folder would be refused today.
  if (!(base.kind === 'local' && base.path === path)) refuseSystemFolder(path)
  const same = base.kind === 'local' && base.path === path ? base.node : undefined
  const chosen = node ?? same
  return { kind: 'local', size, path, ...(chosen === undefined ? {} : { node: chosen }) }
}

function proxyRanges(given: readonly string[] | undefined): string[] | undefined {
  const ranges = given?.flatMap((each) => each.split(',').map((range) => range.trim()))
  for (const range of ranges ?? []) {
    if (!isAddressRange(range))
      throw invalid(
        `--trusted-proxies ${range} is no range of addresses`,
        'Write 10.244.0.0/16, or an address.',
      )
    if (range.endsWith('/0'))
      throw invalid(
        `--trusted-proxies ${range} is everybody, who could then name any address as theirs`,
        'Name the addresses of the ingress controller alone.',
      )
  }
  return ranges
}

/** Folders that belong to the node's system, to its runtimes and to the agents. */
const systemFolders = [
  '/bin /boot /dev /etc /lib /lib32 /lib64 /proc /root /run /sbin /sys /usr',
  '/var/cache /var/log /var/run /var/snap /var/spool /var/lib/trow-node',
  '/var/lib/cni /var/lib/containerd /var/lib/containers /var/lib/crio /var/lib/docker /var/lib/kubelet',
  '/var/lib/dpkg /var/lib/etcd /var/lib/k0s /var/lib/rancher /var/lib/rpm /var/lib/systemd',
].flatMap((line) => line.split(' '))
/** Folders that several programs share: the registry may only have a folder below one of them. */
const sharedFolders = ['/', '/home', '/media', '/mnt', '/opt', '/srv', '/tmp', '/var/tmp']

/** The registry's pod may write any file in this folder, links as well. */
function refuseSystemFolder(path: string): void {
  const clean = normalize(path).replace(/(?<=.)\/$/, '')
  const isBelow = (one: string, other: string): boolean => one === other || one.startsWith(`${other}/`)
  const taken = systemFolders.find((folder) => isBelow(clean, folder) || isBelow(folder, clean))
  if (taken === undefined && !sharedFolders.includes(clean)) return
  throw invalid(
    `--storage local:${path} ${taken === undefined || taken === clean ? 'is not the registry’s alone' : `and ${taken} lie in each other`}`,
    'Take a folder of its own, such as local:/srv/trow: the pod of the registry owns what is in it.',
  )
}

function portNumber(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port
  throw invalid(
    `--node-port ${text} is no port`,
    'The cluster takes 30000 to 32767, unless it was told otherwise.',
  )
}

function checkTogether(settings: InstallSettings): void {
  const { serviceType, nodePort, host, ingressClass, tlsSecret, pullIdentity, trustNodes } = settings
  if (settings.admissionFailurePolicy === 'fail' && !settings.admission) {
    throw conflict(
      '--admission-failure-policy fail needs the pods that judge, and --admission off has none',
      'Add --admission on, or --admission-failure-policy ignore.',
    )
  }
  if (settings.startupTaint && !trustNodes) {
    throw conflict(
      '--startup-taint is taken away by the agents, and --no-trust-nodes has none',
      'Add --trust-nodes, or --no-startup-taint.',
    )
  }
  if (pullIdentity === 'service-account' && !trustNodes) {
    throw conflict(
      '--pull-identity service-account is set up by the agents, and --no-trust-nodes has none',
      'Add --trust-nodes, or --pull-identity node; by hand it is trow trust-node --pull-identity service-account.',
    )
  }
  if (nodePort !== undefined && serviceType === 'ClusterIP') {
    throw conflict('--node-port needs a Service that has one', 'Add --service-type NodePort.')
  }
  if (host !== undefined) {
    checkProxies(settings)
    return
  }
  const needy = [
    [ingressClass, '--ingress-class'],
    [tlsSecret, '--tls-secret'],
    [serviceType === 'LoadBalancer' ? serviceType : undefined, '--service-type LoadBalancer'],
  ].find(([value]) => value !== undefined)
  if (needy === undefined) return
  throw conflict(
    `${needy[1]} needs a name that leads there`,
    'Add --host registry.example.com: from outside a certificate is checked by name.',
  )
}

function invalid(message: string, hint: string): UserError {
  return new UserError('OPTION_INVALID', message, { hint, exitCode: exitCode.usage })
}

function conflict(message: string, hint: string): UserError {
  return new UserError('OPTIONS_CONFLICT', message, { hint, exitCode: exitCode.usage })
}

/**
 * All requests through an ingress have the address of its controller. Without trusted proxies, one client
 * that guesses passwords would delay all others.
 */
function checkProxies({ ingressClass, trustedProxies, configuration }: InstallSettings): void {
  if (ingressClass === undefined || trustedProxies.length > 0 || 'trusted-proxies' in configuration) return
  throw conflict(
    '--ingress-class needs to know from where the ingress controller asks',
    'Add --trusted-proxies CIDR: the range of its pods (kubectl get pods -A -o wide), or of the nodes where it uses their network. ' +
      'Nobody else may be in it: whoever is can name any address as theirs.',
  )
}
