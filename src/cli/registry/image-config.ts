import { z } from 'zod'
import { tryForeignJson } from '../../foreign-json.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Result } from '../result/print-result.ts'

/** Bytes of a config that is read. */
export const configLimit = 1024 * 1024

/** image-spec "config.md", and the platform in an index. A member of another type counts as absent. */
const textOf = z.string().optional().catch(undefined)
const textsOf = z.array(z.string()).nullish().catch(undefined)
const keysOf = z.record(z.string(), z.unknown()).nullish().catch(undefined)
const platformSchema = z.object({ os: textOf, architecture: textOf, variant: textOf })
const configSchema = platformSchema.extend({
  created: textOf,
  author: textOf,
  config: z
    .object({
      User: textOf,
      Env: textsOf,
      Entrypoint: textsOf,
      Cmd: textsOf,
      WorkingDir: textOf,
      StopSignal: textOf,
      ExposedPorts: keysOf,
      Volumes: keysOf,
      Labels: z.record(z.string(), z.string()).nullish().catch(undefined),
    })
    .nullish()
    .catch(undefined),
  history: z
    .array(
      z.object({
        created: textOf,
        created_by: textOf,
        comment: textOf,
        empty_layer: z.boolean().optional().catch(undefined),
      }),
    )
    .nullish()
    .catch(undefined),
})
export type ImageConfig = Partial<z.infer<typeof configSchema>>

/** What a config says of how its image runs and was made. */
export type ShownConfig = NonNullable<Result<'Image'>['image']>

/** Returns an empty config for bytes that are none. */
export function parseConfig(bytes: Uint8Array | undefined): ImageConfig {
  return tryForeignJson(bytes, configSchema, configLimit) ?? {}
}

/** Formats `linux/arm64/v8` from a config or from the platform of a descriptor. */
export function platformName(platform: Readonly<Record<string, unknown>>): string {
  const { os, architecture, variant } = platformSchema.parse(platform)
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/')
}

export function shownConfig(digest: Digest, found: ImageConfig): ShownConfig {
  const { config, history, created, author } = found
  return {
    platform: platformName(found),
    digest,
    created,
    author: author || undefined,
    user: config?.User || undefined,
    env: config?.Env ?? [],
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    workingDir: config?.WorkingDir || undefined,
    stopSignal: config?.StopSignal || undefined,
    exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
    volumes: Object.keys(config?.Volumes ?? {}),
    labels: config?.Labels ?? {},
    history: (history ?? []).map((step) => ({
      created: step.created,
      createdBy: step.created_by,
      comment: step.comment || undefined,
      emptyLayer: step.empty_layer ?? false,
    })),
  }
}

/** Characters of a value that are printed; `-o json` has all of them. */
const longest = 200

/** Steps that are printed; `-o json` has all of them. */
const mostSteps = 20

/**
 * Formats for people. A value that is a secret is a value like any other: whoever may pull reads it. `width`: that of a
 * terminal, on which each step of the history is one line.
 */
export function configLines(
  config: ShownConfig,
  { isOfIndex, width = Infinity }: { readonly isOfIndex: boolean; readonly width: number | undefined },
): string[] {
  const { env, labels, history } = config
  const line = (name: string, value: string, most = longest): string =>
    `  ${name.padEnd(12)}${value.length > most ? `${value.slice(0, most - 1)}…` : value}`
  // The last column of the screen stays free: some terminals wrap when it is written.
  const mostOfStep = Math.max(20, Math.min(longest, width - '  history     '.length - 1))
  const words = (name: string, parts: readonly string[]): string[] =>
    parts.length === 0 ? [] : [line(name, parts.map(quoted).join(' '))]
  const text = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [line(name, value)]
  return [
    ...(isOfIndex ? [line('image', `${config.platform}  ${config.digest}`)] : []),
    ...text('author', config.author),
    ...text('user', config.user),
    ...text('directory', config.workingDir),
    ...words('entrypoint', config.entrypoint),
    ...words('cmd', config.cmd),
    ...words('ports', config.exposedPorts),
    ...words('volumes', config.volumes),
    ...text('stop signal', config.stopSignal),
    ...env.map((each) => line('env', each)),
    ...Object.entries(labels).map(([name, value]) => line('label', `${name}=${value}`)),
    ...history
      .slice(-mostSteps)
      .map(({ created = '', createdBy, comment }) =>
        line('history', `${created.slice(0, 10).padEnd(10)}  ${createdBy ?? comment ?? ''}`, mostOfStep),
      ),
    ...(history.length > mostSteps
      ? [line('history', `${history.length - mostSteps} earlier steps: -o json shows them`)]
      : []),
  ]
}

/** As in a shell, so that `sh -c "a b"` reads as it is run. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word)
}
