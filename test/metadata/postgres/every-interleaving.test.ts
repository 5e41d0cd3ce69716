import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { missing } from '../../requirements.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { cases, circles, everyStep, ofContent, worlds } from './change-cases.ts'
import { Interleaver, type Step } from './interleaver.ts'

/**
 * Every pair of changes that may be about the same thing runs on a real PostgreSQL, in every state that matters to
 * them: one is stopped before each of its statements in turn, from BEGIN to COMMIT, while the other runs to its end or
 * until it waits. What comes out must be whole, and what comes out where one runs after the other; and so must it where
 * both run in one transaction. It takes long: `npm run test:interleavings`. `npm test` runs the dangerous pairs, in
 * `interleavings.test.ts`.
 */
const isLong = process.env['TROW_TEST_REPLICAS'] === 'long'
const skip = missing('initdb', 'postgres')

const among = (names: readonly string[]): readonly Step[] =>
  everyStep.filter(({ name }) => names.includes(name))

suite(
  'every pair of changes on PostgreSQL',
  { skip: skip === false && !isLong ? 'TROW_TEST_REPLICAS is not long' : skip },
  () => {
    let server: PostgresServer
    let pairs: Interleaver

    before(async () => {
      server = await PostgresServer.start(['deadlock_timeout=50ms', 'fsync=off'])
      pairs = await Interleaver.open(server, 'locks')
    })
    after(async () => {
      pairs.close()
      await server.stop()
    })

    const circle = (name: string, steps: readonly Step[], world: readonly Step[]): void => {
      test(name, async (t) => {
        const problems: string[] = []
        let [met, interleavings] = [0, 0]
        for (const one of steps) {
          for (const other of steps) {
            const pair = { before: world, one, other }
            const found = await pairs.run(pair)
            if (!found.isOfNote) continue
            const together = await pairs.together(pair)
            problems.push(...found.problems, ...(together === undefined ? [] : [together]))
            met += 1
            interleavings += found.interleavings
          }
        }
        t.diagnostic(`${met} pairs, ${interleavings} interleavings`)
        assert.deepEqual(problems, [])
      })
    }

    for (const [name, world] of Object.entries<readonly Step[]>(worlds))
      circle(`of content, beginning with ${name}`, among(ofContent), world)
    for (const [name, { names, worlds: beginnings }] of Object.entries(circles))
      for (const [number, world] of beginnings.entries()) circle(`${name}, ${number}`, among(names), world)
  },
)

test('every change meets others', () => {
  const met = [...ofContent, ...Object.values(circles).flatMap(({ names }) => names)]
  for (const name of Object.keys(cases)) assert.ok((met as string[]).includes(name), name)
})
