import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { parseLine } from '../../src/audit/chain.ts'
import { signHead } from '../../src/audit/log-head.ts'
import { LogTail } from '../../src/audit/stores/folder/log-tail.ts'
import { SegmentFolder } from '../../src/audit/stores/folder/segment-folder.ts'
import { SegmentLog } from '../../src/audit/stores/folder/segment-log.ts'
import { newSigningKey, openSigner } from '../../src/audit/signed-note.ts'
import { verifyLog } from '../../src/audit/verify.ts'
import { FolderStore } from '../../src/audit/stores/folder/folder-store.ts'
import { quiet } from './records.ts'

const signer = openSigner('trow-audit', newSigningKey())
const day = 86_400_000
const event = (time: number, text: string): string =>
  JSON.stringify({ id: text, time: new Date(time).toISOString(), text: text.padEnd(80, '.') })

/**
 * Stops at a given step as if the process were killed there: that step is half done, and no later step runs.
 */
class DyingFolder extends SegmentFolder {
  steps = 0
  readonly #last: number
  readonly #handles: FileHandle[] = []

  constructor(path: string, last: number) {
    super(path)
    this.#last = last
  }

  #step(): void {
    if (++this.steps > this.#last) throw new Error('the process has ended')
  }

  override async create(name: string): Promise<FileHandle> {
    this.#step()
    const handle = await super.create(name)
    this.#handles.push(handle)
    return handle
  }

  override async open(name: string): Promise<FileHandle> {
    const handle = await super.open(name)
    this.#handles.push(handle)
    return handle
  }

  async end(): Promise<void> {
    for (const handle of this.#handles) await handle.close().catch(() => {})
  }

  override async write(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
    if (this.steps === this.#last) {
      await super.write(handle, bytes.subarray(0, Math.floor(bytes.length * 0.6)), position)
    }
    this.#step()
    return super.write(handle, bytes, position)
  }

  override async truncate(handle: FileHandle, size: number): Promise<void> {
    this.#step()
    return super.truncate(handle, size)
  }

  override async flush(handle: FileHandle): Promise<void> {
    this.#step()
    return super.flush(handle)
  }

  override async compress(name: string): Promise<string> {
    const target = await super.compress(name)
    this.#step()
    return target
  }

  override async rename(name: string): Promise<void> {
    this.#step()
    return super.rename(name)
  }

  override async remove(name: string): Promise<void> {
    this.#step()
    return super.remove(name)
  }

  override async flushFolder(): Promise<void> {
    this.#step()
    return super.flushFolder()
  }
}

suite('a log in segments', () => {
  let path: string
  beforeEach(() => (path = mkdtempSync(join(tmpdir(), 'trow-segments-'))))
  afterEach(() => rmSync(path, { recursive: true }))

  const openLog = (folder = new SegmentFolder(path), segmentSize = 600): Promise<SegmentLog> =>
    SegmentLog.open({ folder, log: 'changes', logger: quiet, segmentSize })
  const verify = async (): Promise<unknown[]> => {
    const problems: unknown[] = []
    for await (const found of verifyLog({
      lines: new FolderStore(path),
      log: 'changes',
      head: undefined,
      verifier: signer.verifier,
    }))
      if (found.kind === 'problem') problems.push(found)
    return problems
  }
  const idsIn = async (): Promise<string[]> => {
    const tail = new LogTail(path, 'changes', 0)
    const ids: string[] = []
    for (let lines = await tail.next(3); lines.length > 0; lines = await tail.next(3)) {
      ids.push(...lines.map((line) => (JSON.parse(line.event.toString()) as { id: string }).id))
    }
    await tail.close()
    return ids
  }

  test('goes on where it ended, seals what is full or of yesterday', async () => {
    const ids: string[] = []
    for (let round = 0; round < 6; round++) {
      const log = await openLog()
      for (const text of ['a', 'b'].map((each) => `${each}${round}`)) {
        ids.push(text)
        await log.append([event(round, text)], round)
      }
      await log.close()
    }
    assert.deepEqual(await idsIn(), ids)
    assert.deepEqual(await verify(), [])
    const before = readdirSync(path)
    assert.ok(before.filter((name) => name.endsWith('.gz')).length >= 2, String(before))
    const log = await openLog()
    await log.append([event(day, 'tomorrow')], day)
    await log.close()
    assert.equal(readdirSync(path).filter((name) => !name.endsWith('.gz')).length, 1)
    assert.deepEqual(await verify(), [])
  })

  test('a tail that is followed gets each line once, through sealing', async () => {
    const log = await openLog()
    const tail = new LogTail(path, 'changes', 0)
    const seen: number[] = []
    for (let round = 0; round < 40; round++) {
      await log.append([event(round, `x${round}`)], round)
      if (round % 3 === 0) seen.push(...(await tail.next(2)).map(({ seq }) => seq))
    }
    await log.close()
    for (let lines = await tail.next(5); lines.length > 0; lines = await tail.next(5))
      seen.push(...lines.map(({ seq }) => seq))
    await tail.close()
    assert.deepEqual(
      seen,
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
  })

  test('a crash at any step loses nothing that was acknowledged, doubles nothing, and is repaired at the start', async () => {
    let died = 0
    for (let last = 0; ; last++) {
      rmSync(path, { recursive: true })
      const dying = new DyingFolder(path, last)
      const kept: string[] = []
      let whole = true
      try {
        const log = await openLog(dying)
        for (let i = 0; i < 12; i++) {
          // Sealing in the background ends before the next line, so that the steps always have the same
          // order.
          await log.append([event(i, `first ${i}`)], i)
          kept.push(`first ${i}`)
          await new Promise((resolve) => setTimeout(resolve, 3))
        }
        await log.close()
      } catch (error) {
        assert.equal((error as Error).message, 'the process has ended')
        whole = false
        died++
      }
      await dying.end()
      const log = await openLog()
      await log.append([event(100, 'after')], 100)
      await log.close()
      const ids = await idsIn()
      // A line that was not acknowledged may be in the log; its outbox row is there too and is recognised by
      // its id.
      if (ids.length === kept.length + 2) assert.equal(ids[kept.length], `first ${kept.length}`)
      assert.deepEqual(ids.slice(0, kept.length), kept, `step ${last}`)
      assert.equal(ids.at(-1), 'after')
      assert.ok(ids.length <= kept.length + 2)
      assert.deepEqual(await verify(), [], `step ${last}`)
      assert.deepEqual(readdirSync(path).filter((name) => name.includes('.tmp')), []) // prettier-ignore
      if (whole && dying.steps <= last) break
    }
    assert.ok(died > 25, `${died}`)
  })

  test('an append that failed leaves nothing, and may be tried again', async () => {
    class Moody extends SegmentFolder {
      fail = false
      override async flush(handle: FileHandle): Promise<void> {
        if (this.fail) throw new Error('no room')
        return super.flush(handle)
      }
    }
    const folder = new Moody(path)
    const log = await openLog(folder)
    await log.append([event(1, 'one')], 1)
    folder.fail = true
    await assert.rejects(log.append([event(2, 'x'.repeat(500)), event(2, 'lost')], 2))
    folder.fail = false
    await log.append([event(3, 'two')], 3)
    await log.close()
    assert.deepEqual(await idsIn(), ['one', 'two'])
    assert.deepEqual(await verify(), [])
  })

  test('retention takes whole segments, and what is left is still verified by a signed record', async () => {
    const log = await openLog()
    for (let i = 0; i < 30; i++) await log.append([event(i * day, `d${i}`)], i * day)
    const prune = (age: number, bytes: number): Promise<void> =>
      log.prune({ age, bytes }, 30 * day, async (last) => {
        const signed = signHead(signer, 'pruned', { log: 'changes', ...last, time: 'now' })
        const text = {
          id: 'pruned',
          type: 'io.trow.audit.pruned.v1',
          time: new Date(30 * day),
          data: { signed },
        }
        await log.append([JSON.stringify(text)], 30 * day)
      })
    await prune(100 * day, 1e9)
    assert.equal((await idsIn()).length, 30, 'nothing is old yet')
    await prune(10 * day, 1e9)
    const ids = await idsIn()
    assert.equal(ids[0], 'd19', 'its segment holds something of the last ten days')
    assert.equal(ids.at(-1), 'pruned')
    assert.deepEqual(await verify(), [])
    await prune(100 * day, 1000)
    assert.ok((await idsIn()).length < 12)
    assert.deepEqual(await verify(), [])
    await log.close()
    // A segment removed by hand leaves no signed record.
    const oldest = readdirSync(path).sort()[0] as string
    rmSync(join(path, oldest))
    assert.deepEqual((await verify()).map((each) => (each as { problem: string }).problem), ['removed']) // prettier-ignore
  })

  test('where the end is missing, numbers go on after it', async () => {
    const log = await openLog()
    await log.append([event(1, 'one'), event(1, 'two')], 1)
    await log.continueAfter({ seq: 9, hash: 'a'.repeat(64) })
    const [line] = await log.append([event(2, 'three')], 2)
    await log.close()
    const parsed = parseLine(Buffer.from(line ?? ''))
    assert.deepEqual([parsed?.seq, parsed?.prev], [10, 'a'.repeat(64)])
    assert.deepEqual(
      (await verify()).map((each) => {
        const { problem, seq, upTo } = each as { problem: string; seq: number; upTo: number }
        return [problem, seq, upTo]
      }),
      [['removed', 3, 9]],
    )
  })
})
