import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import {
  debianPackages,
  debianProblem,
  findProgram,
  goProblem,
  goToolFolder,
  goTools,
} from './requirements.ts'

/**
 * Installs the real components that this machine allows. The suites that need a missing one report the
 * failure.
 */
export function installComponents(log: (line: string) => void): void {
  installDebianPackages(debianPackages, log)
  installGoTools(goTools, log)
}

/** Builds the tools that are not there, where Go is. */
export function installGoTools(tools: typeof goTools, log: (line: string) => void): void {
  if (goProblem() !== undefined) return
  for (const [name, { path, version }] of Object.entries(tools)) {
    if (findProgram(name) !== undefined) continue
    const folder = goToolFolder(name)
    log(`building ${name} ${version}`)
    mkdirSync(folder, { recursive: true })
    run('go', ['install', '-trimpath', '-ldflags=-s -w', `${path}@${version}`], log, {
      GOBIN: folder,
      CGO_ENABLED: '0',
      GOFLAGS: '',
    })
  }
}

/** Installs the packages whose program is missing. */
export function installDebianPackages(
  packages: Readonly<Record<string, string>>,
  log: (line: string) => void,
): void {
  const missing = Object.entries(packages).filter(([program]) => findProgram(program) === undefined)
  if (missing.length === 0 || debianProblem() !== undefined) return
  const names = [...new Set(missing.map(([, name]) => name))]
  log(`installing Debian packages: ${names.join(' ')}`)
  run('apt-get', ['update', '-qq'], log)
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], log)
}

function run(
  program: string,
  args: readonly string[],
  log: (line: string) => void,
  env: Readonly<Record<string, string>> = {},
): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60 * 60_000,
  })
  if (status !== 0)
    log(`${program} ${args.join(' ')} failed: ${error?.message ?? ''}\n${stdout}${stderr}`.slice(0, 4000))
}
