import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import tar from 'tar-stream'
import { file, type LayerEntry } from '../../src/image/layer-entry.ts'
import { writeTar } from '../../src/image/tar-writer.ts'

const write = (entries: readonly LayerEntry[]): Promise<Buffer> => buffer(Readable.from(writeTar(entries)))

interface Read {
  readonly header: tar.Header
  readonly content: Buffer
}

async function read(archive: Buffer): Promise<Map<string, Read>> {
  const found = new Map<string, Read>()
  const extract = tar.extract()
  Readable.from([archive]).pipe(extract)
  for await (const entry of extract) {
    const name = entry.header.name.replace(/\/$/, '')
    assert.ok(!found.has(name), `${name} twice`)
    found.set(name, { header: entry.header, content: await buffer(entry) })
  }
  return found
}

const name = fc.stringMatching(/^[a-zé0-9_@+-][a-zA-Zé0-9._@+-]{0,40}$/u)
/** Files have an ending that folders cannot have, so that no path is both. */
const path = fc
  .array(name, { minLength: 1, maxLength: 6 })
  .map((names) => `${names.map((each) => each.replaceAll('.', '_')).join('/')}.f`)
const entry: fc.Arbitrary<LayerEntry> = fc.oneof(
  fc.record({
    kind: fc.constant('file' as const),
    path,
    mode: fc.constantFrom(0o644, 0o755),
    content: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({ kind: fc.constant('link' as const), path, target: path }),
)
const entries = fc.uniqueArray(entry, { selector: ({ path }) => path, maxLength: 20 })

suite('the tar of a layer', () => {
  test('holds what was put into it, below folders that come first, with nothing of when and by whom', async () => {
    await fc.assert(
      fc.asyncProperty(entries, async (given) => {
        const found = await read(await write(given))
        const seen = new Set<string>()
        for (const [path, { header, content }] of found) {
          assert.deepEqual([header.mtime?.getTime(), header.uid, header.gid, header.uname], [0, 0, 0, ''])
          const above = path.split('/').slice(0, -1).join('/')
          assert.ok(above === '' || seen.has(above), `${path} comes before ${above}`)
          seen.add(path)
          const wanted = given.find((each) => each.path === path)
          if (wanted === undefined) assert.deepEqual([header.type, header.mode], ['directory', 0o755])
          else if (wanted.kind === 'file') {
            assert.ok(content.equals(wanted.content))
            assert.equal(header.mode, wanted.mode)
          } else if (wanted.kind === 'link') assert.equal(header.linkname, wanted.target)
        }
        for (const { path } of given) assert.ok(seen.has(path), `${path} is missing`)
      }),
      { numRuns: 100 },
    )
  })

  test('is the same in any order of the entries', async () => {
    await fc.assert(
      fc.asyncProperty(
        entries.chain((list) =>
          fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
        ),
        async ([one, other]) => assert.ok((await write(one)).equals(await write(other))),
      ),
      { numRuns: 50 },
    )
  })

  test('refuses a path that leaves the layer, stands there twice, or is below a file', async () => {
    for (const path of ['/etc/passwd', '../a', 'a/../../b', 'a//b', 'a/', '.', '..', '', 'a/./b', 'a\0b'])
      await assert.rejects(write([file(path, '')]), /is no path of a layer/, JSON.stringify(path))
    await assert.rejects(write([file('a/b', ''), file('a/b', '')]), /twice/)
    await assert.rejects(write([file('a', ''), file('a/b', '')]), /no folder/)
  })
})
