import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Distribution } from './distribution.ts'
import type { MachineFiles } from './machine-files.ts'
import type { MachineFacts, NodeTrust } from './node-trust.ts'

type ClientKeyPair = NonNullable<NodeTrust['identity']>

/**
 * Returns why a client certificate cannot be used, as text; `undefined` if certificate and key parse and
 * belong together.
 */
export async function identityFault(
  files: MachineFiles,
  { certificate, key }: ClientKeyPair,
): Promise<string | undefined> {
  const [certificateText, keyText] = [await files.read(certificate), await files.read(key)]
  if (certificateText === undefined) return `${certificate} is not there`
  if (keyText === undefined) return `${key} is not there`
  let parsed: X509Certificate
  try {
    parsed = new X509Certificate(certificateText)
  } catch {
    return `${certificate} holds no certificate`
  }
  try {
    if (!parsed.checkPrivateKey(createPrivateKey(keyText))) return `${key} does not belong to ${certificate}`
  } catch {
    return `${key} holds no key`
  }
  return undefined
}

/** Returns the kubelet's own client certificate, if it can be used. */
export async function findKubeletCertificate(
  files: MachineFiles,
  { certificates = [] }: Distribution,
): Promise<MachineFacts['kubeletCertificate']> {
  for (const [certificate, key] of certificates) {
    if ((await identityFault(files, { certificate, key })) === undefined) return { certificate, key }
  }
  return undefined
}
