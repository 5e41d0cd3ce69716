import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { DeveloperMachine } from '../../../src/trust/docker/machine.ts'
import { printCall, type ProgramCall } from '../../../src/trust/docker/program-runner.ts'

/** What a program that is not here would answer; 0 and nothing unless told. */
export type Answers = (line: string, call: ProgramCall) => { code?: number; stdout?: string } | undefined

export interface RecordedMachine {
  readonly machine: DeveloperMachine
  /** Everything below it is the machine's: `home`, `etc/…`, `bin` of its PATH. */
  readonly root: string
  /** What was run, as a person would type it, `ROOT` for the folder. */
  readonly calls: string[]
  /** What was given to each on standard input. */
  readonly inputs: string[]
  close(): void
}

/** A machine that is not here: its files in a folder, its programs answered by a function and written down. */
export function recordedMachine(
  platform: DeveloperMachine['platform'],
  options: {
    /** Paths below the root. */
    readonly files?: Readonly<Record<string, string>>
    readonly env?: Readonly<Record<string, string>>
    readonly uid?: number
    readonly answers?: Answers
  } = {},
): RecordedMachine {
  const root = mkdtempSync(join(tmpdir(), 'trow-machine-'))
  const home = join(root, 'home')
  mkdirSync(home)
  for (const [path, content] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  const calls: string[] = []
  const inputs: string[] = []
  const machine: DeveloperMachine = {
    platform,
    env: { PATH: join(root, 'bin'), ...options.env },
    home,
    uid: platform === 'win32' ? undefined : (options.uid ?? 501),
    root,
    temporary: join(root, 'home'),
    async run(call) {
      const line = printCall(call).replaceAll(root, 'ROOT')
      calls.push(line)
      inputs.push(String(call.input ?? ''))
      const { code = 0, stdout = '' } = options.answers?.(line, call) ?? {}
      return { code, stdout, stderr: '' }
    },
  }
  return { machine, root, calls, inputs, close: () => rmSync(root, { recursive: true, force: true }) }
}

/** A context of docker, as its CLI keeps it; the folder's name is a digest there, anything here. */
export function contextFiles(name: string, host: string, current = true): Readonly<Record<string, string>> {
  const meta = { Name: name, Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } }
  return {
    [`home/.docker/contexts/meta/${name}/meta.json`]: JSON.stringify(meta),
    ...(current ? { 'home/.docker/config.json': JSON.stringify({ currentContext: name }) } : {}),
  }
}
