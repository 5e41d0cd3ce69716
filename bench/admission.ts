import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import https from 'node:https'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { buildDist } from '../image/dist.ts'
import { containers, pod, reviewText } from '../test/admission/reviews.ts'
import { AdmissionInstall } from '../test/serve/admission-process.ts'
import { makeCertificate } from './certificate.ts'
import { largePolicy } from './policy.ts'

/** Of reviews over TLS, as they are planned: one that waits for the one before it waits in the figures too. */
export interface AdmissionResult {
  readonly what: string
  readonly reviews: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly worst: number
  /** Bytes, of the whole process: the largest of what was seen. */
  readonly memory: number
  /** Milliseconds of processor time for a review. */
  readonly cpu: number
  /** Processes that wanted a processor in the last minute, on all of them. */
  readonly load: number
}

/** What is asked: trow, or what does the least that can be done. */
interface Asked {
  readonly child: ChildProcess
  request(
    method: string,
    path: string,
    body: string,
    agent: https.Agent,
  ): Promise<{ readonly status: number; readonly text: string }>
}

const smallPolicy = {
  apiVersion: 'policy.trow.io/v1alpha1',
  kind: 'TrowPolicy',
  metadata: { name: 'bench' },
  spec: { mode: 'enforce', default: 'deny', rules: [{ scope: 'ghcr.io', unverified: true }] },
}
const rate = 500
const bodySize = 20_000
/** Milliseconds without a review after which V8 has collected what the start has left. */
const rest = 15_000
const root = fileURLToPath(new URL('..', import.meta.url))

/** `seconds`: of the steady run. */
export async function measureAdmission(folder: string, seconds: number): Promise<readonly AdmissionResult[]> {
  const program = build(join(folder, 'trow'))
  const own = await makeCertificate(folder)
  const bare = await startBare(own)
  try {
    const results = [...(await measureAsked(bare, { name: 'bare Node', seconds }))]
    for (const [name, policy] of [
      ['1 rule', smallPolicy],
      ['10,000 rules', largePolicy('deny')],
    ] as const) {
      await using install = await new AdmissionInstall(program).start()
      install.api.put(policy)
      results.push(...(await measureAsked(await install.admission(), { name, seconds })))
    }
    return results
  } finally {
    bare.child.kill('SIGKILL')
  }
}

async function startBare({ certFile, keyFile }: { certFile: string; keyFile: string }): Promise<Asked> {
  const args = [join(import.meta.dirname, 'bare-reviews.ts'), '--cert', certFile, '--key', keyFile]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return {
    child,
    request: (method, path, body, agent) =>
      new Promise((resolve, reject) => {
        const address = { host: '127.0.0.1', port: Number(String(port)) }
        const sent = https.request(
          { ...address, method, path, agent, rejectUnauthorized: false },
          (reply) => {
            const chunks: Buffer[] = []
            reply.on('data', (chunk: Buffer) => chunks.push(chunk))
            reply.on('error', reject)
            reply.on('end', () =>
              resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
            )
          },
        )
        sent.on('error', reject)
        sent.end(body)
      }),
  }
}

async function measureAsked(
  asked: Asked,
  { name, seconds }: { readonly name: string; readonly seconds: number },
): Promise<readonly AdmissionResult[]> {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 64 })
  const body = reviewBody()
  await sleep(rest)
  const memory = memoryOf(asked)
  await steady({ asked, agent, body, count: rate * 2 })
  const run = await steady({ asked, agent, body, count: rate * seconds })
  const burst = await atOnce({ asked, agent, body, count: 300 })
  agent.destroy()
  return [
    {
      what: `${name}: at rest`,
      reviews: 0,
      p50: NaN,
      p99: NaN,
      worst: NaN,
      memory,
      cpu: NaN,
      load: loadavg()[0] ?? NaN,
    },
    { what: `${name}: ${rate} a second, pods of ${bodySize / 1000} kB`, ...run },
    { what: `${name}: 300 at once`, ...burst },
  ]
}

export function printAdmission(results: readonly AdmissionResult[]): string {
  const time = (value: number): string => (Number.isNaN(value) ? '' : value.toFixed(2))
  return [
    '| reviews over TLS | reviews | p50 ms | p99 ms | worst ms | processor ms | memory MiB | load |',
    '|---|---:|---:|---:|---:|---:|---:|---:|',
    ...results.map(
      ({ what, reviews, p50, p99, worst, cpu, memory, load }) =>
        `| ${what} | ${reviews} | ${time(p50)} | ${time(p99)} | ${time(worst)} | ${time(cpu)} | ${Math.round(memory / 1048576)} | ${time(load)} |`,
    ),
  ].join('\n')
}

interface Run {
  readonly asked: Asked
  readonly agent: https.Agent
  readonly body: string
  readonly count: number
}

async function steady({ asked, agent, body, count }: Run): Promise<Omit<AdmissionResult, 'what'>> {
  const times: number[] = []
  let memory = 0
  const before = processorOf(asked)
  const watch = setInterval(() => (memory = Math.max(memory, memoryOf(asked))), 500)
  const begun = performance.now()
  const running: Promise<void>[] = []
  for (let place = 0; place < count; place++) {
    const planned = begun + (place * 1000) / rate
    const early = planned - performance.now()
    if (early > 0.5) await sleep(early)
    // A timer may fire a little early: then it counts from when it was sent.
    const started = Math.min(planned, performance.now())
    running.push(timed(started, asked.request('POST', '/pods?timeout=5s', body, agent), times))
  }
  await Promise.all(running)
  clearInterval(watch)
  return { reviews: count, ...figures(times), memory, ...spent(asked, before, count) }
}

async function atOnce({ asked, agent, body, count }: Run): Promise<Omit<AdmissionResult, 'what'>> {
  const times: number[] = []
  const before = processorOf(asked)
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: count }, () =>
      timed(begun, asked.request('POST', '/pods?timeout=5s', body, agent), times),
    ),
  )
  return { reviews: count, ...figures(times), memory: memoryOf(asked), ...spent(asked, before, count) }
}

async function timed(
  planned: number,
  answer: Promise<{ readonly status: number; readonly text: string }>,
  times: number[],
): Promise<void> {
  const { status, text } = await answer
  times.push(performance.now() - planned)
  if (status !== 200 || !text.includes('"allowed":true')) throw new Error(`it was not let in: ${text}`)
}

function figures(times: number[]): Pick<AdmissionResult, 'p50' | 'p99' | 'worst'> {
  const sorted = times.sort((one, other) => one - other)
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN
  return { p50: at(0.5), p99: at(0.99), worst: sorted.at(-1) ?? NaN }
}

/** A pod of three containers that the policy takes, with as much beside them as large pods have. */
function reviewBody(): string {
  const spec = { containers: containers(...[4, 8, 12].map((each) => `ghcr.io/app${each}:1.4`)) }
  const bare = reviewText({ object: pod(spec) })
  const notes = { notes: 'x'.repeat(bodySize - bare.length) }
  return reviewText({ object: pod(spec, { annotations: notes }) })
}

function memoryOf({ child }: Asked): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1024
}

function spent(asked: Asked, before: number, count: number): Pick<AdmissionResult, 'cpu' | 'load'> {
  return { cpu: (processorOf(asked) - before) / count, load: loadavg()[0] ?? NaN }
}

/** Milliseconds of processor time since the start, in steps of ten (proc_pid_stat(5)). */
function processorOf({ child }: Asked): number {
  const [, rest = ''] = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')
  const fields = rest.split(' ').map(Number)
  return ((fields[11] ?? NaN) + (fields[12] ?? NaN)) * 10
}

/** As it is installed: compiling the sources at the start costs memory that no installation has. */
function build(folder: string): string {
  mkdirSync(folder)
  buildDist(join(folder, 'dist'))
  for (const name of ['bin', 'package.json', 'templates'])
    cpSync(join(root, name), join(folder, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return join(folder, 'bin', 'trow.js')
}
