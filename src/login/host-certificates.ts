import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { engines, type Env } from './engine.ts'

/** What docker or podman keep for the TLS of one registry, in PEM. */
export interface HostCertificates {
  /** The CAs that are trusted for it, with those of the system; `undefined` if these are all. */
  readonly ca: string | undefined
  readonly certificate: { readonly cert: string; readonly key: string } | undefined
}

/**
 * Reads the first folder that docker's or podman's `certs.d` has for a host (containers-certs.d(5)). A file
 * that cannot be read counts as absent.
 */
export async function hostCertificates(host: string, env: Env): Promise<HostCertificates> {
  const places = engines(env).flatMap(({ certificates, otherCertificates }) => [
    certificates,
    ...otherCertificates,
  ])
  for (const folder of new Set(places)) {
    const names = await readdir(join(folder, host)).catch(() => [])
    const read = (name: string): Promise<string> => readFile(join(folder, host, name), 'utf8').catch(() => '')
    const authorities = await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read))
    const certificate = await pairOf(names, read)
    const own = authorities.filter((pem) => pem.trim() !== '')
    if (own.length === 0 && certificate === undefined) continue
    const ca = own.length === 0 ? undefined : [...getCACertificates('default'), ...own].join('\n')
    return { ca, certificate }
  }
  return { ca: undefined, certificate: undefined }
}

async function pairOf(
  names: readonly string[],
  read: (name: string) => Promise<string>,
): Promise<HostCertificates['certificate']> {
  for (const name of names.filter((each) => each.endsWith('.cert'))) {
    const [cert, key] = await Promise.all([read(name), read(name.replace(/\.cert$/, '.key'))])
    if (cert !== '' && key !== '') return { cert, key }
  }
  return undefined
}
