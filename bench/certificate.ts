import { webcrypto } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { issueLeaf, makeAuthority } from '../src/certificates/certificate-authority.ts'

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
}

/** One certificate (ECDSA P-256) for all servers of a run. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const crypto = webcrypto as Crypto
  const authority = await makeAuthority([], ['127.0.0.1'], crypto)
  const names = ['127.0.0.1', 'localhost']
  const leaf = await issueLeaf(authority, { names, life: 24 * 3_600_000 }, crypto)
  const certificate = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  writeFileSync(certificate.certFile, leaf.cert)
  writeFileSync(certificate.keyFile, leaf.key, { mode: 0o600 })
  return certificate
}
