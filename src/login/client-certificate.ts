import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { replaceFile } from '../cluster/replace-file.ts'
import { makeFolder } from '../new-folder.ts'
import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { Engine } from './engine.ts'

/** Returns the name in a client certificate and its end (milliseconds since the epoch). */
export function describeCertificate(pem: string): { readonly name: string; readonly until: number } {
  const certificate = new X509Certificate(pem)
  const [, name = certificate.subject] = /^CN=(.*)$/m.exec(certificate.subject) ?? []
  return { name, until: certificate.validToDate.getTime() }
}

/**
 * Writes `certs.d/HOST/client.cert` and `client.key`, where dockerd and containers-certs.d(5) look for them.
 * Returns the written files. Throws UserError FILE_EXISTS for a pair of another owner,
 * CREDENTIALS_NOT_WRITABLE.
 */
export async function writeCertificate(
  engine: Engine,
  host: string,
  pair: { readonly cert: string; readonly key: string },
  ours: readonly string[],
): Promise<readonly string[]> {
  const folder = join(engine.certificates, host)
  const [cert, key] = [join(folder, 'client.cert'), join(folder, 'client.key')]
  const foreign = [cert, key].find((file) => existsSync(file) && !ours.includes(file))
  if (foreign !== undefined) {
    throw new UserError('FILE_EXISTS', `${foreign} is there already, and not from trow`, {
      hint: 'Move it away first.',
    })
  }
  try {
    const beside = existsSync(folder) ? [] : await copyAuthorities(engine, host, folder)
    makeFolder(folder, 0o755)
    await replaceFile(key, pair.key, 0o600)
    await replaceFile(cert, pair.cert, 0o644)
    return [cert, key, ...beside]
  } catch (cause) {
    throw new UserError('CREDENTIALS_NOT_WRITABLE', `${folder} cannot be written: ${reasonOf(cause)}`, {
      hint: 'Try it as the user whom the folder belongs to.',
      exitCode: exitCode.notPermitted,
      cause,
    })
  }
}

export async function removeFiles(files: readonly string[]): Promise<void> {
  for (const file of files) {
    await rm(file, { force: true }).catch((cause: unknown) => {
      throw new UserError('CREDENTIALS_NOT_WRITABLE', `${file} cannot be removed`, {
        exitCode: exitCode.notPermitted,
        cause,
      })
    })
    // `rmdir` removes the folder only if it is empty.
    await rmdir(dirname(file)).catch(() => undefined)
  }
}

/**
 * An engine reads only the first folder that has an entry for the host: a CA from the next folder must be
 * copied too.
 */
async function copyAuthorities(engine: Engine, host: string, folder: string): Promise<string[]> {
  const next = engine.otherCertificates.map((other) => join(other, host)).find((other) => existsSync(other))
  if (next === undefined) return []
  const copied: string[] = []
  makeFolder(folder, 0o755)
  for (const name of await readdir(next)) {
    if (!name.endsWith('.crt')) continue
    await copyFile(join(next, name), join(folder, name))
    copied.push(join(folder, name))
  }
  return copied
}
