import { spawn } from 'node:child_process'
import { z } from 'zod'
import { UserError } from '../user-error.ts'
import type { ExecPlugin, KubeCluster } from './kube-context.ts'
import { readPem } from './pem-source.ts'
import { tryForeignJson } from '../foreign-json.ts'

export interface ExecDeps {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether standard input is a terminal on which the plug-in may prompt. */
  readonly interactive: boolean
}

/** The output of a plug-in: a token, a certificate, or both. */
export interface ExecCredential {
  readonly token: string | undefined
  readonly certificate: { readonly cert: string; readonly key: string } | undefined
  /** When the credential expires, in milliseconds since the epoch. */
  readonly until: number | undefined
}

const versions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']

const credentialSchema = z.object({
  apiVersion: z.string(),
  kind: z.literal('ExecCredential'),
  status: z.object({
    expirationTimestamp: z.string().nullish(),
    token: z.string().nullish(),
    clientCertificateData: z.string().nullish(),
    clientKeyData: z.string().nullish(),
  }),
})

/**
 * Runs a credential plug-in as kubectl does (KEP-541, client-go `plugin/pkg/client/auth/exec`): KUBERNETES_EXEC_INFO,
 * inherited standard error, standard input only if its mode allows it. Throws UserError EXEC_PLUGIN_FAILED.
 */
export async function runExecPlugin(
  plugin: ExecPlugin,
  cluster: KubeCluster,
  { env, interactive }: ExecDeps,
): Promise<ExecCredential> {
  if (!versions.includes(plugin.apiVersion)) {
    throw failed(plugin, `speaks ${plugin.apiVersion}, which is none of ${versions.join(', ')}`)
  }
  if (plugin.interactiveMode === 'Always' && !interactive) {
    throw failed(plugin, 'asks for input, and standard input is no terminal')
  }
  const asks = interactive && plugin.interactiveMode !== 'Never'
  const info = {
    kind: 'ExecCredential',
    apiVersion: plugin.apiVersion,
    spec: {
      ...(plugin.provideClusterInfo ? { cluster: await clusterInfo(cluster) } : {}),
      interactive: asks,
    },
  }
  const output = await run(plugin, asks, {
    ...env,
    ...plugin.env,
    KUBERNETES_EXEC_INFO: JSON.stringify(info),
  })
  return parseCredential(plugin, output)
}

async function clusterInfo(cluster: KubeCluster): Promise<Record<string, unknown>> {
  const ca = cluster.ca === undefined ? undefined : await readPem(cluster.ca)
  return {
    server: cluster.server,
    ...(cluster.serverName === undefined ? {} : { 'tls-server-name': cluster.serverName }),
    ...(cluster.insecure ? { 'insecure-skip-tls-verify': true } : {}),
    ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
    ...(cluster.proxyUrl === undefined ? {} : { 'proxy-url': cluster.proxyUrl }),
    config: null,
  }
}

async function run(
  plugin: ExecPlugin,
  asks: boolean,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(plugin.command, [...plugin.args], {
      env,
      stdio: [asks ? 'inherit' : 'ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (output.length > 1024 * 1024) child.kill('SIGKILL')
    })
    child.once('error', (cause) => reject(failed(plugin, 'cannot be run', cause)))
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output)
      else reject(failed(plugin, `ended with ${signal ?? `code ${code}`}`))
    })
  })
}

function parseCredential(plugin: ExecPlugin, output: string): ExecCredential {
  const parsed = tryForeignJson(output, credentialSchema)
  if (parsed === undefined) throw failed(plugin, 'printed no ExecCredential with a status')
  const { apiVersion, status } = parsed
  if (apiVersion !== plugin.apiVersion) {
    throw failed(plugin, `was asked for ${plugin.apiVersion} and printed ${apiVersion}`)
  }
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = status
  if (!token && !(cert && key)) throw failed(plugin, 'gave neither a token nor a certificate with its key')
  const until = expirationTimestamp ? Date.parse(expirationTimestamp) : Number.NaN
  return {
    token: token || undefined,
    certificate: cert && key ? { cert, key } : undefined,
    until: Number.isNaN(until) ? undefined : until,
  }
}

/** The message never contains the plug-in's output, which may be a credential. */
function failed(plugin: ExecPlugin, reason: string, cause?: unknown): UserError {
  return new UserError('EXEC_PLUGIN_FAILED', `the credential plug-in ${plugin.command} ${reason}`, {
    hint: plugin.installHint ?? 'kubectl runs the same one: kubectl version shows whether that works.',
    cause,
  })
}
