import { webcrypto } from 'node:crypto'
import { issueLeaf, makeAuthority } from '../../src/certificates/certificate-authority.ts'
import type { NodeTrust } from '../../src/trust/node-trust.ts'

export async function makeCa(): Promise<string> {
  return (await makeAuthority(['trow.trow.svc'], [], webcrypto as Crypto)).cert
}

/** Returns a certificate and its key as PEM. */
export async function makePair(): Promise<{ readonly cert: string; readonly key: string }> {
  const authority = await makeAuthority(['trow.trow.svc'], [], webcrypto as Crypto)
  return issueLeaf(authority, { names: ['localhost'], life: 3_600_000 }, webcrypto as Crypto)
}

/** The trust that an agent sets up on a machine, with a new CA. */
export async function agentTrust(): Promise<NodeTrust> {
  return {
    hosts: ['trow.trow.svc', 'trow.trow.svc:443'],
    ca: await makeCa(),
    endpoints: ['127.0.0.1:29443', '10.96.7.7:443'],
    identity: undefined,
  }
}
