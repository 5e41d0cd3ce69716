import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startDistribution } from '../../support/distribution.ts'
import { startCountingProxy, type CountedRequest } from '../../support/counting-proxy.ts'
import {
  digestsBelow,
  putImage,
  putIndex,
  putManifest,
  indexType,
  platforms,
  referrersOf,
  type PushedDescriptor,
} from '../../support/registry-content.ts'
import { startedServer } from '../../support/server-process.ts'
import { parseTutorial } from '../../tutorials/parse-tutorial.ts'

const program = fileURLToPath(new URL('../../../bin/trow.js', import.meta.url))
const tutorial = new URL('../../../docs/tutorials/move-from-distribution.md', import.meta.url)

/** Bytes of the layers of each platform: they come in several pieces, so that a kill hits one of them. */
const [large, small] = [300_000, 40_000]
/** Config and layers of each platform; config and layer of a signature, and of an SBOM and cosign's image where they are. */
const blobsPerImage = { each: platforms.length * 3 + 2, more: 2 * 2 }
/** Index, platforms, signature, and the index of the tag schema, which is a tag too; SBOM with its index, cosign's image. */
const manifestsPerImage = { each: 1 + platforms.length + 1 + 1, more: 2 + 1 }
/** Of so many images one has an SBOM and cosign's tag. */
const everyMore = 3
/** Blobs that `trow copy` sends at a time: so many are cut by a kill. */
const concurrency = 4

/** An image of three platforms, with what refers to it. */
interface SeededImage {
  readonly repository: string
  readonly index: PushedDescriptor
  /** Refers to the index. */
  readonly signature: PushedDescriptor
  readonly more:
    | {
        /** Refers to the first platform. */
        readonly sbom: { readonly subject: PushedDescriptor; readonly digest: string }
        readonly cosignTag: string
      }
    | undefined
}

/** What came through a proxy to the registry that was copied to. */
export interface MoveFigures {
  readonly images: number
  readonly blobs: number
  readonly manifests: number
  /** Milliseconds of each run of the script: two that were killed, one to the end, one with nothing to do. */
  readonly runs: readonly number[]
  /** Images that had their tag when each of the first two runs was killed. */
  readonly killedAfter: readonly number[]
  /** Bytes of all blobs, and of the bodies that were sent in all runs. */
  readonly bytes: number
  readonly sentBytes: number
}

/**
 * Copies images from Distribution to trow by the script of the tutorial, which is killed twice while a layer is on its
 * way, and from there to a third registry. Proves that all of them are equal, and that no blob and no manifest that had
 * arrived was sent again.
 */
export async function moveRegistry(
  folder: string,
  images: number,
  note: (line: string) => void = () => {},
): Promise<MoveFigures> {
  mkdirSync(folder, { recursive: true })
  await using cleanup = new AsyncDisposableStack()
  const distribution = await startDistribution(join(folder, 'distribution'))
  cleanup.defer(() => distribution.stop())
  const trow = await startedServer({ data: join(folder, 'trow') })
  cleanup.defer(() => trow.stop())
  const seeded: SeededImage[] = []
  for (let place = 0; place < images; place++)
    seeded.push(await seed(distribution.url, `team-${place % 3}/app-${place}`, place % everyMore === 0))

  const watched: { seen: (request: CountedRequest) => void } = { seen: () => {} }
  const proxy = await startCountingProxy(trow.url, (request) => watched.seen(request))
  cleanup.defer(() => proxy.close())
  const move = (): Move => startMove(folder, new URL(distribution.url).host, proxy.host)
  const killedAfter: number[] = []
  const runs: number[] = []
  for (const third of [1, 2]) {
    const running = move()
    const tagged = (): number => done(proxy.requests, isTagged).length
    watched.seen = (request) => {
      const isLayer = isUpload(request) && request.bytes > small && request.bytes < large
      if (isLayer && tagged() >= (images * third) / 3) running.kill()
    }
    const { code, signal, time } = await running.ended
    assert.deepEqual([code, signal], [null, 'SIGKILL'])
    killedAfter.push(tagged())
    runs.push(time)
    note(`killed when ${tagged()} of ${images} images had their tag`)
  }
  watched.seen = () => {}
  const last = await move().ended
  assert.equal(last.code, 0, last.output)
  const before = proxy.requests.length
  const again = await move().ended
  assert.equal(again.code, 0, again.output)
  assert.deepEqual(
    proxy.requests.slice(before).filter(({ method }) => method !== 'GET' && method !== 'HEAD'),
    [],
  )

  const bytes = await assertEqual(distribution.url, trow.url, seeded)
  const expected = { blobs: sumOf(seeded, blobsPerImage), manifests: sumOf(seeded, manifestsPerImage) }
  const sentBytes = assertSentOnce(proxy.requests, expected, bytes)
  const figures = {
    images,
    ...expected,
    runs: [...runs, last.time, again.time].map(Math.round),
    killedAfter,
    bytes,
    sentBytes,
  }
  note(`the copy is equal, and nothing was sent again: ${JSON.stringify(figures)}`)
  const third = await startedServer({ data: join(folder, 'third') })
  cleanup.defer(() => third.stop())
  // From Distribution the referrers came by tags, and from trow they come by its API.
  await removeReferrersTags(trow.url, seeded)
  const on = await startMove(folder, new URL(trow.url).host, new URL(third.url).host).ended
  assert.equal(on.code, 0, on.output)
  await assertEqual(trow.url, third.url, seeded)
  return figures
}

async function seed(base: string, repository: string, hasMore: boolean): Promise<SeededImage> {
  const { index, children } = await putIndex(base, repository, '1', [large, small])
  const [child = index] = children
  const signature = await putImage(base, repository, { subject: index, layers: [500] })
  // Distribution has no referrers API: its clients keep the tag schema.
  await putReferrersTag(base, repository, index, signature)
  if (!hasMore) return { repository, index, signature, more: undefined }
  const sbom = await putImage(base, repository, { subject: child, layers: [900] })
  await putReferrersTag(base, repository, child, sbom)
  const cosignTag = `${index.digest.replace(':', '-')}.sig`
  await putImage(base, repository, { tag: cosignTag, layers: [300] })
  return { repository, index, signature, more: { sbom: { subject: child, digest: sbom.digest }, cosignTag } }
}

function sumOf(
  seeded: readonly SeededImage[],
  { each, more }: { readonly each: number; readonly more: number },
): number {
  return seeded.length * each + seeded.filter((image) => image.more !== undefined).length * more
}

export async function putReferrersTag(
  base: string,
  repository: string,
  { digest }: PushedDescriptor,
  referrer: PushedDescriptor,
): Promise<void> {
  const content = { schemaVersion: 2, mediaType: indexType, manifests: [referrer] }
  await putManifest(base, repository, content, digest.replace(':', '-'))
}

async function removeReferrersTags(base: string, images: readonly SeededImage[]): Promise<void> {
  for (const { repository, index, more } of images) {
    for (const { digest } of [index, ...(more === undefined ? [] : [more.sbom.subject])]) {
      const url = `${base}/v2/${repository}/manifests/${digest.replace(':', '-')}`
      assert.equal((await fetch(url, { method: 'DELETE' })).status, 202)
    }
  }
}

interface Move {
  kill(): void
  readonly ended: Promise<{
    readonly code: number | null
    readonly signal: string | null
    readonly output: string
    readonly time: number
  }>
}

/** Starts the script of the tutorial, with other addresses. */
function startMove(folder: string, from: string, to: string): Move {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'trow'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, {
    mode: 0o755,
  })
  const step = parseTutorial(readFileSync(tutorial, 'utf8')).steps.find(
    (each) => each.kind === 'file' && each.name === 'move.sh',
  )
  assert.ok(step?.kind === 'file')
  const script = step.text.replace(/^OLD=.*$/m, `OLD=${from}`).replace(/^NEW=.*$/m, `NEW=${to}`)
  const begin = performance.now()
  // A group of its own: a kill hits the script and the command that it runs.
  const child = spawn('sh', ['-c', `${script}\ntest ! -e failed.txt`], {
    cwd: folder,
    detached: true,
    env: { HOME: folder, PATH: `${bin}:/usr/bin:/bin` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (output += text.toString()))
  let isKilled = false
  return {
    kill() {
      if (!isKilled && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      isKilled = true
    },
    ended: once(child, 'close').then(([code, signal]: (number | string | null)[]) => ({
      code: code as number | null,
      signal: signal as string | null,
      output,
      time: performance.now() - begin,
    })),
  }
}

/** Compares every digest, by reading every byte. Returns the bytes of the blobs. */
async function assertEqual(from: string, to: string, images: readonly SeededImage[]): Promise<number> {
  let bytes = 0
  for (const { repository, index, signature, more } of images) {
    const beside = more === undefined ? [] : [more.sbom.digest, more.cosignTag]
    for (const reference of ['1', signature.digest, ...beside])
      assert.deepEqual(
        await digestsBelow(to, repository, reference),
        await digestsBelow(from, repository, reference),
      )
    assert.equal((await digestsBelow(to, repository, '1'))[0], index.digest)
    assert.deepEqual(await referrersOf(to, repository, index.digest), [signature.digest])
    if (more !== undefined)
      assert.deepEqual(await referrersOf(to, repository, more.sbom.subject.digest), [more.sbom.digest])
    bytes += platforms.length * (large + small)
  }
  return bytes
}

/** Returns the bytes of the bodies that were sent. */
function assertSentOnce(
  requests: readonly CountedRequest[],
  expected: Pick<MoveFigures, 'blobs' | 'manifests'>,
  bytes: number,
): number {
  const stored = done(requests, isUpload).map(blobOf)
  assert.equal(stored.length, expected.blobs)
  assert.equal(new Set(stored).size, stored.length)
  const manifests = done(requests, (each) => each.path.includes('/manifests/sha256:')).map(({ path }) => path)
  assert.equal(manifests.length, expected.manifests)
  assert.equal(new Set(manifests).size, manifests.length)
  const cut = requests.filter((each) => isUpload(each) && each.status !== 201)
  assert.ok(cut.length > 0 && cut.length <= 2 * concurrency, `${cut.length} uploads were cut`)
  const sent = requests.filter(isUpload).reduce((sum, each) => sum + each.bytes, 0)
  assert.ok(sent < bytes * 1.5 + 2 * concurrency * large)
  return sent
}

function done(
  requests: readonly CountedRequest[],
  which: (request: CountedRequest) => boolean,
): CountedRequest[] {
  return requests.filter((each) => each.status === 201 && each.method === 'PUT' && which(each))
}

function isUpload({ method, path }: CountedRequest): boolean {
  return method === 'PUT' && path.includes('/blobs/uploads/')
}

function isTagged({ path }: CountedRequest): boolean {
  return path.endsWith('/manifests/1')
}

function blobOf({ path }: CountedRequest): string {
  const [, repository = '', digest = ''] = /^\/v2\/(.*)\/blobs\/.*[?&]digest=([^&]*)/.exec(path) ?? []
  return `${repository}@${decodeURIComponent(digest)}`
}
