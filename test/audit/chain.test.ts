import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { beginning, chainLine, isIntact, parseLine, type Link } from '../../src/audit/chain.ts'
import { openHead, signHead } from '../../src/audit/log-head.ts'
import { newSigningKey, openNote, openSigner } from '../../src/audit/signed-note.ts'
import { MissingLines } from '../../src/audit/missing-lines.ts'
import { verifyLog, type AuditProblem, type AuditSummary } from '../../src/audit/verify.ts'
import { FolderStore } from '../../src/audit/stores/folder/folder-store.ts'

const signer = openSigner('trow-audit', newSigningKey())

/** Makes the lines of a log and its signed head. */
function makeLog(count: number): { readonly lines: Buffer[]; readonly head: string } {
  const lines: Buffer[] = []
  let link: Link = beginning
  for (let i = 0; i < count; i++) {
    const next = chainLine('changes', link, JSON.stringify({ id: `event ${i}`, text: 'ü\n"' }))
    lines.push(Buffer.from(`${next.line}\n`))
    link = next.link
  }
  return { lines, head: signHead(signer, 'head', { log: 'changes', ...link, time: '2026-11-24T07:00:00Z' }) }
}

const { lines, head } = makeLog(25)

suite('a log that somebody has touched', () => {
  let folder: string
  before(() => (folder = mkdtempSync(join(tmpdir(), 'trow-chain-'))))
  after(() => rmSync(folder, { recursive: true }))

  async function verify(
    segments: readonly (readonly Buffer[])[],
    options: { readonly head?: string | undefined } = { head },
  ): Promise<{ problems: AuditProblem[]; summary: AuditSummary }> {
    rmSync(folder, { recursive: true })
    mkdirSync(folder)
    let first = 1
    for (const [index, segment] of segments.entries()) {
      const name = join(folder, `changes-${String(first).padStart(12, '0')}.jsonl`)
      if (index < segments.length - 1) writeFileSync(`${name}.gz`, gzipSync(Buffer.concat(segment)))
      else writeFileSync(name, Buffer.concat(segment))
      first += 7
    }
    const problems: AuditProblem[] = []
    for await (const event of verifyLog({
      lines: new FolderStore(folder),
      log: 'changes',
      head: options.head,
      verifier: signer.verifier,
    })) {
      if (event.kind === 'summary') return { problems, summary: event }
      problems.push(event)
    }
    throw new Error('there was no summary')
  }
  const inSegments = (all: readonly Buffer[]): Buffer[][] => {
    const segments: Buffer[][] = []
    for (let start = 0; start < 25; start += 7) segments.push(all.slice(start, start + 7))
    return segments
  }
  /** Applies one change to the segments; each segment keeps its file name. */
  const changed = (change: (segments: Buffer[][]) => void): Buffer[][] => {
    const segments = inSegments(lines)
    change(segments)
    return segments
  }

  test('as it was written it has no problem', async () => {
    const { problems, summary } = await verify(inSegments(lines))
    assert.deepEqual(problems, [])
    assert.deepEqual(
      [summary.lines, summary.first, summary.last, summary.head?.seq, summary.segments],
      [25, 1, 25, 25, 4],
    )
  })

  test('a segment may claim any number: what is missing before it is one range', async () => {
    const far = 999_999_999_999_990
    const { problems } = await verify(inSegments(lines))
    assert.deepEqual(problems, [])
    writeFileSync(join(folder, `changes-${far}.jsonl`), 'no line\n')
    const found: unknown[] = []
    for await (const event of verifyLog({
      lines: new FolderStore(folder),
      log: 'changes',
      head,
      verifier: signer.verifier,
    })) {
      if (event.kind === 'problem') found.push([event.problem, event.seq, event.upTo])
    }
    assert.deepEqual(found, [['edited', far, far], ['removed', 26, far - 1]]) // prettier-ignore
  })

  test('ranges of missing lines are what a set of numbers would be', () => {
    const gap = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 6 }))
    fc.assert(
      fc.property(fc.array(gap), fc.array(fc.nat(100)), (gaps, late) => {
        const missing = new MissingLines()
        const numbers = new Set<number>()
        let next = 1
        for (const [kept, lost] of gaps) {
          next += kept
          missing.add(next, next + lost - 1)
          for (let each = 0; each < lost; each++) numbers.add(next++)
        }
        for (const number of late) assert.equal(missing.delete(number), numbers.delete(number))
        const listed = missing.ranges.flatMap(([from, to]) =>
          Array.from({ length: to - from + 1 }, (_, each) => from + each),
        )
        assert.deepEqual(listed, [...numbers])
        return true
      }),
    )
  })

  test('any one bit that is another is found', async () => {
    const all = Buffer.concat(lines)
    await fc.assert(
      fc.asyncProperty(fc.nat(all.length - 1), fc.nat(7), async (at, bit) => {
        const edited = Buffer.from(all)
        edited[at] = (edited[at] ?? 0) ^ (1 << bit)
        rmSync(folder, { recursive: true })
        mkdirSync(folder)
        writeFileSync(join(folder, 'changes-000000000001.jsonl'), edited)
        const problems: unknown[] = []
        for await (const event of verifyLog({
          lines: new FolderStore(folder),
          log: 'changes',
          head,
          verifier: signer.verifier,
        })) {
          if (event.kind === 'problem') problems.push(event)
        }
        assert.ok(problems.length > 0)
      }),
      { numRuns: 300 },
    )
  })

  test('a line that was edited is named, and no other', async () => {
    for (const at of [0, 8, 13, 24]) {
      const segments = changed((each) => {
        const line = lines[at] as Buffer
        ;(each[Math.floor(at / 7)] as Buffer[])[at % 7] = Buffer.from(
          line.toString().replace('"id":"event', '"id":"EVENT'),
        )
      })
      const { problems } = await verify(segments)
      assert.deepEqual(problems.map(({ problem, seq }) => [problem, seq]), [['edited', at + 1]]) // prettier-ignore
    }
  })

  test('lines that were removed are named, wherever they stood; at the end by the head alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(24), async (at) => {
        const segments = changed((each) => each[Math.floor(at / 7)]?.splice(at % 7, 1))
        const { problems } = await verify(segments)
        const found = problems.map(({ problem, seq, upTo }) => [problem, seq, upTo])
        assert.deepEqual(found, [[at === 24 ? 'cut' : 'removed', at + 1, at + 1]])
      }),
    )
    const cut = changed((each) => each[3]?.splice(1))
    assert.deepEqual((await verify(cut)).problems.map(({ problem, seq, upTo }) => [problem, seq, upTo]), [['cut', 23, 25]]) // prettier-ignore
    assert.deepEqual(
      (await verify(cut, { head: undefined })).problems,
      [],
      'no head, no knowledge of the tail',
    )
  })

  test('segments that are missing are found: the first, one between, the last, all', async () => {
    const problemsWithout = async (index: number): Promise<unknown> => {
      await verify(inSegments(lines))
      const name = `changes-${String(1 + 7 * index).padStart(12, '0')}.jsonl`
      rmSync(join(folder, index === 3 ? name : `${name}.gz`))
      const problems: unknown[] = []
      for await (const event of verifyLog({
        lines: new FolderStore(folder),
        log: 'changes',
        head,
        verifier: signer.verifier,
      }))
        if (event.kind === 'problem') problems.push([event.problem, event.seq, event.upTo])
      return problems
    }
    assert.deepEqual(await problemsWithout(0), [['removed', 1, 7]])
    assert.deepEqual(await problemsWithout(1), [['removed', 8, 14]])
    assert.deepEqual(await problemsWithout(3), [['cut', 22, 25]])
    rmSync(folder, { recursive: true })
    mkdirSync(folder)
    for await (const event of verifyLog({
      lines: new FolderStore(folder),
      log: 'changes',
      head,
      verifier: signer.verifier,
    }))
      if (event.kind === 'problem') assert.deepEqual([event.problem, event.seq, event.upTo], ['cut', 1, 25])
      else assert.equal(event.problems, 1)
  })

  test('lines in another order, and a line twice', async () => {
    const swapped = lines.with(3, lines[4] as Buffer).with(4, lines[3] as Buffer)
    const moved = await verify(inSegments(swapped))
    assert.deepEqual(moved.problems.map(({ problem, seq }) => [problem, seq]), [['reordered', 4]]) // prettier-ignore
    const twice = changed((each) => each[1]?.splice(3, 0, lines[2] as Buffer))
    assert.deepEqual((await verify(twice)).problems.map(({ problem, seq }) => [problem, seq]), [['inserted', 3]]) // prettier-ignore
  })

  test('a line that was put in with a right hash does not follow, nor does what is behind it', async () => {
    const before = parseLine((lines[9] as Buffer).subarray(0, -1))
    const forged = chainLine('changes', before as Link, '{"id":"forged"}')
    const { problems } = await verify(
      changed((each) => ((each[1] as Buffer[])[3] = Buffer.from(`${forged.line}\n`))),
    )
    assert.deepEqual(problems.map(({ problem, seq }) => [problem, seq]), [['unlinked', 12]]) // prettier-ignore
  })

  test('a log that was written anew from some line on does not fit its head', async () => {
    let link: Link = parseLine((lines[19] as Buffer).subarray(0, -1)) as Link
    const anew = lines.slice(0, 20)
    for (let i = 20; i < 25; i++) {
      const next = chainLine('changes', link, `{"id":"anew ${i}"}`)
      anew.push(Buffer.from(`${next.line}\n`))
      link = next.link
    }
    const { problems } = await verify(inSegments(anew))
    assert.deepEqual(problems.map(({ problem, seq }) => [problem, seq]), [['rewritten', 25]]) // prettier-ignore
  })

  test('a line of another log is not taken for one of this', () => {
    const line = parseLine(Buffer.from(chainLine('pulls', beginning, '{}').line))
    assert.ok(line !== undefined && isIntact('pulls', line) && !isIntact('changes', line))
  })

  test('a compressed segment that was cut is said to be unreadable', async () => {
    await verify(inSegments(lines))
    const name = join(folder, 'changes-000000000008.jsonl.gz')
    writeFileSync(name, readFileSync(name).subarray(0, -12))
    assert.throws(() => gunzipSync(readFileSync(name)))
    const problems: string[] = []
    for await (const event of verifyLog({
      lines: new FolderStore(folder),
      log: 'changes',
      head,
      verifier: signer.verifier,
    }))
      if (event.kind === 'problem') problems.push(event.problem)
    assert.ok(problems.includes('unreadable'), String(problems))
  })
})

suite('signed heads', () => {
  test('say what was signed, to who has the key', () => {
    const opened = openHead(head, 'head', 'changes', signer.verifier)
    assert.equal(opened?.seq, 25)
    assert.equal(openHead(head, 'head', 'pulls', signer.verifier), undefined)
    assert.equal(openHead(head, 'pruned', 'changes', signer.verifier), undefined)
    assert.equal(
      openHead(head, 'head', 'changes', openSigner('trow-audit', newSigningKey()).verifier),
      undefined,
    )
  })

  test('any one bit that is another is found', () => {
    const bytes = Buffer.from(head)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
        const edited = Buffer.from(bytes)
        edited[at] = (edited[at] ?? 0) ^ (1 << bit)
        assert.equal(openHead(edited.toString(), 'head', 'changes', signer.verifier), undefined)
      }),
      { numRuns: 500 },
    )
  })

  test('are in the form that other programs know (golang.org/x/mod/sumdb/note)', () => {
    const text =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`
    assert.equal(openNote(note, 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'), text)
  })
})
