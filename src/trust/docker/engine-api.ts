import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { Agent, type Dispatcher } from 'undici'
import { z } from 'zod'
import { parseForeignJson, tryForeignJson } from '../../foreign-json.ts'
import { readLimited } from '../../limited-body.ts'

/** What the engine says of itself, as far as registries go. */
export interface EngineInfo {
  /** `amd64`, `arm64`: as image configurations name it. */
  readonly architecture: string
  /** `HOST` or `HOST:PORT` of registries that it does not verify. */
  readonly insecureHosts: readonly string[]
  /** `127.0.0.0/8`: the addresses that it does not verify. */
  readonly insecureRanges: readonly string[]
}

/** As the engine's AuthConfig has it: a password, or what a token service gave docker in exchange for one. */
export type EngineCredential =
  { readonly username: string; readonly password: string } | { readonly identitytoken: string }

/** How something went: the engine's own words where it refused. */
export type EngineOutcome = { readonly digest: string | undefined } | { readonly refused: string }

const quick = 10_000
/** An engine that waits for a registry which does not answer gives up by itself; this is for one that does not. */
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

/** A line of the progress that pushes, pulls and loads answer with; whatever else is in it is nobody's concern. */
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
  readonly #agent: Agent

  constructor(endpoint: string) {
    const [, scheme, rest = ''] = /^(\w+):\/\/(.*)$/.exec(endpoint) ?? []
    const socketPath = scheme === 'npipe' ? rest.replaceAll('/', '\\') : rest
    this.#origin = scheme === 'tcp' ? `http://${rest.replace(/\/$/, '')}` : 'http://localhost'
    this.#agent = new Agent({
      connect: { timeout: quick, ...(scheme === 'tcp' ? {} : { socketPath }) },
      headersTimeout: patience,
      bodyTimeout: patience,
    })
  }

  /** Undefined: it does not answer. */
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

  /** Takes the images of a docker-archive. */
  async load(archive: Uint8Array): Promise<EngineOutcome> {
    const headers = { 'content-type': 'application/x-tar' }
    return this.#do('POST', '/images/load?quiet=1', { headers, body: archive })
  }

  /** A docker-archive of one image, into a file. 404: the engine does not know it. */
  async save(
    reference: string,
    file: string,
    signal: AbortSignal,
  ): Promise<'saved' | 'unknown' | { readonly refused: string }> {
    const path = `/images/${reference.split('/').map(encodeURIComponent).join('/')}/get`
    // Engines write the whole archive to disk before they send its first byte.
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

  /** Having none is fine. */
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
    // Once it has begun with 200, what goes wrong stands in the stream.
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

type RequestOptions = Partial<Pick<Dispatcher.RequestOptions, 'headers' | 'body' | 'signal'>>

/** The kernel's names, where they are not those of images. */
const architectures: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  armv7l: 'arm',
  i686: '386',
}

/** `X-Registry-Auth`: base64url of an AuthConfig. The engine wants one, an empty one from nobody in particular. */
function authHeader(
  repository: string,
  credential: EngineCredential | undefined,
): Readonly<Record<string, string>> {
  const serveraddress = repository.split('/')[0]
  const config = credential === undefined ? {} : { ...credential, serveraddress }
  // With its padding: engines before 23 read nothing without, and say nothing either.
  const word = Buffer.from(JSON.stringify(config))
    .toString('base64')
    .replaceAll('+', '-')
    .replaceAll('/', '_')
  return { 'x-registry-auth': word }
}

function messageOf(text: string): string | undefined {
  return tryForeignJson(text, z.object({ message: z.string() }))?.message
}
