import { readFileSync, writeFileSync } from 'node:fs'
import type { Pair } from '../support/certificate-authority.ts'

export interface Kubeconfig {
  readonly server: string
  readonly caFile: string
  readonly user: Pair | { readonly token: string }
}

/** Writes a kubeconfig that refers to no other file. */
export function writeKubeconfig(path: string, { server, caFile, user }: Kubeconfig): void {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'cluster',
        cluster: { server, 'certificate-authority-data': base64(readFileSync(caFile, 'utf8')) },
      },
    ],
    users: [
      {
        name: 'user',
        user:
          'token' in user
            ? user
            : { 'client-certificate-data': base64(user.cert), 'client-key-data': base64(user.key) },
      },
    ],
    contexts: [{ name: 'cluster', context: { cluster: 'cluster', user: 'user' } }],
    'current-context': 'cluster',
  }
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 })
}
