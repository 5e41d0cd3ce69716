import { exitCode, UserError } from '../user-error.ts'

/** docker and podman both find a login for Docker Hub under the second of these. */
export const dockerHubHosts = ['docker.io', 'index.docker.io', 'registry-1.docker.io']

/** The registry in the cluster of the kube context; see `trow install`. */
const inCluster = 'trow.trow.svc'

/**
 * Returns the name under which engines keep credentials: the host, with its port if it has one. Throws
 * UserError HOST_INVALID.
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
  if (host !== undefined) return dockerHubHosts.includes(host) ? 'index.docker.io' : host
  throw new UserError('HOST_INVALID', `"${named}" is no registry`, {
    hint: `Write HOST or HOST:PORT, such as ${inCluster}.`,
    exitCode: exitCode.usage,
  })
}

/**
 * Normalizes a host as engines compare it: without scheme and path, in lower case. Returns `undefined` if it
 * names no host.
 */
export function hostOf(text: string): string | undefined {
  const [, host = ''] = /^(?:https?:\/\/)?([^/]*)/i.exec(text.trim()) ?? []
  const valid = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i.test(host)
  return valid ? host.toLowerCase() : undefined
}
