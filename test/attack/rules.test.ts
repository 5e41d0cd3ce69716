import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { anonymous, type Principal } from '../../src/access/principal.ts'
import { Rules, type AccessRule } from '../../src/access/rules.ts'
import { lintRules } from '../../src/access/rules-lint.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { startGated } from '../support/gated-server.ts'
import { exchange } from '../support/ways.ts'

const secret = parseRepositoryName('team/secret')
const alice: Principal = { kind: 'password', name: 'alice', groups: [], reviewable: false }
const opened: AccessRule = {
  who: ['anonymous', 'authenticated'],
  repositories: ['team/**'],
  actions: ['pull'],
}
const closed = (who: string): AccessRule => ({
  who: [who],
  repositories: ['team/secret'],
  actions: ['pull'],
  deny: true,
})

suite('rules that name everybody', () => {
  test('who shows nothing is denied what "*" is denied', () => {
    for (const who of ['*', '**', 'system:*', 'system:anon*', 'group:*', 'group:system:*']) {
      const rules = new Rules([opened, closed(who)])
      assert.equal(rules.decide(anonymous, 'pull', secret).kind, 'denied', who)
    }
    assert.equal(new Rules([opened, closed('*')]).decide(alice, 'pull', secret).kind, 'denied')
  })

  test('"*" that allows opens the door to nobody who shows nothing', () => {
    for (const who of ['*', '**', 'system:*', 'group:*', 'group:system:*']) {
      const rules = new Rules([{ who: [who], repositories: ['**'], actions: ['pull', 'push'] }])
      assert.notEqual(rules.decide(anonymous, 'pull', secret).kind, 'allowed', who)
    }
  })

  test('the lint says so: an allow for anonymous that "*" denies is unreachable, one that "*" allows is not shadowed', () => {
    const own: AccessRule = { who: ['anonymous'], repositories: ['team/secret'], actions: ['pull'] }
    const found = (rules: readonly AccessRule[]): string =>
      lintRules(rules)
        .map(({ message }) => message)
        .join()
    assert.match(found([own, closed('*')]), /unreachable: rule 2 denies/)
    assert.equal(found([{ ...closed('*'), deny: false }, own]), '')
  })

  test('over HTTP', async () => {
    const gated = await startGated({ access: [opened, closed('*')] })
    try {
      const at = (path: string): Promise<number> =>
        exchange(gated.url, { method: 'GET', path }).then(({ status }) => status)
      assert.equal(await at('/v2/team/secret/tags/list'), 401)
      assert.equal(await at('/v2/team/open/tags/list'), 404)
    } finally {
      await gated.close()
    }
  })
})
