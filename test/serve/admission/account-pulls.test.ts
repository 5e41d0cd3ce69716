import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Reviewed } from '../../../src/access/authority.ts'
import type { Principal } from '../../../src/access/principal.ts'
import { Rules, type AccessRule } from '../../../src/access/rules.ts'
import { AccountPulls } from '../../../src/serve/admission/account-pulls.ts'

const account = 'system:serviceaccount:team-a:web'
const never = new AbortController().signal
const answered = (allowed: boolean): Reviewed => ({ kind: 'answered', allowed, reason: '', until: Infinity })
const away: Reviewed = { kind: 'unavailable', reason: 'the cluster does not answer', retryAfter: 1 }

function pulls(
  rules: readonly AccessRule[],
  review: (principal: Principal) => Reviewed | Promise<Reviewed> = () => answered(false),
): { readonly rights: AccountPulls; readonly asked: Principal[] } {
  const asked: Principal[] = []
  const reviews = {
    review: (principal: Principal) => {
      asked.push(principal)
      return Promise.resolve(review(principal))
    },
  }
  return { asked, rights: new AccountPulls({ rules: new Rules(rules), reviews }) }
}

suite('what a service account may pull', () => {
  test('is what a rule gives it, and the cluster is not asked', async () => {
    const { rights, asked } = pulls([
      { who: ['service-accounts'], repositories: ['{namespace}/**'], actions: ['pull'] },
    ])
    assert.equal(await rights.mayPull(account, 'team-a/app', never), true)
    assert.deepEqual(asked, [])
    assert.equal(await rights.mayPull(account, 'team-b/app', never), false)
  })

  test('is what the cluster says of the account, with the groups of its tokens', async () => {
    const { rights, asked } = pulls([], ({ name }) => answered(name === account))
    assert.equal(await rights.mayPull(account, 'team-b/app', never), true)
    assert.deepEqual(asked[0]?.groups, [
      'system:serviceaccounts',
      'system:serviceaccounts:team-a',
      'system:authenticated',
    ])
  })

  test('is what anybody may pull, by a rule or by the cluster', async () => {
    const byRule = pulls([{ who: ['anonymous'], repositories: ['public/**'], actions: ['pull'] }])
    assert.equal(await byRule.rights.mayPull(account, 'public/app', never), true)
    const byCluster = pulls([], ({ kind }) => answered(kind === 'anonymous'))
    assert.equal(await byCluster.rights.mayPull(account, 'public/app', never), true)
    // A client that sends no credential is not bound by what is denied to the account.
    const denied = { who: [account], repositories: ['**'], actions: ['pull'], deny: true } as const
    const { rights } = pulls([denied, { who: ['anonymous'], repositories: ['**'], actions: ['pull'] }])
    assert.equal(await rights.mayPull(account, 'public/app', never), true)
  })

  test('is not what a rule denies it, whatever the cluster says', async () => {
    const denied = { who: [account], repositories: ['**'], actions: ['pull'], deny: true } as const
    const { rights } = pulls([denied], ({ kind }) => answered(kind !== 'anonymous'))
    assert.equal(await rights.mayPull(account, 'team-a/app', never), false)
  })

  test('is unknown while the cluster does not answer, or not in time', async () => {
    await assert.rejects(pulls([], () => away).rights.mayPull(account, 'team-a/app', never))
    const silent = pulls([], () => new Promise(() => undefined))
    await assert.rejects(silent.rights.mayPull(account, 'team-a/app', AbortSignal.timeout(20)))
  })

  test('is nothing of a name that no repository has', async () => {
    assert.equal(await pulls([], () => answered(true)).rights.mayPull(account, 'a'.repeat(300), never), false)
  })
})
