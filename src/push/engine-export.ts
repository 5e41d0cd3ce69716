import { reasonOf } from '../reason-of.ts'
import { engineKinds, titleOf, type EngineKind } from '../trust/docker/engine.ts'
import { findEngines } from '../trust/docker/find-engines.ts'
import { PodmanImages } from '../trust/docker/podman-images.ts'
import { EngineApi } from '../trust/docker/engine-api.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { SourceOptions } from './source-options.ts'
import { spoolFault } from './spool-fault.ts'

/**
 * Exports an image of this machine's engine as an archive into a file. Throws UserError IMAGE_MISSING,
 * ENGINE_FAILED and those of `findEngines`.
 */
export async function exportImage(name: string, file: string, options: SourceOptions): Promise<string> {
  const machine = await options.machine()
  const { chosen } = findEngines(machine, engineNamed(options.engine))
  const title = titleOf(chosen)
  options.say(`reading ${name} from ${title}`)
  const api = chosen.endpoint === undefined ? undefined : new EngineApi(chosen.endpoint)
  try {
    const outcome =
      api === undefined
        ? await new PodmanImages(machine).save(name, file)
        : await api.save(name, file, options.signal)
    if (outcome === 'saved') return file
    if (outcome === 'unknown') {
      throw new UserError('IMAGE_MISSING', `${title} has no image ${name}, and there is no such file`, {
        hint: 'docker images, or podman images, shows what is there.',
      })
    }
    throw engineFailed(title, outcome.refused)
  } catch (cause) {
    if (cause instanceof UserError) throw cause
    throw spoolFault(cause) ?? engineFailed(title, reasonOf(cause), cause)
  } finally {
    await api?.close()
  }
}

function engineNamed(name: string | undefined): EngineKind | undefined {
  if (name === undefined) return undefined
  const kind = engineKinds.find((each) => each === name)
  if (kind !== undefined) return kind
  throw new UserError('ENGINE_MISSING', `"${name}" is no engine`, {
    hint: `One of ${engineKinds.join(', ')}.`,
    exitCode: exitCode.usage,
  })
}

function engineFailed(title: string, reason: string, cause?: unknown): UserError {
  return new UserError('ENGINE_FAILED', `${title} did not give the image: ${reason}`, {
    hint: 'Is it running? An archive of docker save or podman save can be pushed without it.',
    cause,
  })
}
