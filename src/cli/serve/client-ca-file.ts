import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { splitBundle } from '../../http/peer-certificate.ts'
import type { Log } from '../../log.ts'
import { UserError } from '../../user-error.ts'

const pollInterval = 2000

/**
 * The CAs in `path`, and again whenever the file changes; a new one that cannot be read is logged and the old one
 * stays. Returns what ends that. Throws UserError CLIENT_CA_INVALID.
 */
export function watchClientCa(path: string, log: Log, use: (pem: string) => void): () => void {
  let known = readClientCa(path)
  let complaint = ''
  use(known)
  const timer = setInterval(() => {
    try {
      const next = readClientCa(path)
      complaint = ''
      if (next === known) return
      known = next
      log.info('the CA of client certificates was replaced', { file: path })
      use(known)
    } catch (error) {
      const { message } = error as Error
      if (message !== complaint)
        log.error('the new CA of client certificates is not used, the old one stays', { reason: message })
      complaint = message
    }
  }, pollInterval)
  timer.unref()
  return () => clearInterval(timer)
}

function readClientCa(path: string): string {
  try {
    const pem = readFileSync(path, 'utf8')
    const certificates = splitBundle(pem).map((each) => new X509Certificate(each))
    if (certificates.length === 0) throw new Error('it holds no certificate')
    const leaf = certificates.find(({ ca }) => !ca)
    if (leaf !== undefined) throw new Error(`${leaf.subject.replaceAll('\n', ', ')} is no CA`)
    return pem
  } catch (cause) {
    throw new UserError('CLIENT_CA_INVALID', `${path} cannot be used: ${(cause as Error).message}`, {
      hint: '--client-ca takes the PEM certificates of the CAs whose client certificates are accepted.',
      cause,
    })
  }
}
