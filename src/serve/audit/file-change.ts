import { X509Certificate } from 'node:crypto'
import type { Users } from '../../access/htpasswd.ts'
import { certificatesInPem } from '../../pem-bundle.ts'

/** A file that a running server has read again, and what is different in it. No secrets. */
export interface FileChange {
  readonly action: 'users-change' | 'certificate-change'
  readonly file: string
  /** For the audit record: what the file is, and which names or certificates came and went. */
  readonly change: Readonly<Record<string, unknown>>
}

export type FileChanged = (change: FileChange) => void

/** Names or certificates that one record lists. */
const mostEntries = 50

/** Undefined: the users and their passwords are the same. */
export function usersChange(file: string, before: Users, after: Users): FileChange | undefined {
  const added = [...after.keys()].filter((name) => !before.has(name))
  const removed = [...before.keys()].filter((name) => !after.has(name))
  const newPassword = [...after]
    .filter(([name, hash]) => before.has(name) && before.get(name) !== hash)
    .map(([name]) => name)
  const change = {
    ...listed('added', added),
    ...listed('removed', removed),
    ...listed('newPassword', newPassword),
  }
  return Object.keys(change).length === 0 ? undefined : { action: 'users-change', file, change }
}

/** `of`: what the certificates are. Undefined: they are the same. */
export function certificateChange(
  { file, of }: { readonly file: string; readonly of: 'server' | 'client-ca' | 'ca' },
  before: string,
  after: string,
): FileChange | undefined {
  const [had, has] = [certificatesOf(before), certificatesOf(after)]
  const added = [...has].filter(([digest]) => !had.has(digest)).map(([, facts]) => facts)
  const removed = [...had].filter(([digest]) => !has.has(digest)).map(([, facts]) => facts)
  if (added.length + removed.length === 0) return undefined
  return {
    action: 'certificate-change',
    file,
    change: { of, ...listed('added', added), ...listed('removed', removed) },
  }
}

/** By their SHA-256. A part that is no certificate, which a chain may have after its first, is left out. */
function certificatesOf(pem: string): ReadonlyMap<string, object> {
  return new Map(
    certificatesInPem(pem).flatMap((text): [string, object][] => {
      try {
        const { fingerprint256, subject, validTo } = new X509Certificate(text)
        const sha256 = fingerprint256.replaceAll(':', '').toLowerCase()
        return [
          [
            sha256,
            { sha256, subject: subject.replaceAll('\n', ', '), validTo: new Date(validTo).toISOString() },
          ],
        ]
      } catch {
        return []
      }
    }),
  )
}

function listed(name: string, all: readonly unknown[]): object {
  if (all.length === 0) return {}
  return {
    [name]: all.slice(0, mostEntries),
    ...(all.length > mostEntries && { [`${name}InAll`]: all.length }),
  }
}
