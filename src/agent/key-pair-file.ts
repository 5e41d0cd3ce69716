import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { errorCode } from '../error-code.ts'
import { reasonOf } from '../reason-of.ts'
import { MachineFiles } from '../trust/machine-files.ts'

/** A client certificate with its key: paths on the machine; one file may hold both. */
export interface KeyPairFile {
  readonly certificate: string
  readonly key: string
}

export type KeyPairState =
  | { readonly usable: true; readonly certificate: X509Certificate }
  /** `reason`: which file, and what is wrong with it. */
  | { readonly usable: false; readonly reason: string }

/**
 * Whether a runtime can use the pair: both parse and match, and the certificate is not expired. A runtime
 * fails every pull from a host whose `client =` it cannot read.
 */
export async function readKeyPair(hostRoot: string, pair: KeyPairFile, now: number): Promise<KeyPairState> {
  const files = new MachineFiles(hostRoot)
  try {
    const certificate = await readFile(await files.locate(pair.certificate), 'utf8')
    const key = await readFile(await files.locate(pair.key), 'utf8')
    return judgeKeyPair(pair, { certificate, key }, now)
  } catch (error) {
    return {
      usable: false,
      reason: `${pair.certificate} cannot be used: ${errorCode(error) ?? reasonOf(error)}`,
    }
  }
}

/** The same for the contents of the files, PEM. */
export function judgeKeyPair(
  names: KeyPairFile,
  text: { readonly certificate: string; readonly key: string },
  now: number,
): KeyPairState {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(text.certificate)
    if (!certificate.checkPrivateKey(createPrivateKey(text.key)))
      return { usable: false, reason: `${names.key} is not the key of ${names.certificate}` }
  } catch (error) {
    return {
      usable: false,
      reason: `${names.certificate} cannot be used: ${errorCode(error) ?? reasonOf(error)}`,
    }
  }
  if (certificate.validToDate.getTime() <= now)
    return {
      usable: false,
      reason: `${names.certificate} has expired on ${certificate.validToDate.toISOString()}`,
    }
  return { usable: true, certificate }
}
