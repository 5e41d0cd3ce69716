import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Dispatcher } from 'undici'
import { z } from 'zod'
import { parseForeignJson, tryForeignJson } from '../../foreign-json.ts'
import { Http1Agent } from '../../http1-agent.ts'
import { readLimited } from '../../limited-body.ts'

/** The engine's own description of itself, as far as registries are concerned. */
export interface EngineInfo {
  /** As image configurations name it: `amd64`, `arm64`. */
  readonly architecture: string
  /** Registries whose certificates it does not verify, as `HOST` or `HOST:PORT`. */
  readonly insecureHosts: readonly string[]
  /** Address ranges in which it does not verify certificates, such as `127.0.0.0/8`. */
  readonly insecureRanges: readonly string[]
}

/** As in the engine's AuthConfig: a password, or the token that a token service returned for one. */
export type EngineCredential =
  { readonly username: string; readonly password: string } | { readonly identitytoken: string }

/** The result of an operation: a digest, or the engine's own message if it refused. */
export type EngineOutcome = { readonly digest: string | undefined } | { readonly refused: string }

const quick = 10_000
/** An engine ends by itself if a registry does not answer. This limit is for an engine that does not end. */
const patience = 120_000
const largestAnswer = 8 * 1024 * 1024

/** Docker Engine API, `SystemInfo`; podman answers it too. */
const infoSchema = z.object({
  Architecture: z.string().optional(),
  RegistryConfig: z
    .object({
      IndexConfigs: z.record(z.string(), z.object({ Secure: z.boolean().optional() })).nullish(),
      InsecureRegistryCIDRs: z.array(z.string()).nullish(),
    })
    .nullish(),
})

/** One line of the progress that pushes, pulls and loads return. Other fields are ignored. */
const eventSchema = z.object({
  error: z.string().optional(),
  status: z.string().optional(),
  aux: z
    .object({ Digest: z.string().optional().catch(undefined) })
    .nullish()
    .catch(undefined),
})

/**
 * The Docker Engine API, which podman serves too, over its local endpoint: `unix:///…`, `npipe:////./pipe/…` or
 * `tcp://…` without TLS.
 */
export class EngineApi {
  readonly #origin: string
  readonly #agent: Http1Agent

  constructor(endpoint: string) {
    const [, scheme, rest = ''] = /^(\w+):\/\/(.*)$/.exec(endpoint) ?? []
    const socketPath = scheme === 'npipe' ? rest.replaceAll('/', '\\') : rest
    this.#origin = scheme === 'tcp' ? `http://${rest.replace(/\/$/, '')}` : 'http://localhost'
    this.#agent = new Http1Agent({
      connect: { timeout: quick, ...(scheme === 'tcp' ? {} : { socketPath }) },
      headersTimeout: patience,
      bodyTimeout: patience,
    })
  }

  /** Returns `undefined` if the engine does not answer. */
  async info(): Promise<EngineInfo | undefined> {
    try {
      const answer = await this.#ask('GET', '/info', { signal: AbortSignal.timeout(quick) })
      if (answer.status !== 200) return undefined
      const { Architecture, RegistryConfig } = parseForeignJson(answer.text, infoSchema, largestAnswer)
      const indexes = Object.entries(RegistryConfig?.IndexConfigs ?? {})
      return {
        architecture: architectures[Architecture ?? ''] ?? Architecture ?? 'amd64',
        insecureHosts: indexes.filter(([, { Secure }]) => Secure === false).map(([host]) => host),
        insecureRanges: RegistryConfig?.InsecureRegistryCIDRs ?? [],
      }
    } catch {
      return undefined
    }
  }

  /** Loads the images of a docker-archive. */
  async load(archive: Uint8Array): Promise<EngineOutcome> {
    const headers = { 'content-type': 'application/x-tar' }
    return this.#do('POST', '/images/load?quiet=1', { headers, body: archive })
  }

  /** Loads the images of a docker-archive in a file. An engine answers when it has unpacked all layers. */
  async loadFile(archive: string): Promise<EngineOutcome> {
    const headers = {
      'content-type': 'application/x-tar',
      'content-length': String((await stat(archive)).size),
    }
    const body = createReadStream(archive)
    return this.#do('POST', '/images/load?quiet=1', { headers, body, headersTimeout: 0, bodyTimeout: 0 })
  }

  /** Saves one image as a docker-archive into a file. 404 means that the engine has no such image. */
  async save(
    reference: string,
    file: string,
    signal: AbortSignal,
  ): Promise<'saved' | 'unknown' | { readonly refused: string }> {
    const path = `/images/${reference.split('/').map(encodeURIComponent).join('/')}/get`
    // Engines write the whole archive to disk before they send its first byte, so this request gets no header
    // time limit.
    const answer = await this.#agent.request({
      origin: this.#origin,
      method: 'GET',
      path,
      headersTimeout: 0,
      signal,
    })
    if (answer.statusCode === 200) {
      await pipeline(answer.body, createWriteStream(file, { flags: 'wx', mode: 0o600 }))
      return 'saved'
    }
    const text = await answer.body.text()
    if (answer.statusCode === 404) return 'unknown'
    return { refused: messageOf(text) ?? `it answered ${answer.statusCode}` }
  }

  async push(
    repository: string,
    tag: string,
    credential: EngineCredential | undefined,
  ): Promise<EngineOutcome> {
    const path = `/images/${repository}/push?tag=${encodeURIComponent(tag)}`
    return this.#do('POST', path, { headers: authHeader(repository, credential) })
  }

  async pull(
    repository: string,
    tag: string,
    credential: EngineCredential | undefined,
  ): Promise<EngineOutcome> {
    const query = `fromImage=${encodeURIComponent(repository)}&tag=${encodeURIComponent(tag)}`
    return this.#do('POST', `/images/create?${query}`, { headers: authHeader(repository, credential) })
  }

  /** A missing image is not an error. */
  async remove(reference: string): Promise<void> {
    await this.#ask('DELETE', `/images/${reference}?force=1`)
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #do(method: 'POST', path: string, options: RequestOptions): Promise<EngineOutcome> {
    const { status, text } = await this.#ask(method, path, options)
    if (status >= 300) return { refused: messageOf(text) ?? `it answered ${status}` }
    let digest: string | undefined
    // After a response of 200, an error is reported in the stream.
    for (const line of text.split(/\r?\n/)) {
      const { error, aux, status: said = '' } = tryForeignJson(line, eventSchema) ?? {}
      if (error !== undefined) return { refused: error }
      digest = aux?.Digest ?? /^Digest: (\S+)/.exec(said)?.[1] ?? digest
    }
    return { digest }
  }

  async #ask(
    method: Dispatcher.HttpMethod,
    path: string,
    options: RequestOptions = {},
  ): Promise<{ status: number; text: string }> {
    const answer = await this.#agent.request({ origin: this.#origin, method, path, ...options })
    const text = (await readLimited(answer.body, largestAnswer)).toString('utf8')
    return { status: answer.statusCode, text }
  }
}

type RequestOptions = Partial<
  Pick<Dispatcher.RequestOptions, 'headers' | 'body' | 'signal' | 'headersTimeout' | 'bodyTimeout'>
>

/** The kernel's names of architectures, where they differ from those of images. */
const architectures: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  armv7l: 'arm',
  i686: '386',
}

/**
 * `X-Registry-Auth`: base64url of an AuthConfig. The engine requires the header; without a credential it is
 * an empty object.
 */
function authHeader(
  repository: string,
  credential: EngineCredential | undefined,
): Readonly<Record<string, string>> {
  const serveraddress = repository.split('/')[0]
  const config = credential === undefined ? {} : { ...credential, serveraddress }
  // The padding stays: engines before 23 ignore a value without it, and report no error.
  const word = Buffer.from(JSON.stringify(config))
    .toString('base64')
    .replaceAll('+', '-')
    .replaceAll('/', '_')
  return { 'x-registry-auth': word }
}

function messageOf(text: string): string | undefined {
  return tryForeignJson(text, z.object({ message: z.string() }))?.message
}
