import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { DeveloperMachine } from '../../../src/trust/docker/machine.ts'
import { printCall, type ProgramCall } from '../../../src/trust/docker/program-runner.ts'

/** The answer of a program that is not installed here; by default code 0 without output. */
export type Answers = (line: string, call: ProgramCall) => { code?: number; stdout?: string } | undefined

export interface RecordedMachine {
  readonly machine: DeveloperMachine
  /** The folder of the machine's files: `home`, `etc/…`, and `bin` of its PATH. */
  readonly root: string
  /** The commands as a user would type them, with `ROOT` for the folder. */
  readonly calls: string[]
  /** The standard input of each command. */
  readonly inputs: string[]
  close(): void
}

/**
 * A simulated machine: its files are in a folder; a function answers its programs, and the calls are
 * recorded.
 */
export function recordedMachine(
  platform: DeveloperMachine['platform'],
  options: {
    /** Paths relative to the root. */
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

/** A docker context as its CLI stores it. There the folder's name is a digest; here any name works. */
export function contextFiles(name: string, host: string, current = true): Readonly<Record<string, string>> {
  const meta = { Name: name, Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } }
  return {
    [`home/.docker/contexts/meta/${name}/meta.json`]: JSON.stringify(meta),
    ...(current ? { 'home/.docker/config.json': JSON.stringify({ currentContext: name }) } : {}),
  }
}
