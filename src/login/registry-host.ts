import { exitCode, UserError } from '../user-error.ts'

/** The registry of the cluster that a kube context names; see `trow install`. */
const inCluster = 'trow.trow.svc'

/**
 * The name that engines keep credentials under: host, and port where one is given. Throws UserError HOST_INVALID.
 */
export function registryHost(
  given: string | undefined,
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  if (given !== undefined && flag !== undefined && hostOf(given) !== hostOf(flag)) {
    throw new UserError('HOST_INVALID', `"${given}" and --registry "${flag}" are two registries`, {
      exitCode: exitCode.usage,
    })
  }
  const named = given ?? flag ?? (env['TROW_REGISTRY'] || inCluster)
  const host = hostOf(named)
  if (host !== undefined) return host
  throw new UserError('HOST_INVALID', `"${named}" is no registry`, {
    hint: `Write HOST or HOST:PORT, such as ${inCluster}.`,
    exitCode: exitCode.usage,
  })
}

/** As engines compare: without scheme and path, in small letters. Undefined: it names no host. */
export function hostOf(text: string): string | undefined {
  const [, host = ''] = /^(?:https?:\/\/)?([^/]*)/i.exec(text.trim()) ?? []
  const valid = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host)
  return valid ? host.toLowerCase() : undefined
}
