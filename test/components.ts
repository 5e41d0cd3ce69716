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

/** Brings in the real components that this machine lets us have. What fails is reported by the suites that miss it. */
export function installComponents(say: (line: string) => void): void {
  installDebianPackages(debianPackages, say)
  if (goProblem() !== undefined) return
  for (const [name, { path, version }] of Object.entries(goTools)) {
    if (findProgram(name) !== undefined) continue
    const folder = goToolFolder(name)
    say(`building ${name} ${version}`)
    mkdirSync(folder, { recursive: true })
    run('go', ['install', '-trimpath', '-ldflags=-s -w', `${path}@${version}`], say, {
      GOBIN: folder,
      CGO_ENABLED: '0',
      GOFLAGS: '',
    })
  }
}

/** Those of the packages, by program, whose program is not there. */
export function installDebianPackages(
  packages: Readonly<Record<string, string>>,
  say: (line: string) => void,
): void {
  const missing = Object.entries(packages).filter(([program]) => findProgram(program) === undefined)
  if (missing.length === 0 || debianProblem() !== undefined) return
  const names = [...new Set(missing.map(([, name]) => name))]
  say(`installing Debian packages: ${names.join(' ')}`)
  run('apt-get', ['update', '-qq'], say)
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], say)
}

function run(
  program: string,
  args: readonly string[],
  say: (line: string) => void,
  env: Readonly<Record<string, string>> = {},
): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30 * 60_000,
  })
  if (status !== 0)
    say(`${program} ${args.join(' ')} failed: ${error?.message ?? ''}\n${stdout}${stderr}`.slice(0, 4000))
}
