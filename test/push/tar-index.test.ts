import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import fc from 'fast-check'
import tar from 'tar-stream'
import { indexTar, NoTar } from '../../src/push/tar-index.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-tar-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'test.tar')

async function pack(
  entries: readonly (readonly [Partial<tar.Header> & { readonly name: string }, Buffer?])[],
): Promise<Buffer> {
  const packing = tar.pack()
  for (const [header, content] of entries) packing.entry(header, content ?? Buffer.alloc(0))
  packing.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of packing) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

suite('where the entries of a tar lie', () => {
  test('is found for every name and size, long and foreign ones too', async () => {
    const name = fc
      .array(fc.stringMatching(/^[a-zé0-9_-]{1,60}$/), { minLength: 1, maxLength: 6 })
      .map((parts) => parts.join('/'))
    const entries = fc.uniqueArray(
      fc.record({ name, content: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)) }),
      { selector: (entry) => entry.name, minLength: 1, maxLength: 6 },
    )
    await fc.assert(
      fc.asyncProperty(entries, async (all) => {
        writeFileSync(file, await pack(all.map((entry) => [{ name: entry.name }, entry.content])))
        const [index, bytes] = [await indexTar(file), readFileSync(file)]
        assert.deepEqual([...index.keys()].sort(), all.map((entry) => entry.name).sort())
        for (const entry of all) {
          const { offset, size } = index.get(entry.name) ?? { offset: 0, size: -1 }
          assert.deepEqual(bytes.subarray(offset, offset + size), entry.content)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('links have a target and nothing else', async () => {
    const link = { name: 'b/layer.tar', type: 'symlink', linkname: '../a/layer.tar' } as const
    writeFileSync(file, await pack([[{ name: './a/layer.tar' }, Buffer.from('x')], [link]]))
    const index = await indexTar(file)
    assert.equal(index.get('a/layer.tar')?.size, 1)
    assert.deepEqual(index.get('b/layer.tar')?.link, { target: '../a/layer.tar', hard: false })
  })

  test('bytes that are no tar, or not all of one, are NoTar and nothing else', async () => {
    const whole = await pack([[{ name: 'a' }, Buffer.alloc(3000, 'x')]])
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 4000 }).map((bytes) => Buffer.from(bytes)),
          fc.nat(whole.length).map((length) => whole.subarray(0, length)),
          fc.tuple(fc.nat(511), fc.nat(255)).map(([place, byte]) => {
            const broken = Buffer.from(whole)
            broken[place] = byte
            return broken
          }),
        ),
        async (bytes) => {
          writeFileSync(file, bytes)
          const found = await indexTar(file).catch((error: unknown) => error)
          if (found instanceof Map) return
          assert.ok(found instanceof NoTar, String(found))
        },
      ),
      { numRuns: 200 },
    )
  })
})
