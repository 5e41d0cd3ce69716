import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import type { Action } from '../../../src/access/principal.ts'
import { defaultRules, type AccessRule } from '../../../src/access/rules.ts'
import { callerOf, explain, type CallerKind, type Explanation } from '../../../src/cli/access/explain.ts'
import { oidcSchema } from '../../../src/settings/oidc-schema.ts'
import { rulesSchema } from '../../../src/settings/rules-schema.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { checkLines, checkResult } from '../../support/check-result.ts'
import { runCommand } from '../../support/run-trow.ts'

const rules: readonly AccessRule[] = [
  { who: ['group:system:serviceaccounts:team-a'], repositories: ['team-a/**'], actions: ['pull'] },
  { who: ['alice', 'oidc:*'], repositories: ['**'], actions: ['pull', 'push'] },
  { who: ['robots'], repositories: ['secret/**'], actions: ['pull'], deny: true },
]

suite('trow auth explain', () => {
  const say = (name: string, action: Action, repository: string, kind: CallerKind = 'auto'): Explanation =>
    explain(
      rules,
      callerOf(name, { kind, groups: [], oidcPrefixes: ['oidc:'] }),
      action,
      parseRepositoryName(repository),
    )

  test('it says which rule decides, or who does where none does', () => {
    const builder = 'system:serviceaccount:team-a:builder'
    assert.deepEqual(say('alice', 'push', 'app'), {
      decision: 'allowed',
      reason: 'rule 2 allows alice push on **',
      rule: 2,
      ask: undefined,
    })
    assert.equal(say(builder, 'pull', 'team-a/app').rule, 1)
    assert.equal(say('oidc:repo:acme/app', 'pull', 'x').rule, 2)
    assert.deepEqual(
      [say('bob', 'pull', 'app').decision, say('bob', 'pull', 'app').rule],
      ['denied', undefined],
    )
    assert.equal(say('robot+ci', 'pull', 'secret/x').rule, 3)
    assert.equal(say('robot+ci', 'pull', 'app').decision, 'robot-scope')
    assert.equal(say('anonymous', 'pull', 'app').decision, 'cluster')
    const asked = say(builder, 'push', 'team-b/web/api')
    assert.equal(asked.decision, 'cluster')
    assert.match(
      asked.ask ?? '',
      /^kubectl auth can-i create repositories\.registry\.trow\.io\/web\/api --namespace team-b --as system:serviceaccount:team-a:builder --as-group system:serviceaccounts .* && kubectl auth can-i update /,
    )
    assert.equal(say('jane', 'pull', 'app', 'cluster').decision, 'cluster')
  })

  test('the command prints it, for people and for machines', async () => {
    const text = await runCommand(['auth', 'explain', 'alice', 'push', 'team/app'])
    assert.equal(text.code, 0, text.stderr)
    assert.match(text.stdout, /^allowed: rule 1 allows users push on \*\*$/m)
    assert.match(text.stderr, /default/)
    const json = await runCommand(['auth', 'explain', 'system:node:n1', 'pull', 'app', '-o', 'json'])
    const shown = checkResult('AccessExplanation', json.stdout)
    assert.equal(shown.decision, 'cluster')
    assert.ok(shown.caller.groups.includes('system:nodes'))
    assert.equal((await runCommand(['auth', 'explain', 'alice', 'write', 'app'])).code, 2)
    assert.match(
      (await runCommand(['auth', 'explain', 'alice', 'pull', 'App:1'])).stderr,
      /REFERENCE_INVALID/,
    )
    assert.equal((await runCommand(['auth', 'lint'])).code, 0)
    const lint = await runCommand(['auth', 'lint', '-o', 'json'])
    assert.deepEqual(checkResult('AccessFindingList', lint.stdout).items, [])
  })
})

suite('what the rules say, as exit codes and results', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-explain-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const config = join(folder, 'trow.yaml')
  const rule = { who: 'alice', repositories: 'team/**', actions: 'pull' }
  writeFileSync(config, JSON.stringify({ access: [rule, rule] }))

  test('a denial ends with 77, whatever the form; what nobody decides ends with 0', async () => {
    const explain = (...args: string[]) => runCommand(['auth', 'explain', ...args, '--config', config])
    for (const form of ['text', 'json']) {
      assert.equal((await explain('alice', 'pull', 'team/app', '-o', form)).code, 0)
      assert.equal((await explain('alice', 'push', 'team/app', '-o', form)).code, 77)
      assert.equal((await explain('system:node:n1', 'pull', 'team/app', '-o', form)).code, 0)
    }
    const denied = await explain('bob', 'pull', 'team/app', '-o', 'yaml')
    assert.equal(checkResult('AccessExplanation', denied.stdout).decision, 'denied')
  })

  test('a finding is a line', async () => {
    const { code, stdout } = await runCommand(['auth', 'lint', '--config', config, '-o', 'jsonl'])
    assert.equal(code, 79)
    assert.deepEqual(
      checkLines('AccessFinding', stdout).map(({ rule: place }) => place),
      [2],
    )
  })
})

suite('the parts of trow.yaml about access', () => {
  test('rules are written with or without brackets, and what cannot be is refused', () => {
    assert.deepEqual(rulesSchema.parse([{ who: 'users', repositories: ['**'], actions: ['pull', 'list'] }]), [
      { who: ['users'], repositories: ['**'], actions: ['pull', 'list'] },
    ])
    const good = { who: 'a', repositories: 'b', actions: 'pull' }
    for (const [wrong, expected] of [
      [{ who: [] }, /at least one/],
      [{ who: '' }, /names nobody/],
      [{ repositories: 'A' }, /matches nothing/],
      [{ actions: 'write' }, /pull/],
      [{ deny: 'yes' }, /boolean/],
      [{ allow: true }, /allow/],
      [{ repositories: '{namespace}/**' }, /service-accounts/],
    ] as const)
      assert.throws(() => rulesSchema.parse([{ ...good, ...wrong }]), expected, JSON.stringify(wrong))
    for (const rule of defaultRules) assert.ok(rulesSchema.safeParse([rule]).success)
  })

  test('issuers, with what makes them unsafe refused', () => {
    const parsed = oidcSchema.parse([
      {
        issuer: 'https://token.actions.githubusercontent.com',
        'username-claim': 'repository',
        prefix: 'github:',
        claims: { repository: 'acme/*', ref_protected: true },
      },
    ])
    assert.deepEqual(parsed, [
      {
        issuer: 'https://token.actions.githubusercontent.com',
        audiences: ['trow'],
        usernameClaim: 'repository',
        prefix: 'github:',
        claims: { repository: 'acme/*', ref_protected: 'true' },
      },
    ])
    assert.throws(() => oidcSchema.parse([{ issuer: 'https://gitlab.com' }]), /anybody can get a token/)
    assert.throws(() => oidcSchema.parse([{ issuer: 'https://a.example', prefix: 'system:' }]), /others/)
  })
})
