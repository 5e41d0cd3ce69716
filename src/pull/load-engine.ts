import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PushListener } from '../push/send-blobs.ts'
import { printPlatform, type Platform } from '../push/select-platform.ts'
import { EngineApi } from '../trust/docker/engine-api.ts'
import { engineKinds, titleOf, type ContainerEngine, type EngineKind } from '../trust/docker/engine.ts'
import { findEngines } from '../trust/docker/find-engines.ts'
import type { DeveloperMachine } from '../trust/docker/machine.ts'
import { PodmanImages, podmanInfo } from '../trust/docker/podman-images.ts'
import { UserError } from '../user-error.ts'
import { rootOf, type PulledImage } from './pulled-image.ts'
import { writeArchive } from './write-archive.ts'
import { writeFault } from './write-fault.ts'
import type { PulledBlobs } from './write-layout.ts'

/** Values of `--engine` of a pull. */
export const pullEngines = [...engineKinds, 'containerd'] as const

/** An engine of this machine that can be given an image. */
export interface ReceivingEngine {
  readonly title: string
  /** Of the images that it can run. */
  architecture(): Promise<string>
  /** Takes the images of an archive. Throws UserError ENGINE_FAILED. */
  load(archive: string, platform: Platform): Promise<void>
  /** Which of the two forms of an archive it reads. */
  readonly form: 'docker' | 'oci'
  close(): Promise<void>
}

/** Throws UserError ENGINE_MISSING and those of `findEngines`. */
export function receivingEngine(
  machine: DeveloperMachine,
  wanted: (typeof pullEngines)[number] | undefined,
  ownArchitecture: string,
): ReceivingEngine {
  if (wanted === 'containerd') return containerd(machine, ownArchitecture)
  const { chosen } = findEngines(machine, wanted satisfies EngineKind | undefined)
  return chosen.endpoint === undefined
    ? podman(machine, chosen, ownArchitecture)
    : docker(new EngineApi(chosen.endpoint), chosen, ownArchitecture)
}

/**
 * Gives an image to an engine. The archive is first written to a file in the temporary folder, so that the engine
 * receives nothing of a pull that fails. Throws UserError ENGINE_FAILED, FOLDER_NOT_WRITABLE, PLATFORM_MISSING;
 * UpstreamFault.
 */
export async function loadEngine(
  engine: ReceivingEngine,
  { image, platform }: { readonly image: PulledImage; readonly platform: Platform },
  { progress, signal }: { readonly progress: PushListener; readonly signal: AbortSignal },
): Promise<PulledBlobs> {
  const spool = await mkdtemp(join(tmpdir(), 'trow-pull-'))
  try {
    const archive = join(spool, 'image.tar')
    const form = { oci: engine.form === 'oci', docker: engine.form === 'docker' ? rootOf(image) : undefined }
    const target = createWriteStream(archive, { flags: 'wx', mode: 0o600 })
    const fetched = await writeArchive(image, form, { target, progress, signal }).catch((error: unknown) => {
      throw writeFault(spool, error)
    })
    signal.throwIfAborted()
    await engine.load(archive, platform)
    return fetched
  } finally {
    await rm(spool, { recursive: true, force: true })
  }
}

function docker(api: EngineApi, engine: ContainerEngine, ownArchitecture: string): ReceivingEngine {
  const title = titleOf(engine)
  return {
    title,
    form: 'docker',
    architecture: async () => (await api.info())?.architecture ?? ownArchitecture,
    async load(archive) {
      const outcome = await api.loadFile(archive).catch((cause: unknown) => {
        throw failed(title, cause instanceof Error ? cause.message : 'it gives no answer', cause)
      })
      if ('refused' in outcome) throw failed(title, outcome.refused)
    },
    close: () => api.close(),
  }
}

function podman(
  machine: DeveloperMachine,
  engine: ContainerEngine,
  ownArchitecture: string,
): ReceivingEngine {
  const title = titleOf(engine)
  return {
    title,
    form: 'docker',
    architecture: async () => (await podmanInfo(machine))?.architecture ?? ownArchitecture,
    async load(archive) {
      const outcome = await new PodmanImages(machine).loadFile(archive)
      if ('refused' in outcome) throw failed(title, outcome.refused)
    },
    close: async () => {},
  }
}

/** By its own program, which finds the socket and the namespace in CONTAINERD_ADDRESS and CONTAINERD_NAMESPACE. */
function containerd(machine: DeveloperMachine, ownArchitecture: string): ReceivingEngine {
  const title = 'containerd'
  return {
    title,
    form: 'oci',
    architecture: async () => ownArchitecture,
    async load(archive, platform) {
      const args = ['images', 'import', '--platform', printPlatform(platform), archive]
      const { code, stderr, stdout } = await machine.run({ program: 'ctr', args })
      if (code === 0) return
      throw failed(title, `${stderr}${stdout}`.trim().split('\n').at(-1) ?? `ctr ended with ${code}`)
    },
    close: async () => {},
  }
}

function failed(title: string, reason: string, cause?: unknown): UserError {
  return new UserError('ENGINE_FAILED', `${title} did not take the image: ${reason}`, {
    hint: 'Is it running, and may you use it? trow pull IMAGE FILE.tar needs no engine.',
    cause,
  })
}
