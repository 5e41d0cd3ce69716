import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { checkPolicySettings } from '../../src/serve/policy/policy-settings.ts'
import { defaultSettings } from '../../src/settings/default-settings.ts'
import { settingsSchema } from '../../src/settings/settings-schema.ts'
import { exception, policy } from '../enforcement/test-feed.ts'
import { startServer } from '../support/server-process.ts'
import { eventually, PolicyServer } from './policy-server.ts'

const day = 86_400_000

/** An exception that lasts `days`. */
function lasting(days: number, more: object = {}): object {
  const expires = new Date(Date.now() + days * day - 60_000).toISOString()
  return exception({ images: [{ scope: '@trow/x' }], expires, ...more })
}

suite('settings of policies', () => {
  test('name one place, and the database only where there is one', () => {
    const check = (given: object) => (): void =>
      checkPolicySettings(settingsSchema.parse({ ...defaultSettings(1), ...given }))
    const database = { database: 'postgres://trow@db.example/trow' }
    for (const good of [{}, { 'policy-cluster': true }, { 'policy-database': true, ...database }])
      assert.doesNotThrow(check(good))
    assert.throws(check({ 'policy-database': true }), {
      code: 'POLICY_NO_DATABASE',
      message: '--policy-database needs --database',
      exitCode: 2,
    })
    const both = { 'policy-database': true, 'policy-dir': '/etc/policies', ...database }
    assert.throws(check(both), {
      code: 'POLICY_SOURCES',
      message: '--policy-dir and --policy-database exclude each other',
    })
    assert.throws(check({ 'policy-database': true, 'policy-cluster': true, ...database }), {
      code: 'POLICY_SOURCES',
    })
  })

  /** The problem of a document under these settings. */
  async function problemOf(args: readonly string[], document: object): Promise<string | undefined> {
    await using registry = new PolicyServer()
    registry.write('first.json', [policy({})])
    await registry.start({ args })
    registry.write('second.json', [document])
    const second = async (): Promise<readonly { readonly message: string }[] | undefined> =>
      (await registry.status()).units.find(({ name }) => name === 'second.json')?.problems
    await eventually(async () => (await second()) !== undefined, 'the file is read')
    return (await second())?.[0]?.message
  }

  for (const [args, document, without, message] of [
    [
      ['--policy-longest-exception', '10d'],
      lasting(11),
      lasting(10),
      /^spec\.expires: an exception lasts 10 days at most/,
    ],
    [['--policy-require-ticket'], lasting(1), lasting(1, { ticket: 'JIRA-1' }), /^spec\.ticket: is required/],
    [
      ['--policy-own-hosts', 'registry.example'],
      policy({ deny: [{ scope: 'registry.example/x', reason: 'y' }] }, 'q'),
      policy({ deny: [{ scope: 'registry.example.com/x', reason: 'y' }] }, 'q'),
      /^spec\.deny\[0\]\.scope: SCOPE_ALIAS: .*@trow\/x/,
    ],
    [
      ['--token-hosts', 'other.example:5000'],
      policy({ deny: [{ scope: 'other.example:5000/x', reason: 'y' }] }, 'q'),
      policy({ deny: [{ scope: 'other.example/x', reason: 'y' }] }, 'q'),
      /^spec\.deny\[0\]\.scope: SCOPE_ALIAS/,
    ],
  ] as const)
    test(`${args.join(' ')}`, async () => {
      assert.match((await problemOf(args, document)) ?? 'no problem', message)
      assert.equal(await problemOf(args, without), undefined)
      // The default takes both.
      assert.equal(await problemOf([], document), undefined)
    })

  test('--policy-unjudged', async () => {
    for (const [args, status] of [
      [[], 202],
      [['--policy-unjudged', 'allow'], 202],
      [['--policy-unjudged', 'deny'], 403],
    ] as const) {
      await using registry = await new PolicyServer().start({ args })
      const answer = await registry.send('POST', '/v2/prod/app/blobs/uploads/')
      assert.equal(answer.status, status, args.join(' '))
      if (status === 403) assert.match(answer.message, /NO_POLICY/)
    }
  })

  test('--policy-own-hosts takes hosts alone', async () => {
    await using registry = new PolicyServer()
    const args = ['--policy-own-hosts', 'registry.example/x']
    const server = await startServer({ data: registry.data, args })
    assert.ok('died' in server)
    assert.match(server.died, /"registry\.example\/x", which is no host of a registry.*\(CONFIG_INVALID\)/)
  })
})
