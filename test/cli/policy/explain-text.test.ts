import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { explainText } from '../../../src/cli/policy/explain-text.ts'
import { reasons } from '../../../src/policy/reasons.ts'

const time = '2026-11-29T08:00:00.000Z'
const event = (data: object) => ({
  id: 'i',
  type: 't',
  time,
  data: { decision: 'deny', action: 'pull', ...data },
})
const finding = (more: object) => ({
  policy: 'production',
  outcome: 'denied',
  reason: 'NOT_ALLOWED',
  ...more,
})

suite('the explanation of a decision', () => {
  test('names a way out for every reason that there is', () => {
    for (const reason of Object.keys(reasons)) {
      const text = explainText(event({ repository: 'a/b', reference: 't', policy: [finding({ reason })] }))
      assert.match(text, new RegExp(`\n {2}reason {3}${reason}: .+\n(.*\n)* {2}to pass {2}\\S`), reason)
    }
  })

  test('names the entry of a deny list as the command takes it', () => {
    const of = (more: object) => explainText(event({ policy: [finding({ reason: 'DENY_LIST', rule: 'quay.io', ...more })] })) // prettier-ignore
    assert.match(of({}), /to pass {2}trow policy allow quay\.io --policy production\n/)
    assert.match(of({ policy: 'quarantine' }), /to pass {2}trow quarantine quay\.io --lift\n/)
    assert.match(of({}), /or {2}trow exception add .* --override-deny\n/)
  })

  test('tells of each policy what it did', () => {
    const policy = [
      finding({ policy: 'a', outcome: 'would-deny' }),
      finding({ policy: 'b', outcome: 'excepted', exception: 'jira-1' }),
      finding({ policy: 'c', outcome: 'warned' }),
      finding({ policy: 'd', outcome: 'unchecked', reason: 'FACT_TIMEOUT' }),
      finding({ policy: '', reason: 'NO_POLICY' }),
    ]
    const text = explainText(event({ decision: 'allow', policy }))
    assert.match(text, /^allowed {2}pull of nothing named\n/)
    assert.match(text, /\npolicy a {2}would refuse it, and records that\n/)
    assert.match(
      text,
      /\npolicy b {2}would refuse it, and an exception lifts that\n.*\n {2}lifted {3}by exception jira-1\n/,
    )
    assert.match(text, /\npolicy c {2}would refuse it, and warns\n/)
    assert.match(text, /\npolicy d {2}could not check it/)
    assert.match(text, /\nsetting policy-unjudged {2}refuses it\n/)
    assert.doesNotMatch(text.slice(text.indexOf('policy b'), text.indexOf('policy c')), /to pass/)
  })

  test('says of a decision of access rules that no policy has a part in it', () => {
    const text = explainText(
      event({ repository: 'a/b', reference: 't', actor: { user: 'ann' }, reason: 'no rule' }),
    )
    assert.match(
      text,
      /^denied {2}pull of a\/b:t\nwhen .*\nwho {6}ann\nsaid {5}no rule\n\nno policy has a part in it/,
    )
  })

  test('takes any line of a log, and codes that a later trow may have', () => {
    for (const policy of [7, {}, [7], [{ policy: 1 }], null])
      assert.match(explainText(event({ policy })), /no policy has a part in it/)
    assert.match(
      explainText(event({ policy: [finding({ reason: '__proto__' })] })),
      /\n {2}reason {3}__proto__\n$/,
    )
    assert.match(explainText(event({ actor: 'x' as never, client: 7 as never })), /who {6}unknown/)
  })
})
