import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Programs from Debian packages, with the package of each. */
export const debianPackages: Readonly<Record<string, string>> = {
  skopeo: 'skopeo',
  podman: 'podman',
  buildah: 'buildah',
  containerd: 'containerd',
  ctr: 'containerd',
  docker: 'docker.io',
  dockerd: 'docker.io',
  crun: 'crun',
  'mkfs.ext4': 'e2fsprogs',
  openssl: 'openssl',
  zsh: 'zsh',
  fish: 'fish',
  promtool: 'prometheus',
  groff: 'groff-base',
  tmux: 'tmux',
  curl: 'curl',
  jq: 'jq',
  initdb: 'postgresql',
  postgres: 'postgresql',
  pg_receivewal: 'postgresql',
  pgbouncer: 'pgbouncer',
}

/** Programs from Go modules; built once and kept outside of the checkout, keyed by version. */
export const goTools: Readonly<Record<string, { readonly path: string; readonly version: string }>> = {
  crane: { path: 'github.com/google/go-containerregistry/cmd/crane', version: 'v0.22.1' },
  oras: { path: 'oras.land/oras/cmd/oras', version: 'v1.3.6' },
  regctl: { path: 'github.com/regclient/regclient/cmd/regctl', version: 'v0.11.7' },
  helm: { path: 'helm.sh/helm/v3/cmd/helm', version: 'v3.22.0' },
  registry: { path: 'github.com/distribution/distribution/v3/cmd/registry', version: 'v3.1.2' },
  versitygw: { path: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0' },
  cosign: { path: 'github.com/sigstore/cosign/v3/cmd/cosign', version: 'v3.1.3' },
}

/** As `goTools`, for `npm run test:replicas` alone: MinIO takes 11 minutes. It has no versions that Go's tools read. */
export const slowGoTools: typeof goTools = {
  minio: { path: 'github.com/minio/minio', version: 'v0.0.0-20260212201848-7aac2a2c5b7c' },
}

const allGoTools = { ...goTools, ...slowGoTools }

export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'trow-tests')
}

export function goToolFolder(name: string): string {
  return join(cacheFolder(), 'go', `${name}@${allGoTools[name]?.version}`)
}

/** Returns why this machine cannot install Debian packages; `undefined` if it can. */
export function debianProblem(): string | undefined {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) return 'this is no Debian'
  return process.getuid?.() === 0 ? undefined : 'only root installs Debian packages'
}

export function goProblem(): string | undefined {
  return findProgram('go') === undefined ? 'Go is not installed' : undefined
}

/** Returns the path of an installed program. */
export function findProgram(name: string): string | undefined {
  const folders = [
    ...(name in allGoTools ? [goToolFolder(name)] : []),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ]
  return [...postgresFolders(), ...folders, '/usr/sbin', '/sbin', '/usr/lib/cni']
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

/** Debian keeps the programs of a PostgreSQL server outside of PATH, in a folder for each version. */
function postgresFolders(): readonly string[] {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  return readdirSync(root)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(root, version, 'bin'))
}

/** For `test({ skip: missing('skopeo') })`: false, or why the suite cannot run. */
export function missing(...programs: readonly string[]): string | false {
  const absent = programs.filter((name) => findProgram(name) === undefined)
  if (absent.length === 0) return false
  const reasons = absent.map((name) => {
    const built = name in slowGoTools ? '`npm run test:replicas` builds it' : avoidable
    return (name in allGoTools ? goProblem() : debianProblem()) ?? built
  })
  return `${absent.join(', ')} not found: ${[...new Set(reasons)].join(', ')}`
}

/** Marks a skip that this machine could have avoided; it is a failure if CI=true. */
export const avoidable = 'could have been installed'

/** Runs a program to its end. Throws with its whole output if it fails. */
export function runProgram(
  name: string,
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly cwd?: string
    readonly input?: string
  } = {},
): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  const env = { ...process.env, ...options.env }
  try {
    return execFileSync(path, args, {
      ...options,
      env,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 120_000,
    })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${name} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error })
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
