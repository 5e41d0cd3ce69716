import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash, randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { runCommand } from './support/run-trow.ts'
import { startedServer } from './support/server-process.ts'

const source = new URL('../', import.meta.url)

/** What trow counts. */
const nouns =
  'attempt bit blob byte certificate character check container day decision digest document domain entrie error event exception ' +
  'file finding host hour image index item layer level line manifest minute name namespace node object page pattern platform pod ' +
  'policie problem pull push range reason record reference replica repositorie request right robot rule scope second segment ' +
  'signature step tag task thread time token upload user worker'

/** `${count} blobs`, with up to two words between them. */
const plural = new RegExp(
  `\\$\\{([^{}]*)\\} (?:(?:more|other|of|different|admission|running|untagged|new) ){0,2}(?:${nouns.replaceAll(' ', '|')})e?s\\b`,
  'g',
)

/** The value before the word is a name or a word of its own. */
const name =
  /^(verb|named|modulusLength|node|port|loopbackPort|namespace|where\.namespace|startupTaint|names\.agent|runs|free\.length.*)$/

const root = mkdtempSync(join(tmpdir(), 'trow-counted-'))
after(() => rmSync(root, { recursive: true, force: true }))

test('one of a thing is singular in what fsck, gc and restore print', async () => {
  const data = join(root, 'data')
  const server = await startedServer({ data })
  const blob = randomBytes(100_000)
  const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`
  const pushed = await fetch(`${server.url}/v2/app/blobs/uploads/?digest=${digest}`, {
    method: 'POST',
    body: blob,
  })
  assert.equal(pushed.status, 201)
  await server.stop()
  const fsck = await runCommand(['fsck', '--data', data])
  assert.match(fsck.stdout, /^1 blob \(.*\) and 0 manifests checked: all is well$/m)
  const gc = await runCommand(['gc', '--dry-run', '--gc-grace', '0s', '--data', data])
  assert.match(gc.stdout, /^would take 0 blobs \(0 B\) and 0 manifests(, 1 link)?$/m)
  const backup = join(root, 'backup')
  assert.equal((await runCommand(['backup', '--data', data, backup])).code, 0)
  const restored = await runCommand(['restore', '--data', join(root, 'again'), backup])
  assert.match(restored.stdout, /^restored 1 blob \(/)
})

/** A limit is never 1. */
const limit = /limit|most|longest|largest|least|deepest|ratio/i

test('no number stands before a plural that is written by hand', () => {
  const found = globSync('src/**/*.ts', { cwd: source }).flatMap((file) => {
    const text = readFileSync(new URL(file, source), 'utf8')
    return [...text.matchAll(plural)].flatMap(([whole, expression = '']) =>
      limit.test(expression) || name.test(expression) ? [] : `${file}: ${whole}`,
    )
  })
  assert.deepEqual(found, [])
})
