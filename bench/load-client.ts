import { readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { ContentMaker, makeManifest } from './content.ts'
import { HttpConnection } from './http-connection.ts'
import type { LoadJob, LoadResult, PathChoice } from './load-job.ts'
import { pushBlob, pushImage, pushManifest, type Base } from './push.ts'
import { RequestSocket } from './request-socket.ts'

const latencies: number[] = []
const scheduledLatencies: number[] = []
let done = 0
let bytes = 0
let errors = 0
let firstError: string | undefined
let stopped = false

const job = JSON.parse(await text(process.stdin)) as LoadJob
let start = performance.now()
let cpu = process.cpuUsage()
await run(job)
finish()

/** The clock starts when content is made and connections are open. */
function begin(): void {
  start = performance.now()
  cpu = process.cpuUsage()
  setTimeout(() => (stopped = true), job.seconds * 1000)
  // A server that hangs must not keep us: whatever is open then is cut.
  setTimeout(() => finish(), job.seconds * 1000 + 15_000).unref()
}

function finish(): never {
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  latencies.sort((a, b) => a - b)
  scheduledLatencies.sort((a, b) => a - b)
  const result: LoadResult = {
    done,
    bytes,
    seconds,
    errors,
    firstError,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    p99Scheduled: percentile(scheduledLatencies, 0.99),
    clientCores: (user + system) / 1e6 / seconds,
  }
  // Written whole before the exit, which cuts every connection that is still busy.
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
  return undefined as never
}

async function run(task: LoadJob): Promise<void> {
  switch (task.kind) {
    case 'requests':
      return closedLoop(task)
    case 'rate':
      return openLoop(task)
    case 'blobs': {
      const maker = new ContentMaker(task.size)
      const limit = task.limit ?? Infinity
      let begun = 0
      return workers(task, async (connection) => {
        if (begun++ >= limit) return false
        await pushBlob(connection, task.repository, maker.next())
        bytes += task.size
        return true
      })
    }
    case 'images': {
      const configs = new ContentMaker(task.configSize)
      const layers = new ContentMaker(task.layerSize)
      const bases = await pushBases(task, layers)
      return workers(task, async (connection, index) => {
        await pushImage(connection, {
          repository: task.apart === true ? `${task.repository}/${index}` : task.repository,
          tag: `t-${randomUUID()}`,
          configs,
          layers,
          base: bases[index % bases.length],
        })
        bytes += task.configSize + task.layerSize
        return true
      })
    }
    case 'manifests':
      return workers(task, async (connection) => {
        const mark = randomUUID()
        const manifest = makeManifest(task.config, task.layer, mark)
        await pushManifest(connection, task.repository, `m-${mark}`, manifest)
        return true
      })
    case 'streams-in': {
      const maker = new ContentMaker(task.size)
      return workers(task, async (connection) => {
        await pushBlob(connection, task.repository, maker.next())
        bytes += task.size
        return true
      })
    }
    case 'streams-out':
      return streamsOut(task)
  }
}

async function pushBases(
  { target, connections, repository, base }: LoadJob & { kind: 'images' },
  layers: ContentMaker,
): Promise<Base[]> {
  const bases: Base[] = []
  if (base === undefined) return bases
  const connection = await HttpConnection.open(target)
  for (let number = 0; number < (base === 'shared' ? 1 : connections); number++) {
    const layer = layers.next()
    const from = `${repository}-base/${number}`
    await pushBlob(connection, from, layer)
    bases.push({ digest: layer.digest, size: layer.size, from })
  }
  connection.close()
  return bases
}

/** `index`: which of the connections it is. */
async function workers(
  task: LoadJob,
  step: (connection: HttpConnection, index: number) => Promise<boolean>,
): Promise<void> {
  const connections = await Promise.all(
    Array.from({ length: task.connections }, () => HttpConnection.open(task.target)),
  )
  begin()
  const all = Promise.all(
    connections.map(async (connection, index) => {
      try {
        while (!stopped) {
          const begun = performance.now()
          if (!(await step(connection, index))) return
          latencies.push(performance.now() - begun)
          done++
        }
      } catch (error) {
        failed(error as Error)
      }
    }),
  )
  // Streams that would outlive the time are part of the load, not of the count.
  await (task.kind === 'streams-in' ? Promise.race([all, timeUp(task.seconds)]) : all)
}

async function closedLoop(task: LoadJob & { kind: 'requests' }): Promise<void> {
  const next = pathChooser(task.paths)
  const all = await openRequests(task, task.method)
  begin()
  await Promise.all(
    all.map(
      (requests) =>
        new Promise<void>((resolve) => {
          const ask = (): void => {
            if (stopped) return resolve()
            const begun = performance.now()
            requests.send(next(), (status, size) => {
              if (status !== 200) failed(new Error(`status ${status}`))
              latencies.push(performance.now() - begun)
              done++
              bytes += size
              ask()
            })
          }
          requests.onClose(() => {
            if (!stopped) failed(new Error('the server closed the connection'))
            resolve()
          })
          ask()
        }),
    ),
  )
}

/** Requests that are due go out at once, on any free connection; those that find none wait, and that counts. */
async function openLoop(task: LoadJob & { kind: 'rate' }): Promise<void> {
  const next = pathChooser(task.paths)
  const free = await openRequests(task, task.method)
  const begun = performance.now()
  begin()
  const backlog: { due: number; woke: number }[] = []
  let issued = 0
  const send = (): void => {
    while (free.length > 0 && backlog.length > 0) {
      const requests = free.shift() as RequestSocket
      const { due, woke } = backlog.shift() as { due: number; woke: number }
      requests.send(next(), (status, size) => {
        const now = performance.now()
        if (status !== 200) failed(new Error(`status ${status}`))
        latencies.push(now - woke)
        scheduledLatencies.push(now - due)
        done++
        bytes += size
        free.push(requests)
        send()
      })
    }
  }
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now()
      if (stopped) {
        clearInterval(timer)
        return resolve()
      }
      for (; issued < ((now - begun) / 1000) * task.rate; issued++) {
        backlog.push({ due: begun + (issued / task.rate) * 1000, woke: now })
      }
      send()
    }, 1)
  })
  // What is still on its way belongs to the tail.
  const limit = performance.now() + 5000
  while (done < issued && performance.now() < limit) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Reads bodies as fast as they come and throws them away. */
async function streamsOut(task: LoadJob & { kind: 'streams-out' }): Promise<void> {
  const all = await openRequests(task, 'GET')
  begin()
  for (const requests of all) {
    const ask = (): void =>
      requests.send(task.path, (status, size) => {
        if (status !== 200) failed(new Error(`status ${status}`))
        done++
        bytes += size
        ask()
      })
    ask()
  }
  await timeUp(task.seconds)
}

function openRequests(
  { connections, target }: Pick<LoadJob, 'connections' | 'target'>,
  method: 'GET' | 'HEAD',
): Promise<RequestSocket[]> {
  return Promise.all(Array.from({ length: connections }, () => RequestSocket.open(target, method)))
}

function timeUp(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}

function pathChooser(choice: PathChoice): () => string {
  switch (choice.kind) {
    case 'one':
      return () => choice.path
    case 'list': {
      const paths = readFileSync(choice.file, 'utf8').trim().split('\n')
      return () => paths[Math.floor(Math.random() * paths.length)] as string
    }
    case 'numbered':
      return () => choice.prefix + String(Math.floor(Math.random() * choice.count)).padStart(6, '0')
  }
}

function failed(error: Error): void {
  errors++
  firstError ??= error.message
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
