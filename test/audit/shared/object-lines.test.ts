import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { compressLines, objectLines } from '../../../src/audit/stores/shared/object-lines.ts'

suite('lines of an object', () => {
  test('they are whole where the object store takes each chunk back as soon as the next one is requested', async () => {
    const lines = Array.from({ length: 4000 }, () => randomBytes(60).toString('base64'))
    const object = await compressLines(
      (async function* () {
        for (const line of lines) yield Buffer.from(`${line}\n`)
      })(),
    )
    async function* open(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < object.length; at += 20_000) {
        const chunk = Uint8Array.from(object.subarray(at, at + 20_000))
        yield chunk
        chunk.fill(0)
      }
    }
    const read: string[] = []
    for await (const { bytes } of objectLines({ open: () => Promise.resolve(open()) }, 'any'))
      read.push(bytes.toString())
    assert.deepEqual(read, lines)
  })
})
