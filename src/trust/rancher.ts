import { reasonOf } from '../reason-of.ts'
import { UserError } from '../user-error.ts'
import type { MachineFiles } from './machine-files.ts'

/**
 * k3s and RKE2 generate the hosts.toml of each host in their registries.yaml at every start, and would
 * overwrite trow's. Throws UserError REGISTRIES_YAML.
 */
export async function refuseRegistriesYaml(
  files: MachineFiles,
  distribution: string,
  hosts: readonly string[],
): Promise<void> {
  if (distribution !== 'k3s' && distribution !== 'rke2') return
  const path = `/etc/rancher/${distribution}/registries.yaml`
  const text = await files.read(path)
  if (text === undefined) return
  const { parse } = await import('yaml')
  let content: unknown
  try {
    content = parse(text)
  } catch (cause) {
    throw new UserError('REGISTRIES_YAML', `${path} cannot be read: ${reasonOf(cause).split('\n')[0]}`, {
      hint: `Repair it: ${distribution} will not start with it either.`,
      cause,
    })
  }
  const named = hosts.find((host) => namesHost(content, host))
  if (named === undefined) return
  throw new UserError(
    'REGISTRIES_YAML',
    `${path} says what ${named} is; ${distribution} would overwrite trow's files`,
    {
      hint: `Take ${named} out of mirrors and configs in ${path}, restart ${distribution}, and run this again.`,
    },
  )
}

function namesHost(content: unknown, host: string): boolean {
  return ['mirrors', 'configs'].some((key) => {
    const entries = isObject(content) ? content[key] : undefined
    return isObject(entries) && Object.hasOwn(entries, host)
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
