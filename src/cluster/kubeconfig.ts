import { hostPort } from '../host-port.ts'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path'
import { parse } from 'yaml'
import type { z } from 'zod'
import { checkForeign, ForeignJsonError } from '../foreign-json.ts'
import { exitCode, UserError } from '../user-error.ts'
import { kubeconfigSchema, type execSchema, type userSchema } from './kubeconfig-schema.ts'
import type {
  ExecPlugin,
  KubeCluster,
  KubeContext,
  KubeUser,
  PemSource,
  TokenOrigin,
} from './kube-context.ts'
import { proxyFor } from './proxy-environment.ts'

export interface KubeconfigOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** `--kubeconfig`: only this file is read, and it must exist. */
  readonly kubeconfig?: string | undefined
  /** `--context`; the current context by default. */
  readonly context?: string | undefined
  /** `--as` and `--as-group`: they replace the kubeconfig's impersonation. */
  readonly as?: string | undefined
  readonly asGroups?: readonly string[] | undefined
  /** The folder of a pod's service account; tests set another one. */
  readonly serviceAccountFolder?: string
}

const podFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Follows kubectl's rules: `--kubeconfig`, else the merged files of KUBECONFIG (the first definition of a name wins,
 * missing files are skipped), else `~/.kube/config`, else the pod's service account. If the kubeconfig names no proxy,
 * the environment's is used. Throws UserError KUBECONFIG_MISSING, KUBECONFIG_INVALID, CONTEXT_UNKNOWN or
 * IMPERSONATION_INVALID.
 */
export function loadKubeContext(options: KubeconfigOptions): KubeContext {
  const { cluster, user, ...found } = findContext(options)
  const proxyUrl = cluster.proxyUrl ?? proxyFor(cluster.server, options.env)
  return {
    ...found,
    cluster: { ...cluster, proxyUrl },
    user: { ...user, impersonate: asWhom(options, user) },
  }
}

function asWhom(
  { as, asGroups = [] }: KubeconfigOptions,
  { impersonate }: KubeUser,
): KubeUser['impersonate'] {
  if (as !== undefined) return { user: as, uid: undefined, groups: asGroups, extra: {} }
  if (asGroups.length === 0) return impersonate
  if (impersonate !== undefined) return { ...impersonate, groups: asGroups }
  throw new UserError('IMPERSONATION_INVALID', '--as-group needs --as: groups alone are nobody', {
    hint: 'Add --as USER.',
    exitCode: exitCode.usage,
  })
}

function findContext(options: KubeconfigOptions): KubeContext {
  const files = filesOf(options)
  const found = files.filter((file) => existsSync(file))
  if (found.length === 0 && options.kubeconfig === undefined && options.context === undefined) {
    const pod = podContext(options)
    if (pod !== undefined) return pod
  }
  if (found.length === 0) {
    throw new UserError('KUBECONFIG_MISSING', `there is no kubeconfig at ${files.join(', ')}`, {
      hint: 'Name one with --kubeconfig or KUBECONFIG; kubectl config view shows what kubectl uses.',
    })
  }
  return contextOf(found.map(readKubeconfig), options.context)
}

/**
 * Returns the names of all contexts in the files that `loadKubeContext` would read. Throws UserError
 * KUBECONFIG_INVALID.
 */
export function kubeContextNames(
  options: Pick<KubeconfigOptions, 'env' | 'cwd' | 'kubeconfig'>,
): readonly string[] {
  const configs = filesOf(options)
    .filter((file) => existsSync(file))
    .map(readKubeconfig)
  return [...new Set(configs.flatMap(({ content }) => (content.contexts ?? []).map(({ name }) => name)))]
}

/** The context of a pod's own service account, if the environment names an API server. */
export function podContext(
  options: Pick<KubeconfigOptions, 'env' | 'serviceAccountFolder'>,
): KubeContext | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = options.env
  const folder = options.serviceAccountFolder ?? podFolder
  const token = join(folder, 'token')
  if (host === undefined || host === '' || !existsSync(token)) return undefined
  const namespace = join(folder, 'namespace')
  return {
    name: 'in-cluster',
    file: undefined,
    namespace: existsSync(namespace) ? readFileSync(namespace, 'utf8').trim() : undefined,
    cluster: {
      server: `https://${hostPort(host, port ?? '443')}`,
      ca: { file: join(folder, 'ca.crt') },
      insecure: false,
      serverName: undefined,
      proxyUrl: undefined,
    },
    user: {
      name: 'service account of the pod',
      certificate: undefined,
      token: { kind: 'token-file', file: token },
      impersonate: undefined,
    },
  }
}

function filesOf({ env, cwd, kubeconfig }: KubeconfigOptions): string[] {
  if (kubeconfig !== undefined) return [resolve(cwd, kubeconfig)]
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '')
  if (listed.length > 0) return [...new Set(listed)].map((file) => resolve(cwd, file))
  return [join(env['HOME'] ?? env['USERPROFILE'] ?? cwd, '.kube', 'config')]
}

interface Kubeconfig {
  readonly file: string
  readonly content: z.infer<typeof kubeconfigSchema>
}

function readKubeconfig(file: string): Kubeconfig {
  try {
    return { file, content: checkForeign(parse(readFileSync(file, 'utf8')) ?? {}, kubeconfigSchema) }
  } catch (cause) {
    throw invalid(file, cause instanceof ForeignJsonError ? cause.message : reasonOf(cause), cause)
  }
}

/** The parser's message quotes the line, which may hold a secret; its code does not. */
function reasonOf(cause: unknown): string {
  const { code, linePos } = cause as { code?: string; linePos?: readonly { line: number }[] }
  return `${code ?? 'no YAML'}${linePos === undefined ? '' : ` in line ${linePos[0]?.line}`}`
}

function contextOf(configs: readonly Kubeconfig[], wanted: string | undefined): KubeContext {
  const name = wanted ?? configs.map(({ content }) => content['current-context']).find((each) => each)
  const files = configs.map(({ file }) => file).join(', ')
  const contexts = configs.flatMap(({ file, content }) =>
    (content.contexts ?? []).map((entry) => ({ file, ...entry })),
  )
  const context = contexts.find((entry) => entry.name === name)
  if (name === undefined || name === null || context === undefined) {
    throw new UserError(
      'CONTEXT_UNKNOWN',
      name ? `there is no context "${name}" in ${files}` : `${files}: no context is current`,
      {
        hint:
          contexts.length === 0
            ? 'It holds no contexts at all.'
            : `Name one of them with --context: ${contexts.map((entry) => entry.name).join(', ')}`,
      },
    )
  }
  return {
    name,
    file: context.file,
    namespace: context.context?.namespace ?? undefined,
    cluster: clusterNamed(configs, context.context?.cluster, context),
    user: userNamed(configs, context.context?.user, context),
  }
}

type NamedEntry = { readonly file: string; readonly name: string }

function clusterNamed(
  configs: readonly Kubeconfig[],
  name: string | null | undefined,
  context: NamedEntry,
): KubeCluster {
  const found = firstOf(configs, ({ clusters }) => clusters, name)
  const server = found?.entry.cluster?.server
  if (found === undefined || !server || !/^https?:\/\//.test(server)) {
    throw invalid(context.file, `context "${context.name}" names no cluster with a server`)
  }
  const cluster = found.entry.cluster ?? {}
  const proxyUrl = cluster['proxy-url']
  return {
    server: server.replace(/\/+$/, ''),
    ca: pemOf(cluster['certificate-authority-data'], cluster['certificate-authority'], found.file),
    insecure: cluster['insecure-skip-tls-verify'] ?? false,
    serverName: cluster['tls-server-name'] || undefined,
    proxyUrl: proxyUrl || undefined,
  }
}

function userNamed(
  configs: readonly Kubeconfig[],
  name: string | null | undefined,
  context: NamedEntry,
): KubeUser {
  const found = firstOf(configs, ({ users }) => users, name)
  if (name && found === undefined) {
    throw invalid(context.file, `context "${context.name}" names no user that is there`)
  }
  const user = found?.entry.user ?? {}
  const file = found?.file ?? context.file
  const cert = pemOf(user['client-certificate-data'], user['client-certificate'], file)
  const key = pemOf(user['client-key-data'], user['client-key'], file)
  return {
    name: name ?? '',
    certificate: cert === undefined || key === undefined ? undefined : { cert, key },
    token: tokenOf(user, { file, name: name ?? '' }),
    impersonate: user.as
      ? {
          user: user.as,
          uid: user['as-uid'] ?? undefined,
          groups: user['as-groups'] ?? [],
          extra: user['as-user-extra'] ?? {},
        }
      : undefined,
  }
}

function firstOf<Entry extends { readonly name: string }>(
  configs: readonly Kubeconfig[],
  list: (content: Kubeconfig['content']) => readonly Entry[] | null | undefined,
  name: string | null | undefined,
): { readonly file: string; readonly entry: Entry } | undefined {
  for (const { file, content } of configs) {
    const entry = list(content)?.find((each) => each.name === name)
    if (entry !== undefined) return { file, entry }
  }
  return undefined
}

function tokenOf(user: z.infer<typeof userSchema>, kept: NamedEntry): TokenOrigin | undefined {
  if (user.tokenFile) return { kind: 'token-file', file: beside(kept.file, user.tokenFile) }
  if (user.token) return { kind: 'token', token: user.token }
  if (user.exec) return { kind: 'exec', plugin: pluginOf(user.exec, kept.file) }
  if (user['auth-provider']) return providerOf(user['auth-provider'], kept)
  if (user.username) return { kind: 'basic', username: user.username, password: user.password ?? '' }
  return undefined
}

function pluginOf(exec: z.infer<typeof execSchema>, file: string): ExecPlugin {
  return {
    apiVersion: exec.apiVersion,
    command: /[\\/]/.test(exec.command) ? beside(file, exec.command) : exec.command,
    args: exec.args ?? [],
    env: Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value])),
    interactiveMode: exec.interactiveMode ?? 'IfAvailable',
    provideClusterInfo: exec.provideClusterInfo ?? false,
    installHint: exec.installHint ?? undefined,
  }
}

function providerOf(
  { name, config }: NonNullable<z.infer<typeof userSchema>['auth-provider']>,
  kept: NamedEntry,
): TokenOrigin {
  if (name !== 'oidc') return { kind: 'unsupported', provider: name }
  const values = config ?? {}
  return {
    kind: 'oidc',
    provider: {
      issuer: values['idp-issuer-url'] ?? '',
      clientId: values['client-id'] ?? '',
      clientSecret: values['client-secret'] || undefined,
      idToken: values['id-token'] || undefined,
      refreshToken: values['refresh-token'] || undefined,
      ca: pemOf(values['idp-certificate-authority-data'], values['idp-certificate-authority'], kept.file),
      keptIn: { file: kept.file, user: kept.name },
    },
  }
}

/** As in client-go, inline data takes precedence over a file. */
function pemOf(
  data: string | null | undefined,
  path: string | null | undefined,
  file: string,
): PemSource | undefined {
  if (data) return { pem: Buffer.from(data, 'base64').toString('utf8') }
  return path ? { file: beside(file, path) } : undefined
}

function beside(file: string, path: string): string {
  return isAbsolute(path) ? path : resolve(dirname(file), path)
}

function invalid(file: string, reason: string, cause?: unknown): UserError {
  return new UserError('KUBECONFIG_INVALID', `${file}: ${reason}`, { cause, exitCode: exitCode.failed })
}
