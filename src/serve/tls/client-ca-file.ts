import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Log } from '../../log.ts'
import { weaknessOf } from '../../key-strength.ts'
import { certificatesInPem } from '../../pem-bundle.ts'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { certificateChange, type FileChanged } from '../audit/file-change.ts'
import { watchValue } from '../watched-value.ts'

/**
 * Passes the CAs in `path` to `use`, now and whenever the file changes. Returns a function that stops this.
 * Throws UserError CLIENT_CA_INVALID.
 */
export function watchClientCa(
  path: string,
  { log, changed }: { readonly log: Log; readonly changed: FileChanged },
  use: (pem: string) => void,
): () => void {
  const watched = watchValue(() => readClientCa(path), {
    files: [path],
    log,
    changed: 'the CA of client certificates was replaced',
    refused: 'the CA of client certificates is not used as it is now, the old one stays',
    facts: () => ({ file: path }),
  })
  use(watched.current)
  watched.onChange((pem, before) => {
    use(pem)
    const change = certificateChange({ file: path, of: 'client-ca' }, before, pem)
    if (change !== undefined) changed(change)
  })
  return watched.close
}

/** Throws UserError CLIENT_CA_INVALID. */
export function readClientCa(path: string): string {
  try {
    const pem = readFileSync(path, 'utf8')
    const certificates = certificatesInPem(pem).map((each) => new X509Certificate(each))
    if (certificates.length === 0) throw new Error('it holds no certificate')
    const leaf = certificates.find(({ ca }) => !ca)
    if (leaf !== undefined) throw new Error(`${leaf.subject.replaceAll('\n', ', ')} is no CA`)
    for (const { subject, publicKey } of certificates) {
      const weakness = weaknessOf(publicKey)
      if (weakness !== undefined) throw new Error(`${subject.replaceAll('\n', ', ')}: ${weakness}`)
    }
    return pem
  } catch (cause) {
    throw new UserError('CLIENT_CA_INVALID', `${path} cannot be used: ${reasonOf(cause)}`, {
      hint: '--client-ca takes the PEM certificates of the CAs whose client certificates are accepted.',
      cause,
    })
  }
}
