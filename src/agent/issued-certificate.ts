import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { originOfToken, urisOf } from '../cluster/node-origin.ts'
import { MachineFiles } from '../trust/machine-files.ts'
import { readCertificates } from '../pem-bundle.ts'
import { readKeyPair, type KeyPairFile } from './key-pair-file.ts'

/** Certificate, its CA and key in one file, so that they change in one step; as the machine names it. */
export const issuedFile = '/var/lib/trow/node-client.pem'
const pair: KeyPairFile = { certificate: issuedFile, key: issuedFile }

export interface IssuedCertificateOptions {
  readonly hostRoot: string
  readonly node: string
  readonly now: () => number
  readonly crypto: Crypto
  /** The agent's own, to which certificates are issued. */
  readonly token: () => Promise<string>
  /** Hands a PKCS #10 request to the registry; resolves to the chain, PEM, leaf first. */
  readonly ask: (request: string) => Promise<string>
}

/** The client certificate that trow's own CA gives to a node that has none of the cluster's. */
export class IssuedCertificate {
  readonly #options: IssuedCertificateOptions

  constructor(options: IssuedCertificateOptions) {
    this.#options = options
  }

  /** What stands on the node, where a runtime can use it. */
  async current(): Promise<
    { readonly pair: KeyPairFile; readonly certificate: X509Certificate } | undefined
  > {
    const state = await readKeyPair(this.#options.hostRoot, pair, this.#options.now())
    return state.usable ? { pair, certificate: state.certificate } : undefined
  }

  /**
   * Half of its life is over, no CA of the bundle stands behind it any more, or it was issued for a Node or to an account
   * that has been made anew since: the registry refuses it then.
   */
  async isDue(certificate: X509Certificate, bundle: string): Promise<boolean> {
    const said = (certificate.subjectAltName ?? '').split(', ')
    const token = await this.#options.token().catch(() => '')
    if (!urisOf(originOfToken(token)).every((uri) => said.includes(`URI:${uri}`))) return true
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
    if (this.#options.now() >= from + (to - from) / 2) return true
    return !readCertificates(bundle).some((ca) => certificate.verify(ca.publicKey))
  }

  /** Makes a key, has it certified and puts both on the node; what stood there stays until then. */
  async renew(): Promise<void> {
    const { node, crypto, ask, hostRoot, now } = this.#options
    // Most nodes have a certificate of the cluster's, and go without what makes others.
    const { makeCertificateRequest } = await import('../certificates/certificate-request.ts')
    const { key, request } = await makeCertificateRequest(`system:node:${node}`, crypto)
    const chain = await ask(request)
    const path = await new MachineFiles(hostRoot).locate(issuedFile)
    const folder = dirname(path)
    await mkdir(dirname(folder), { recursive: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const temporary = `${path}.new`
    await rm(temporary, { force: true })
    await writeFile(temporary, `${chain.trimEnd()}\n${key}`, { mode: 0o600, flush: true })
    await chmod(temporary, 0o600)
    const fresh = { certificate: `${issuedFile}.new`, key: `${issuedFile}.new` }
    const state = await readKeyPair(hostRoot, fresh, now())
    if (!state.usable) {
      await rm(temporary, { force: true })
      throw new Error(`the registry's answer is no certificate for the key: ${state.reason}`)
    }
    await rename(temporary, path)
  }

  /** Leaves nothing of it, the folder only where others keep something there. True: there was something. */
  async remove(): Promise<boolean> {
    const path = await new MachineFiles(this.#options.hostRoot).locate(issuedFile)
    const before = existsSync(path)
    await rm(path, { force: true })
    await rm(`${path}.new`, { force: true })
    await rmdir(dirname(path)).catch((error: NodeJS.ErrnoException) => {
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code ?? '')) throw error
    })
    return before
  }
}
