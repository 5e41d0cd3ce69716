import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { freePort } from '../test/support/free-port.ts'
import { median } from './row.ts'
import { startServer } from './server.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const packed = z.tuple([
  z.object({
    filename: z.string(),
    size: z.number(),
    unpackedSize: z.number(),
    entryCount: z.number(),
  }),
])

const lock = z.object({ packages: z.record(z.string(), z.object({ dev: z.boolean().optional() })) })

export interface StartFigures {
  /** Bytes. */
  readonly package: { readonly size: number; readonly unpacked: number; readonly files: number }
  readonly dependencies: { readonly packages: number; readonly bytes: number }
  /** Milliseconds of each round. */
  readonly starts: readonly { readonly what: string; readonly times: readonly number[] }[]
}

/** Makes the package and measures what a person who has installed it waits for. */
export async function measureStart(folder: string, rounds: number): Promise<StartFigures> {
  const { filename, size, unpackedSize, entryCount } = pack(folder)
  execFileSync('tar', ['-xzf', join(folder, filename), '-C', folder])
  const installed = join(folder, 'package')
  symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'))
  const program = join(installed, 'bin', 'trow.js')
  const starts = [
    ...(['--version', '--help', 'serve --help'] as const).map((line) => ({
      what: `trow ${line}`,
      times: times(rounds, () => run(program, line.split(' '))),
    })),
    ...(await serverStarts({ program, folder, rounds })),
  ]
  return {
    package: { size, unpacked: unpackedSize, files: entryCount },
    dependencies: dependencySize(),
    starts,
  }
}

export function printStart({ package: own, dependencies, starts }: StartFigures): string {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
  const rows = starts.map(({ what, times: all }) => {
    const sorted = [...all].sort((one, other) => one - other)
    const [first = 0, last = 0] = [sorted[0], sorted.at(-1)]
    return `| ${what} | ${Math.round(median(sorted))} ms | ${Math.round(first)} to ${Math.round(last)} ms |`
  })
  return [
    `The package: ${megabytes(own.size)} to download, ${megabytes(own.unpacked)} in ${own.files} files.`,
    `Its dependencies: ${megabytes(dependencies.bytes)} in ${dependencies.packages} packages.`,
    '',
    '| start | median | rounds |',
    '|---|---:|---:|',
    ...rows,
  ].join('\n')
}

function pack(folder: string): z.infer<typeof packed>[0] {
  const had = new Set(readdirSync(root))
  try {
    const args = ['pack', '--json', '--pack-destination', folder]
    const output = execFileSync('npm', args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return packed.parse(JSON.parse(output.slice(output.indexOf('['))))[0]
  } finally {
    // With a dist the checkout would start that, and not its sources.
    if (!had.has('dist')) rmSync(join(root, 'dist'), { recursive: true, force: true })
  }
}

function run(program: string, args: readonly string[]): void {
  const { status } = spawnSync(process.execPath, [program, ...args], { stdio: 'ignore' })
  if (status !== 0) throw new Error(`trow ${args.join(' ')} ended with ${status}`)
}

function times(rounds: number, action: () => void): number[] {
  return Array.from({ length: rounds }, () => {
    const begun = performance.now()
    action()
    return performance.now() - begun
  })
}

/** From the start of the process until a request is answered. */
async function serverStarts({
  program,
  folder,
  rounds,
}: {
  readonly program: string
  readonly folder: string
  readonly rounds: number
}): Promise<StartFigures['starts']> {
  const measured = new Map<string, number[]>()
  for (const [name, tls] of [
    ['plain', false],
    ['tls', true],
  ] as const) {
    const again = join(folder, `${name}-again`)
    const rows = [
      [
        `trow serve${tls ? ' --tls-auto' : ''}, a new folder`,
        (round: number) => join(folder, `${name}-${round}`),
      ],
      [`trow serve${tls ? ' --tls-auto' : ''}, a folder that is there`, () => again],
    ] as const
    await start({ program, data: again, tls })
    for (let round = 0; round < rounds; round++) {
      for (const [what, data] of rows)
        measured.set(what, [...(measured.get(what) ?? []), await start({ program, data: data(round), tls })])
    }
  }
  return [...measured].map(([what, all]) => ({ what, times: all }))
}

async function start({
  program,
  data,
  tls,
}: {
  readonly program: string
  readonly data: string
  readonly tls: boolean
}): Promise<number> {
  const port = await freePort()
  const args = [program, 'serve', '--listen', `127.0.0.1:${port}`, '--data', data, '--access-log=off']
  const command = { program: process.execPath, args: tls ? [...args, '--tls-auto'] : args }
  const server = await startServer(command, { port, folder: data, tls })
  await server.stop()
  return server.startSeconds * 1000
}

/** What npm installs with the package on this machine. */
function dependencySize(): StartFigures['dependencies'] {
  const { packages } = lock.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')))
  const folders = Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path]) => join(root, path))
    // Those of other platforms are in the list, and not on this machine.
    .filter((folder) => existsSync(folder))
  return { packages: folders.length, bytes: folders.reduce((sum, folder) => sum + bytesIn(folder), 0) }
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name)
    if (entry.isFile()) return sum + statSync(path).size
    // Packages in a package are counted by themselves.
    return entry.isDirectory() && entry.name !== 'node_modules' ? sum + bytesIn(path) : sum
  }, 0)
}
