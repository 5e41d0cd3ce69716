import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export type Env = Readonly<Record<string, string | undefined>>

/** A family of programs that read the same credentials. */
export interface Engine {
  readonly name: 'docker' | 'podman'
  /** `podman, skopeo, buildah`. */
  readonly readers: string
  readonly config: string
  /** The folder for client certificates of a host. */
  readonly certificates: string
  /** Folders that are read only if the first one has no entry for a host. */
  readonly otherCertificates: readonly string[]
}

export function engines(env: Env): readonly Engine[] {
  return [docker(env), podman(env)]
}

/**
 * Returns the engines that were asked for; otherwise those that have a config file here; otherwise docker.
 */
export function chosenEngines(
  options: { readonly docker?: boolean; readonly podman?: boolean },
  env: Env,
): readonly Engine[] {
  const all = engines(env)
  const wanted = all.filter(({ name }) => options[name] === true)
  if (wanted.length > 0) return wanted
  const used = all.filter(({ config }) => existsSync(config))
  return used.length > 0 ? used : [docker(env)]
}

function docker(env: Env): Engine {
  const folder = env['DOCKER_CONFIG'] || join(home(env), '.docker')
  return {
    name: 'docker',
    readers: 'docker',
    config: join(folder, 'config.json'),
    certificates: rootless(env)
      ? join(env['XDG_CONFIG_HOME'] || join(home(env), '.config'), 'docker', 'certs.d')
      : '/etc/docker/certs.d',
    otherCertificates: [],
  }
}

/** containers-auth.json(5), containers-certs.d(5). */
function podman(env: Env): Engine {
  const runtime = env['XDG_RUNTIME_DIR']
  const folder =
    process.platform !== 'linux'
      ? join(home(env), '.config', 'containers')
      : runtime
        ? join(runtime, 'containers')
        : `/run/containers/${process.getuid?.() ?? 0}`
  return {
    name: 'podman',
    readers: 'podman, skopeo, buildah',
    config: env['REGISTRY_AUTH_FILE'] || join(folder, 'auth.json'),
    certificates: join(home(env), '.config', 'containers', 'certs.d'),
    otherCertificates: ['/etc/containers/certs.d', '/etc/docker/certs.d'],
  }
}

function rootless(env: Env): boolean {
  const { DOCKER_HOST: host = '', XDG_RUNTIME_DIR: runtime } = env
  if (host !== '') return host.startsWith('unix:///run/user/')
  return (
    runtime !== undefined && existsSync(join(runtime, 'docker.sock')) && !existsSync('/var/run/docker.sock')
  )
}

export function home(env: Env): string {
  return env['HOME'] || env['USERPROFILE'] || homedir()
}
