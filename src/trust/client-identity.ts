import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Distribution } from './distribution.ts'
import type { MachineFiles } from './machine-files.ts'
import type { NodeFacts, NodeTrust } from './node-trust.ts'

type Identity = NonNullable<NodeTrust['identity']>

/** Why a client certificate cannot be used, in words; undefined when certificate and key parse and belong together. */
export async function identityFault(
  files: MachineFiles,
  { certificate, key }: Identity,
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

/** The kubelet's own certificate, if it can be used. */
export async function findKubeletCertificate(
  files: MachineFiles,
  { certificates = [] }: Distribution,
): Promise<NodeFacts['kubeletCertificate']> {
  for (const [certificate, key] of certificates) {
    if ((await identityFault(files, { certificate, key })) === undefined) return { certificate, key }
  }
  return undefined
}
