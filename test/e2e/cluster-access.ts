import { createSign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectCluster, type ClusterConnection } from '../../src/cluster/cluster-connection.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import type { Cluster } from './cluster.ts'
import { subfolder } from './place.ts'

export const templates = ['rbac.yaml', 'registry-rbac.yaml'].map(
  (name) => new URL(`../../templates/${name}`, import.meta.url).pathname,
)

/** Opens a connection with the user of a kubeconfig. */
export async function connectAs(kubeconfig: string, timeout?: number): Promise<ClusterConnection> {
  const context = loadKubeContext({ env: {}, cwd: '/', kubeconfig })
  const credentials = new CredentialSource(context, { env: {}, interactive: false, now: () => Date.now() })
  return connectCluster({ context, credentials, ...(timeout === undefined ? {} : { timeout }) })
}

/** Resolves to a token of a service account, made by kubectl. */
export async function tokenOf(
  cluster: Cluster,
  serviceAccount: string,
  ...options: readonly string[]
): Promise<string> {
  return (await cluster.kubectl(['create', 'token', serviceAccount, ...options])).trim()
}

/** Signs the token with other claims by the cluster's key, since the API server issues no expired tokens. */
export function resign(token: string, claims: Readonly<Record<string, unknown>>): string {
  const [header = '', payload = ''] = token.split('.')
  const old = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const signed = `${header}.${Buffer.from(JSON.stringify({ ...old, ...claims })).toString('base64url')}`
  const key = readFileSync(join(subfolder('pki'), 'tokens.key'))
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(key).toString('base64url')}`
}
