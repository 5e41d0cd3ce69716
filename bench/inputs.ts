import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../test/support/free-port.ts'
import { gatedInputs } from './gated-inputs.ts'
import type { Spoken } from './input-documents.ts'
import { judgedInputs } from './judged-inputs.ts'
import { openInputs } from './open-inputs.ts'
import { residentMegabytes, startServer, type Server } from './server.ts'

/** One route with the largest input that it takes. */
export interface InputResult {
  readonly route: string
  readonly input: string
  /** Of body or reply, whichever is larger. */
  readonly bytes: number
  readonly status: number
  /** Milliseconds of CPU of the longest turn. */
  readonly worker: number
  readonly writer: number
  /** Of the same bytes, in this process; undefined: they are no JSON. */
  readonly parse: number | undefined
  /** MB above what the server had before. */
  readonly memory: number
}

export interface Input {
  readonly route: string
  readonly input: string
  request(to: Spoken): Promise<Response>
  /** The body, or its size in bytes; undefined: there is none. */
  readonly sent?: string | number
}

/** Inputs of one server. */
export interface InputGroup {
  /** More arguments of `trow serve`, for which files may be written, also into the data folder. */
  args(folder: string, data: string): Promise<string[]> | string[]
  /** Of who sends all of it but where an input says otherwise. */
  readonly authorization?: string
  prepare(to: Spoken): Promise<void>
  inputs(): Input[]
}

export async function measureInputs(
  folder: string,
  checkout: string,
  note: (text: string) => void,
  pattern: RegExp,
): Promise<InputResult[]> {
  const results: InputResult[] = []
  for (const [name, group] of Object.entries({
    open: openInputs,
    gated: gatedInputs,
    judged: judgedInputs,
  })) {
    const inputs = group.inputs().filter(({ route, input }) => pattern.test(`${route}: ${input}`))
    if (inputs.length === 0) continue
    const own = join(folder, name)
    mkdirSync(own)
    results.push(...(await measureGroup(own, checkout, group, inputs, note)))
  }
  return results
}

async function measureGroup(
  folder: string,
  checkout: string,
  group: InputGroup,
  inputs: readonly Input[],
  note: (text: string) => void,
): Promise<InputResult[]> {
  const turns = join(folder, 'turns')
  writeFileSync(turns, '')
  const port = await freePort()
  const data = join(folder, 'data')
  const server = await startServer(
    {
      program: process.execPath,
      args: [
        '--import',
        fileURLToPath(new URL('turn-hook.ts', import.meta.url)),
        join(checkout, 'bin', 'trow.js'),
        'serve',
        `--listen=127.0.0.1:${port}`,
        `--data=${data}`,
        '--workers=1',
        '--access-log=off',
        ...(await group.args(folder, data)),
      ],
      env: { TURN_FILE: turns },
    },
    { port, folder: data, tls: false },
  )
  const { authorization } = group
  const to: Spoken = { url: server.url, ...(authorization !== undefined && { authorization }) }
  try {
    await group.prepare(to)
    const results: InputResult[] = []
    for (const input of inputs) results.push(await measure(server, turns, to, input, note))
    return results
  } finally {
    await server.stop()
  }
}

async function measure(
  server: Server,
  turns: string,
  to: Spoken,
  input: Input,
  note: (text: string) => void,
): Promise<InputResult> {
  await pause(300)
  const from = Date.now()
  const before = residentMegabytes(server.pid)
  let peak = before
  const timer = setInterval(() => (peak = Math.max(peak, residentMegabytes(server.pid))), 20)
  const response = await input.request(to)
  const reply = await response.text()
  await pause(100)
  clearInterval(timer)
  const longest = { worker: 0, writer: 0 }
  for (const line of readFileSync(turns, 'utf8').split('\n')) {
    const [at = '', thread = '', cpu = ''] = line.split(' ')
    if (Number(at) >= from && (thread === 'worker' || thread === 'writer')) {
      longest[thread] = Math.max(longest[thread], Number(cpu))
    }
  }
  const { sent = 0 } = input
  const size = typeof sent === 'number' ? sent : sent.length
  const text = typeof sent === 'string' && size > reply.length ? sent : reply
  const result = {
    route: input.route,
    input: input.input,
    bytes: Math.max(size, reply.length),
    status: response.status,
    ...longest,
    parse: typeof sent === 'number' && size > reply.length ? undefined : parseTime(text),
    memory: peak - before,
  }
  note(
    `${input.route}: ${input.input}: ${response.status}, worker ${longest.worker} ms, writer ${longest.writer} ms`,
  )
  return result
}

/** The median of five; undefined for what is no JSON. */
function parseTime(text: string): number | undefined {
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const begun = process.threadCpuUsage()
    try {
      JSON.parse(text)
    } catch {
      return undefined
    }
    const { user, system } = process.threadCpuUsage(begun)
    times.push((user + system) / 1000)
  }
  return times.sort((a, b) => a - b)[2]
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

export function printInputs(results: readonly InputResult[]): string {
  const lines = [
    '| route | input | status | MB | worker ms | writer ms | JSON.parse ms | worker / parse | writer / parse | peak MB |',
    '|---|---|---:|---:|---:|---:|---:|---:|---:|---:|',
  ]
  for (const { route, input, status, bytes, worker, writer, parse, memory } of results) {
    // Of less than that the quotient says nothing.
    const of = (turn: number): string =>
      parse !== undefined && parse >= 0.1 ? (turn / parse).toFixed(1) : ''
    const cells = [
      status,
      (bytes / 1e6).toFixed(2),
      worker,
      writer,
      parse?.toFixed(1) ?? '',
      of(worker),
      of(writer),
      memory.toFixed(0),
    ]
    lines.push(`| ${route} | ${input} | ${cells.join(' | ')} |`)
  }
  return lines.join('\n')
}
