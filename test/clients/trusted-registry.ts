import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import type { TLSSocket } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeImageLayout } from './fixture.ts'
import { Authority } from '../support/certificate-authority.ts'
import { startedServer, type ServerOptions, type ServerProcess } from '../support/server-process.ts'

/** Paths of PEM files, each with the certificate and the key of a caller. */
type Caller = 'pusher' | 'node-1'

/**
 * A real `trow serve --tls-auto` at 127.0.0.2, which is not its name. Everybody may pull `open/**`. Only a caller with the
 * certificate of node-1 may pull `closed/**`.
 */
export class TrustedRegistry {
  readonly folder = mkdtempSync(join(tmpdir(), 'trow-trusted-'))
  #server: ServerProcess | undefined
  readonly #pairs = new Map<Caller, string>()

  static async start(): Promise<TrustedRegistry> {
    const registry = new TrustedRegistry()
    const { folder } = registry
    const callers = await Authority.create(folder)
    for (const user of ['pusher', 'node-1'] as const) {
      const { cert, key } = await callers.issue({ user })
      registry.#pairs.set(user, cert + key)
    }
    writeFileSync(
      join(folder, 'trow.yaml'),
      [
        'tls-auto: true',
        'tls-san: [trow.trow.svc, 127.0.0.2]',
        `tls-ca: ${join(folder, 'authority')}`,
        `client-ca: ${callers.file}`,
        'access:',
        "  - { who: pusher, repositories: '**', actions: [pull, push] }",
        "  - { who: node-1, repositories: 'closed/**', actions: pull }",
        "  - { who: anonymous, repositories: 'open/**', actions: pull }",
        '',
      ].join('\n'),
    )
    return registry
  }

  /** Starts the server, or restarts it in another data folder, with the CA in the folder `authority`. */
  async serve(
    place: Pick<ServerOptions, 'address' | 'port' | 'within'> = { address: '127.0.0.2' },
  ): Promise<void> {
    await this.#server?.stop()
    this.#server = await startedServer({
      data: join(this.folder, 'data'),
      ...place,
      args: ['--config', join(this.folder, 'trow.yaml')],
    })
  }

  get endpoint(): string {
    return new URL(this.#server?.url ?? '').host
  }

  pemOf(caller: Caller): string {
    return this.#pairs.get(caller) ?? ''
  }

  setAuthority(authority: { readonly cert: string; readonly key: string }): void {
    const folder = join(this.folder, 'authority')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'ca.key'), authority.key)
    writeFileSync(join(folder, 'ca.crt'), authority.cert)
  }

  /** Pushes a small image of one layer. */
  async push(repository: string, tag: string): Promise<void> {
    const layout = mkdtempSync(join(this.folder, 'image-'))
    const digest = await writeImageLayout(layout, 10_000)
    const blobs = join(layout, 'blobs', 'sha256')
    const manifest = readFileSync(join(blobs, digest.replace('sha256:', '')))
    for (const name of readdirSync(blobs)) {
      if (digest.endsWith(name)) continue
      const at = `/v2/${repository}/blobs/uploads/?digest=sha256:${name}`
      await this.#send('POST', at, readFileSync(join(blobs, name)), 'application/octet-stream')
    }
    const { mediaType } = JSON.parse(manifest.toString()) as { readonly mediaType: string }
    await this.#send('PUT', `/v2/${repository}/manifests/${tag}`, manifest, mediaType)
  }

  /** Returns the SHA-256 of the CA of the certificate that the server presents now. */
  async issuerShown(): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = https.get(
        { host: '127.0.0.2', port: this.#port, path: '/v2/', rejectUnauthorized: false, agent: false },
        (answer) => {
          answer.resume()
          const { issuerCertificate } = (answer.socket as unknown as TLSSocket).getPeerCertificate(true)
          resolve(createHash('sha256').update(issuerCertificate.raw).digest('hex'))
        },
      )
      request.once('error', reject)
    })
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  get #port(): string {
    return new URL(this.#server?.url ?? '').port
  }

  async #send(method: string, path: string, body: Buffer, type: string): Promise<void> {
    const pem = this.pemOf('pusher')
    return new Promise((resolve, reject) => {
      const request = https.request(
        {
          host: '127.0.0.2',
          port: this.#port,
          path,
          method,
          cert: pem,
          key: pem,
          ca: readFileSync(join(this.folder, 'authority', 'ca.crt')),
          headers: { 'content-type': type, 'content-length': body.length },
        },
        (answer) => {
          answer.resume()
          if (answer.statusCode === 201) resolve()
          else reject(new Error(`${method} ${path}: ${answer.statusCode}`))
        },
      )
      request.once('error', reject)
      request.end(body)
    })
  }
}
