import { createPrivateKey, type X509Certificate } from 'node:crypto'
import { urisOf } from '../cluster/node-origin.ts'
import { originOfToken } from '../cluster/token-origin.ts'
import { onlyCertificates, readCertificates } from '../pem-bundle.ts'
import { judgeKeyPair, type KeyPairFile } from './key-pair-file.ts'
import { PrivateFile } from './private-file.ts'

/** Path on the machine. Certificate, its CA and key are in one file, so that they change in one step. */
export const issuedFile = '/var/lib/trow-node/node-client.pem'
/**
 * The path of the previous release. It was given up since `--storage local:/var/lib/trow` gives that folder
 * to the registry's pod.
 */
const issuedBefore = '/var/lib/trow/node-client.pem'
const pair: KeyPairFile = { certificate: issuedFile, key: issuedFile }

export interface IssuedCertificateOptions {
  readonly hostRoot: string
  readonly node: string
  readonly now: () => number
  readonly crypto: Crypto
  /** The agent's own token; certificates are issued to its account. */
  readonly token: () => Promise<string>
  /** Hands a PKCS #10 request to the registry; resolves to the chain, PEM, leaf first. */
  readonly ask: (request: string) => Promise<string>
}

/** The client certificate that trow's own CA issues to a node without one of the cluster's CA. */
export class IssuedCertificate {
  readonly #options: IssuedCertificateOptions
  readonly #file: PrivateFile
  readonly #before: PrivateFile

  constructor(options: IssuedCertificateOptions) {
    this.#options = options
    this.#file = new PrivateFile(options.hostRoot, issuedFile)
    this.#before = new PrivateFile(options.hostRoot, issuedBefore)
  }

  /** The certificate on the node, if a runtime can use it. */
  async current(): Promise<
    { readonly pair: KeyPairFile; readonly certificate: X509Certificate } | undefined
  > {
    const text = (await this.#file.read()) ?? ''
    const state = judgeKeyPair(pair, { certificate: text, key: text }, this.#options.now())
    return state.usable ? { pair, certificate: state.certificate } : undefined
  }

  /**
   * Takes over the certificate of an agent of the previous release, if it is still usable; a newer one stays.
   */
  async adopt(): Promise<void> {
    if ((await this.current()) !== undefined) return
    const text = await this.#before.read()
    if (text === undefined) return
    const state = judgeKeyPair(pair, { certificate: text, key: text }, this.#options.now())
    if (!state.usable) return
    const key = createPrivateKey(text).export({ type: 'pkcs8', format: 'pem' }).toString()
    await this.#file.write(`${onlyCertificates(text)}${key}`)
  }

  /**
   * Whether the certificate must be renewed: half of its life is over, no CA of the bundle has issued it, or
   * it was issued for a Node or an account that was created anew since, which the registry refuses.
   */
  async isDue(certificate: X509Certificate, bundle: string): Promise<boolean> {
    const said = (certificate.subjectAltName ?? '').split(', ')
    const token = await this.#options.token().catch(() => '')
    if (!urisOf(originOfToken(token)).every((uri) => said.includes(`URI:${uri}`))) return true
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
    if (this.#options.now() >= from + (to - from) / 2) return true
    return !readCertificates(bundle).some((ca) => certificate.verify(ca.publicKey))
  }

  /** Makes a key, has it certified and writes both to the node; the previous pair stays until then. */
  async renew(): Promise<void> {
    const { node, crypto, ask, now } = this.#options
    // Loaded only when needed: most nodes have a certificate of the cluster's CA.
    const { makeCertificateRequest } = await import('../certificates/certificate-request.ts')
    const { key, request } = await makeCertificateRequest(`system:node:${node}`, crypto)
    const chain = onlyCertificates(await ask(request))
    const state = judgeKeyPair(pair, { certificate: chain, key }, now())
    if (!state.usable) throw new Error(`the registry's answer is no certificate for the key: ${state.reason}`)
    await this.#file.write(`${chain}${key}`)
  }

  /** Removes the file of the previous release; called when no runtime refers to it any more. */
  async removeBefore(): Promise<boolean> {
    return this.#before.remove()
  }

  /** Removes the files, and their folders if they are empty. True: there was a file. */
  async remove(): Promise<boolean> {
    const before = await this.removeBefore()
    return (await this.#file.remove()) || before
  }
}
