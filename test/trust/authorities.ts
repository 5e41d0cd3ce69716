import { webcrypto } from 'node:crypto'
import { issueLeaf, makeAuthority } from '../../src/certificates/certificate-authority.ts'

export async function makeCa(): Promise<string> {
  return (await makeAuthority(['trow.trow.svc'], [], webcrypto as Crypto)).cert
}

/** A certificate and its key, PEM. */
export async function makePair(): Promise<{ readonly cert: string; readonly key: string }> {
  const authority = await makeAuthority(['trow.trow.svc'], [], webcrypto as Crypto)
  return issueLeaf(authority, { names: ['localhost'], life: 3_600_000 }, webcrypto as Crypto)
}
