import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryContent } from '../../src/admission/registry-content.ts'
import { parseImageReference, type ImageReference } from '../../src/policy/image-reference.ts'

const digest = `sha256:${'a'.repeat(64)}`
const content = {
  digests: [digest],
  contains: [],
  platforms: ['linux/amd64'],
  listedBy: [],
  size: 1,
  isEvidence: false,
}
const known = { digest, fact: { kind: 'known', content }, isSettled: true }
const never = new AbortController().signal

class World {
  readonly asked: string[] = []
  readonly source = new RegistryContent({
    ask: ({ repository, reference: name }, signal) => {
      this.asked.push(`${repository} ${name}`)
      return this.answer(signal)
    },
    now: () => this.now,
  })
  answer: (signal: AbortSignal) => Promise<unknown> = () => Promise.resolve(known)
  now = 0
}

function reference(name: string): ImageReference {
  const parsed = parseImageReference(name, { ownHosts: new Set(['trow.example']), shortNames: 'docker.io' })
  if (parsed.kind === 'problem') throw new Error(parsed.message)
  return parsed
}

const byDigest = reference(`trow.example/team/app@${digest}`)
const byTag = reference('trow.example/team/app:1.0')

suite('facts of the registry’s content', () => {
  test('of a digest are asked for once', async () => {
    const world = new World()
    for (let each = 0; each < 3; each++) assert.equal((await world.source.of(byDigest, never)).kind, 'known')
    assert.deepEqual(world.asked, [`team/app ${digest}`])
  })

  test('of a tag are asked for again after a second', async () => {
    const world = new World()
    await world.source.of(byTag, never)
    world.now = 999
    await world.source.of(byTag, never)
    assert.equal(world.asked.length, 1)
    world.now = 1000
    world.answer = () => Promise.resolve({ fact: { kind: 'absent' }, isSettled: false })
    assert.equal((await world.source.of(byTag, never)).kind, 'absent')
    assert.equal(world.asked.length, 2)
  })

  test('that are not there, or may be others soon, are not kept for a digest', async () => {
    for (const answer of [
      { ...known, isSettled: false },
      { fact: { kind: 'absent' }, isSettled: true },
    ]) {
      const world = new World()
      world.answer = () => Promise.resolve(answer)
      await world.source.of(byDigest, never)
      world.now = 1000
      await world.source.of(byDigest, never)
      assert.equal(world.asked.length, 2)
    }
  })

  test('of a digest that were known are used while the registry is away; those of a tag are not', async () => {
    const world = new World()
    await world.source.of(byDigest, never)
    await world.source.of(byTag, never)
    world.now = 24 * 3_600_000
    world.answer = () => Promise.reject(new Error('nobody listens'))
    assert.equal((await world.source.of(byDigest, never)).kind, 'known')
    assert.deepEqual(await world.source.of(byTag, never), { kind: 'failed', reason: 'FACT_UPSTREAM' })
  })

  test('that do not come within a second are said to be late', async () => {
    const world = new World()
    world.answer = (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    assert.deepEqual(await world.source.of(byTag, never), { kind: 'failed', reason: 'FACT_TIMEOUT' })
  })

  test('end with the review', async () => {
    const world = new World()
    world.answer = () => new Promise(() => undefined)
    const fact = await world.source.of(byTag, AbortSignal.abort())
    assert.deepEqual(fact, { kind: 'failed', reason: 'FACT_TIMEOUT' })
  })

  test('are asked for once by all who want them at the same time', async () => {
    const world = new World()
    await Promise.all(Array.from({ length: 10 }, () => world.source.of(byTag, never)))
    assert.equal(world.asked.length, 1)
  })

  test('are asked for 32 at a time', async () => {
    const world = new World()
    const running = { now: 0, most: 0 }
    world.answer = async () => {
      running.most = Math.max(running.most, ++running.now)
      await new Promise((resolve) => setImmediate(resolve))
      running.now--
      return known
    }
    const facts = await Promise.all(
      Array.from({ length: 200 }, (_, each) => world.source.of(reference(`trow.example/app:${each}`), never)),
    )
    assert.equal(
      facts.every(({ kind }) => kind === 'known'),
      true,
    )
    assert.equal(running.most, 32)
  })

  test('in another form than the registry has are none', async () => {
    for (const answer of [undefined, {}, { fact: { kind: 'known', content: {} }, isSettled: true }]) {
      const world = new World()
      world.answer = () => Promise.resolve(answer)
      assert.deepEqual(await world.source.of(byTag, never), { kind: 'failed', reason: 'FACT_UPSTREAM' })
    }
  })
})
