import type { DeveloperMachine } from './machine.ts'
import type { ProgramResult } from './program-runner.ts'
import type { EngineImages, ImageOutcome } from './proof.ts'
import type { InsecureRegistries } from './registry-address.ts'
import { z } from 'zod'
import { tryForeignJson } from '../../foreign-json.ts'

/**
 * `podman info --format json`. The key `search` of `registries` holds a list of names instead of an object.
 */
const infoSchema = z.object({
  host: z.object({ arch: z.string().optional() }).optional(),
  registries: z.record(z.string(), z.object({ Insecure: z.boolean().optional() }).catch({})).nullish(),
})

/** Returns podman's own description of itself; `undefined` if it does not answer. */
export async function podmanInfo(
  machine: DeveloperMachine,
): Promise<{ readonly architecture: string; readonly insecure: InsecureRegistries } | undefined> {
  const { code, stdout } = await machine.run({ program: 'podman', args: ['info', '--format', 'json'] })
  if (code !== 0) return undefined
  const info = tryForeignJson(stdout, infoSchema, 16 * 1024 * 1024)
  if (info === undefined) return undefined
  const listed = Object.entries(info.registries ?? {}).filter(([, { Insecure }]) => Insecure === true)
  return {
    architecture: info.host?.arch ?? 'amd64',
    insecure: { hosts: listed.map(([name]) => name), ranges: [] },
  }
}

/** podman needs no service and finds the logins of its user by itself, so that its own program is called. */
export class PodmanImages implements EngineImages {
  readonly #machine: DeveloperMachine

  constructor(machine: DeveloperMachine) {
    this.#machine = machine
  }

  async load(archive: Uint8Array): Promise<ImageOutcome> {
    return this.#outcome(await this.#machine.run({ program: 'podman', args: ['load', '-q'], input: archive }))
  }

  /** Loads the images of an archive in a file. */
  async loadFile(archive: string): Promise<ImageOutcome> {
    return this.#do('load', '-q', '-i', archive)
  }

  /** Saves one image as a docker-archive into a file. */
  async save(reference: string, file: string): Promise<'saved' | 'unknown' | { readonly refused: string }> {
    const { code } = await this.#machine.run({ program: 'podman', args: ['image', 'exists', reference] })
    if (code === 1) return 'unknown'
    const outcome = await this.#do('save', '-q', '--format', 'docker-archive', '-o', file, reference)
    return 'refused' in outcome ? outcome : 'saved'
  }

  async push(repository: string, tag: string): Promise<ImageOutcome> {
    return this.#do('push', '-q', `${repository}:${tag}`)
  }

  async pull(repository: string, tag: string): Promise<ImageOutcome> {
    const reference = `${repository}:${tag}`
    const outcome = await this.#do('pull', '-q', reference)
    if ('refused' in outcome) return outcome
    const args = ['image', 'inspect', '--format', '{{.Digest}}', reference]
    const { code, stdout } = await this.#machine.run({ program: 'podman', args })
    return { digest: code === 0 ? stdout.trim() : undefined }
  }

  async remove(reference: string): Promise<void> {
    await this.#machine.run({ program: 'podman', args: ['rmi', '-f', reference] })
  }

  async #do(...args: readonly string[]): Promise<ImageOutcome> {
    return this.#outcome(await this.#machine.run({ program: 'podman', args }))
  }

  #outcome({ code, stdout, stderr }: ProgramResult): ImageOutcome {
    if (code === 0) return { digest: undefined }
    const lines = `${stderr}${stdout}`.trim().split('\n')
    // The last line states the reason.
    return { refused: lines.at(-1) ?? `podman ended with ${code}` }
  }
}
