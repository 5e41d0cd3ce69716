import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { policyPaths, type PolicyEditAnswer } from '../../src/policy-store/policy-edits.ts'
import { config, image, layer, push, pushBlob, type Image } from '../enforcement/images.ts'
import { policy } from '../enforcement/test-feed.ts'
import { PolicyServer } from './policy-server.ts'

const clients = 32
const name = 'prod/app'
const one = { kind: 'TrowPolicy', name: 'p' } as const
/** Milliseconds after which no answer may be as before a change. */
const limit = 1000

/** A change that was in force at `since`, of `performance.now()`; `spared`: which quarter is not denied from then on. */
interface Change {
  readonly since: number
  readonly spared: number
}

/** One answer that was asked for at `began`. */
interface Seen {
  readonly began: number
  readonly ended: number
  readonly place: number
  readonly isDenied: boolean
}

const quarters = 4
/** Images that are there when the clients begin. */
const stored = 41
/** Of each list three quarters, which are 10,000, are denied. */
const images = Array.from({ length: 13_333 }, (_, place) =>
  image([config('amd64'), layer('all')], { note: `${place}` }),
)

function isDeniedBy({ spared }: Pick<Change, 'spared'>, place: number): boolean {
  return place % quarters !== spared
}

function denying(spared: number): object {
  const denied = images.filter((_, place) => isDeniedBy({ spared }, place))
  return policy({ deny: denied.map(({ digest }) => ({ digest, reason: 'CVE-2024-3094' })) }, one.name)
}

suite('32 clients that pull and push 10,000 denied digests, and others, while the list changes', () => {
  test(
    'meet no answer older than a second, and none that is not of a list',
    { timeout: 240_000 },
    async (context) => {
      await using registry = await new PolicyServer().start({ args: ['--workers', '2'] })
      for (const each of images.slice(0, stored)) await push(registry, name, each)
      const changes: Change[] = []
      const seen: Seen[] = []
      const failures: string[] = []
      const end = new AbortController()

      const edit = async (spared: number): Promise<void> => {
        const { answer } = await registry.ask(policyPaths.edit, { ...one, document: denying(spared) })
        assert.equal((answer as PolicyEditAnswer).outcome, 'in-force', JSON.stringify(answer))
        changes.push({ since: performance.now(), spared })
      }
      const request = async (client: number, turn: number): Promise<void> => {
        const isPush = client % 4 === 0
        // Few are pulled, each of them often, so that workers remember what they have decided.
        const place = (client + clients * turn) % (isPush ? images.length : stored)
        const whole = images[place] as Image
        const path = `/v2/${name}/manifests/${whole.digest}`
        const began = performance.now()
        const { status, code } = isPush
          ? await registry.send('PUT', path, {
              headers: { 'content-type': whole.mediaType },
              body: whole.bytes,
            })
          : await registry.send('GET', path)
        if (status === 503 && code === 'UNAVAILABLE') return
        if (status !== 200 && status !== 201 && status !== 403) failures.push(`${status} ${code}`)
        seen.push({ began, ended: performance.now(), place, isDenied: status === 403 })
      }

      await edit(0)
      const asking = Array.from({ length: clients }, async (_, client) => {
        for (let turn = 0; !end.signal.aborted; turn++) await request(client, turn)
      })
      for (let change = 1; change <= 8; change++) {
        await edit(change % quarters)
        // Long enough for answers that begin a second after it.
        await sleep(limit + 500)
      }
      end.abort()
      await Promise.all(asking)

      assert.deepEqual(failures, [])
      const old = seen.filter(({ began, ended, place, isDenied }) => {
        // Of lists that may have been asked: those in force a second before it began, or at any time until it ended.
        const settled = changes.findLastIndex(({ since }) => since + limit <= began)
        const possible = changes.filter(({ since }, index) => index >= settled && since <= ended)
        const next = changes.find(({ since }) => since > ended)
        return ![...possible, ...(next === undefined ? [] : [next])].some(
          (list) => isDeniedBy(list, place) === isDenied,
        )
      })
      assert.deepEqual(old.length, 0, `${old.length} of ${seen.length} answers are old`)
      const settledDenials = seen.filter(({ isDenied }) => isDenied).length
      context.diagnostic(`${seen.length} answers to ${clients} clients, ${settledDenials} of them refusals`)
      assert.ok(settledDenials > 100, `${settledDenials} denials of ${seen.length} answers`)
      assert.equal((await pushBlob(registry, name, layer('layer 9'))).status, 201)
    },
  )
})
