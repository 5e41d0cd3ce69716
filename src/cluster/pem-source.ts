import { readFile } from 'node:fs/promises'
import { UserError } from '../user-error.ts'
import type { PemSource } from './kube-context.ts'

/** Reads the file on each call, since it may have been replaced. Throws UserError KUBECONFIG_INVALID. */
export async function readPem(source: PemSource): Promise<string> {
  if ('pem' in source) return source.pem
  try {
    return await readFile(source.file, 'utf8')
  } catch (cause) {
    throw new UserError('KUBECONFIG_INVALID', `${source.file} cannot be read`, { cause })
  }
}
