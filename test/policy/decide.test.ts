import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/repository-name.ts'
import type { Reference } from '../../src/oci/tag.ts'
import { decide, type Answer, type ImageVerdict } from '../../src/policy/decide.ts'
import { ownImage } from '../../src/policy/image-reference.ts'
import type { Refusal } from '../../src/policy/judge-policy.ts'
import { isUnchecked, reasons, type ReasonCode } from '../../src/policy/reasons.ts'
import { points } from '../../src/policy/trow-policy.ts'
import {
  ask,
  content,
  day,
  digest,
  exception,
  makeSet,
  now,
  policy,
  printed,
  settings,
  verdict,
} from './fixtures.ts'

const failed = (reason: 'FACT_PENDING' | 'FACT_TIMEOUT' | 'FACT_UPSTREAM') =>
  ({ kind: 'failed', reason }) as const
const absent = { kind: 'absent' } as const
const own = 'trow.local:31000/prod/app'

/** A request to the registry itself. */
function at(repository: string, reference: string) {
  return {
    own: ownImage(repository as RepositoryName, reference as Reference, settings),
    namespace: undefined,
  }
}

const requiring = (require: object, more: object = {}) =>
  makeSet([policy({ rules: [{ scope: '@trow/prod', require }], ...more })])

function first(answer: Answer): ImageVerdict {
  assert.ok(answer.kind !== 'needs')
  const [one] = answer.verdicts
  assert.ok(one !== undefined)
  return one
}

suite('decide', () => {
  test('default: what no rule covers is refused or passes', () => {
    assert.equal(verdict(makeSet([policy({})]), 'nginx'), 'NOT_ALLOWED')
    assert.equal(verdict(makeSet([policy({ default: 'pass' })]), 'nginx'), 'allow')
  })

  test('unverified: the name alone is enough, for what the scope covers', () => {
    const set = makeSet([policy({ rules: [{ scope: 'docker.io/library', unverified: true }] })])
    assert.equal(verdict(set, 'nginx'), 'allow')
    assert.equal(verdict(set, 'acme/nginx'), 'NOT_ALLOWED')
  })

  test('the most specific rule decides alone, also where it is stricter or laxer than the wider one', () => {
    const set = makeSet([
      policy({
        rules: [
          { scope: 'ghcr.io', unverified: true },
          { scope: 'ghcr.io/acme', require: { digest: true } },
          { scope: 'ghcr.io/acme/free', unverified: true },
        ],
      }),
    ])
    assert.equal(verdict(set, 'ghcr.io/x/y'), 'allow')
    assert.equal(verdict(set, 'ghcr.io/acme/y'), 'DIGEST_REQUIRED')
    assert.equal(verdict(set, 'ghcr.io/acme/free'), 'allow')
  })

  test('deny by scope stands above every rule and default', () => {
    for (const rest of [{ default: 'pass' }, { rules: [{ scope: 'ghcr.io/acme/x/y', unverified: true }] }]) {
      const set = makeSet([
        policy({ ...rest, deny: [{ scope: 'ghcr.io/acme', reason: 'moved', fix: 'use x' }] }),
      ])
      const answer = ask(set, 'ghcr.io/acme/x/y')
      assert.ok(answer.kind === 'deny')
      assert.deepEqual(answer.verdicts[0]?.refusals, [
        {
          policy: 'p',
          reason: 'DENY_LIST',
          detail: 'ghcr.io/acme is denied: moved',
          fix: 'use x',
          rule: 'ghcr.io/acme',
        },
      ])
    }
  })

  test('deny by digest: what is asked for, what it is, and what it consists of', () => {
    const set = makeSet([policy({ default: 'pass', deny: [{ digest: digest('d'), reason: 'CVE' }] })])
    assert.equal(verdict(set, `nginx@${digest('d')}`), 'DENY_LIST')
    assert.equal(verdict(set, `nginx@${digest('e')}`), 'allow')
    assert.equal(verdict(set, 'nginx'), 'allow')
    assert.equal(verdict(set, own), 'needs')
    assert.equal(verdict(set, own, { fact: absent }), 'allow')
    assert.equal(verdict(set, own, { fact: content() }), 'allow')
    assert.equal(verdict(set, own, { fact: content({ digests: [digest('c'), digest('d')] }) }), 'DENY_LIST')
    assert.equal(verdict(set, own, { fact: content({ contains: [digest('e'), digest('d')] }) }), 'DENY_LIST')
    // A name of another registry whose content is known nevertheless, for example from a running image.
    assert.equal(verdict(set, 'nginx', { fact: content({ digests: [digest('d')] }) }), 'DENY_LIST')
    const [whole, part] = [{ digests: [digest('d')] }, { contains: [digest('d')] }].map((parts) => {
      const answer = ask(set, own, { fact: content(parts) })
      return answer.kind === 'deny' ? answer.verdicts[0]?.refusals[0]?.detail : undefined
    })
    const twin = first(ask(set, own, { fact: content({ digests: [digest('c'), digest('d')] }) }))
    assert.equal(twin.refusals[0]?.detail, `${digest('d')} is denied: CVE`)
    assert.equal(whole, `${digest('d')} is denied: CVE`)
    assert.equal(part, `${digest('d')} is denied, and is part of it: CVE`)
  })

  test('a layer that a denied image shares with a good one stays', () => {
    const set = makeSet([policy({ default: 'pass', deny: [{ digest: digest('d'), reason: 'CVE' }] })])
    const layer = { ...at('prod/app', digest('e')), point: 'pull', isBlob: true } as const
    assert.equal(verdict(set, '', { ...layer, fact: content({ digests: [digest('e')] }) }), 'allow')
    const good = content({ digests: [digest('b')], contains: [digest('e')] })
    assert.equal(verdict(set, '', { ...at('prod/app', digest('b')), point: 'pull', fact: good }), 'allow')
  })

  test('a blob is judged by scope and digest, and by no requirement of manifests', () => {
    const strict = {
      rules: [
        {
          scope: '@trow/prod',
          require: { digest: true, tags: { deny: ['latest'] }, platforms: ['linux/arm64'], maxSize: '1B' },
        },
      ],
      deny: [
        { digest: digest('d'), reason: 'CVE' },
        { scope: '@trow/prod/bad', reason: 'bad' },
      ],
    }
    const set = makeSet([policy(strict)])
    const blob = (repository: string, letter: string): string =>
      verdict(set, '', {
        ...at(repository, digest(letter)),
        point: 'pull',
        isBlob: true,
        fact: content({ digests: [digest(letter)], platforms: [] }),
      })
    assert.equal(blob('prod/app', 'e'), 'allow')
    assert.equal(blob('prod/app', 'd'), 'DENY_LIST')
    assert.equal(blob('prod/bad', 'e'), 'DENY_LIST')
    assert.equal(blob('dev/app', 'e'), 'NOT_ALLOWED')
  })

  test('require.digest: a name with a digest, and a push by tag', () => {
    const set = requiring({ digest: true })
    assert.equal(verdict(set, own), 'DIGEST_REQUIRED')
    assert.equal(verdict(set, `${own}:v1@${digest('a')}`), 'allow')
    assert.equal(verdict(set, '', { ...at('prod/app', 'v1'), point: 'push' }), 'allow')
    assert.equal(verdict(set, '', { ...at('prod/app', 'v1'), point: 'pull' }), 'DIGEST_REQUIRED')
    assert.equal(verdict(set, '', { ...at('prod/app', digest('a')), point: 'pull' }), 'allow')
    // Signing tools fetch their signatures by tag.
    const signature = content({ isEvidence: true })
    assert.equal(
      verdict(set, '', { ...at('prod/app', 'sha256-x.sig'), point: 'pull', fact: signature }),
      'allow',
    )
    assert.equal(
      verdict(set, '', { ...at('prod/app', 'sha256-x.sig'), point: 'pull', fact: content() }),
      'DIGEST_REQUIRED',
    )
  })

  test('require.tags.deny: the tag that counts, also the one that nobody writes', () => {
    const set = requiring({ tags: { deny: ['latest', 'dev'] } })
    assert.equal(verdict(set, own), 'TAG_DENIED')
    assert.equal(verdict(set, `${own}:dev`), 'TAG_DENIED')
    assert.equal(verdict(set, `${own}:dev2`), 'allow')
    assert.equal(verdict(set, `${own}:latest@${digest('a')}`), 'allow')
    assert.equal(verdict(set, '', { ...at('prod/app', 'latest'), point: 'push' }), 'TAG_DENIED')
  })

  test('require.present: the registry must have it', () => {
    const set = requiring({ present: true })
    assert.equal(verdict(set, own), 'needs')
    assert.equal(verdict(set, own, { fact: absent }), 'NOT_PRESENT')
    assert.equal(verdict(set, own, { fact: content() }), 'allow')
  })

  test('require.platforms: of the image, of the index, or of an index that lists it', () => {
    const set = requiring({ platforms: ['linux/amd64', 'linux/arm64'] })
    const having = (...platforms: string[]): string => verdict(set, own, { fact: content({ platforms }) })
    assert.equal(verdict(set, own), 'needs')
    assert.equal(verdict(set, own, { fact: absent }), 'NOT_PRESENT')
    assert.equal(having('linux/amd64', 'linux/arm64'), 'allow')
    assert.equal(having('linux/amd64', 'linux/arm64/v8'), 'allow')
    assert.equal(having('linux/amd64'), 'PLATFORM')
    assert.equal(having(), 'PLATFORM')
    assert.equal(having('linux/amd64', 'linux/arm64x'), 'PLATFORM')
    assert.equal(having('linux/amd64', 'windows/arm64'), 'PLATFORM')
    const child = (...listedBy: string[][]): string =>
      verdict(set, own, { fact: content({ platforms: ['linux/amd64'], listedBy }) })
    assert.equal(child(['linux/amd64', 'linux/arm64']), 'allow')
    assert.equal(child(['linux/amd64'], ['linux/arm64', 'linux/amd64']), 'allow')
    // Platforms of two indexes are not combined.
    assert.equal(child(['linux/amd64'], ['linux/arm64']), 'PLATFORM')
    assert.equal(verdict(set, own, { fact: content({ platforms: [], isEvidence: true }) }), 'allow')
    const answer = ask(set, own, { fact: content({ platforms: ['linux/amd64'], listedBy: [[]] }) })
    assert.ok(answer.kind === 'deny')
    assert.equal(answer.verdicts[0]?.refusals[0]?.detail, 'it has nothing for linux/arm64')
    assert.equal(printed(answer), 'PLATFORM')
    const variant = requiring({ platforms: ['linux/arm/v7'] })
    assert.equal(verdict(variant, own, { fact: content({ platforms: ['linux/arm/v6'] }) }), 'PLATFORM')
    assert.equal(verdict(variant, own, { fact: content({ platforms: ['linux/arm/v7'] }) }), 'allow')
  })

  test('platforms are asked for where a rule needs them, and nowhere else', () => {
    const needed = (require: Record<string, unknown>, parts: Parameters<typeof ask>[2]): unknown => {
      const deny = [{ digest: digest('d'), reason: 'CVE' }]
      const answer = ask(requiring(require, { deny }), own, parts)
      return answer.kind === 'needs' ? answer.platforms : answer.kind
    }
    const unseen = { fact: content({ platforms: undefined }) }
    const platforms = ['linux/amd64']
    assert.equal(needed({ platforms }, { fact: undefined }), true)
    assert.equal(needed({ present: true }, { fact: undefined }), false)
    assert.equal(needed({ platforms }, unseen), true)
    assert.equal(needed({ present: true, maxSize: '1kB' }, unseen), 'allow')
    assert.equal(needed({ platforms }, { ...unseen, point: 'push', isBlob: true }), 'allow')
    // What is no image has none, and the children of an index come before the index.
    const evidence = { fact: content({ platforms: undefined, isEvidence: true }) }
    assert.equal(needed({ platforms }, evidence), 'allow')
    assert.equal(
      verdict(requiring({ platforms }), `${own}@${digest('c')}`, { ...unseen, point: 'push' }),
      'allow',
    )
    assert.equal(
      verdict(requiring({ platforms }), `${own}@${digest('c')}`, { ...unseen, point: 'pull' }),
      'needs',
    )
    // A denied digest is denied whatever its platforms are.
    assert.equal(
      needed({ platforms }, { fact: content({ digests: [digest('d')], platforms: undefined }) }),
      'deny',
    )
    const refusing = requiring({ platforms, tags: { deny: ['latest'] } })
    assert.equal(verdict(refusing, own, unseen), 'TAG_DENIED')
  })

  test('require.maxSize: bytes of all of it, the limit included', () => {
    const set = requiring({ maxSize: '1kB' })
    assert.equal(verdict(set, own), 'needs')
    assert.equal(verdict(set, own, { fact: absent }), 'NOT_PRESENT')
    assert.equal(verdict(set, own, { fact: content({ size: 1000 }) }), 'allow')
    assert.equal(verdict(set, own, { fact: content({ size: 1001 }) }), 'SIZE')
    assert.equal(verdict(set, own, { fact: content({ size: 1001, isEvidence: true }) }), 'SIZE')
  })

  test('a rule that needs the content refuses another spelling of the host, with the one to write', () => {
    const spelled = 'TROW.local:31000/prod/app'
    for (const require of [{ present: true }, { platforms: ['linux/amd64'] }, { maxSize: '1GiB' }]) {
      const answer = ask(requiring(require), spelled, { fact: content() })
      assert.equal(printed(answer), 'HOST_SPELLING')
      assert.ok(answer.kind === 'deny' && answer.verdicts[0]?.refusals[0]?.fix === 'write trow.local:31000')
    }
    assert.equal(verdict(requiring({ tags: { deny: ['x'] } }), spelled), 'allow')
  })

  test('what is refused by its name is never looked at', () => {
    const deny = [{ digest: digest('d'), reason: 'CVE' }]
    assert.equal(verdict(requiring({ present: true }, { deny }), 'trow.local:31000/dev/app'), 'NOT_ALLOWED')
    assert.equal(verdict(requiring({ digest: true, present: true }, { deny }), own), 'DIGEST_REQUIRED')
    assert.equal(verdict(requiring({ present: true }, { deny }), `${own}@${digest('d')}`), 'DENY_LIST')
  })

  test('onError: content that could not be looked at refuses, or passes and is told', () => {
    const deny = [{ digest: digest('d'), reason: 'CVE' }]
    for (const reason of ['FACT_PENDING', 'FACT_TIMEOUT', 'FACT_UPSTREAM'] as const)
      for (const spec of [
        { rules: [{ scope: '@trow/prod', require: { present: true } }] },
        { rules: [{ scope: '@trow/prod', unverified: true }], deny },
      ]) {
        assert.equal(verdict(makeSet([policy(spec)]), own, { fact: failed(reason) }), reason)
        assert.equal(
          verdict(makeSet([policy({ ...spec, onError: 'deny' })]), own, { fact: failed(reason) }),
          reason,
        )
        const answer = ask(makeSet([policy({ ...spec, onError: 'allow' })]), own, { fact: failed(reason) })
        assert.ok(answer.kind === 'allow')
        assert.deepEqual(
          answer.verdicts[0]?.unchecked.map((each) => each.reason),
          [reason],
        )
      }
    const lax = makeSet([policy({ rules: [], deny, onError: 'allow' })])
    assert.equal(verdict(lax, own, { fact: failed('FACT_TIMEOUT') }), 'NOT_ALLOWED')
    assert.equal(verdict(makeSet([policy({ deny })]), own, { fact: failed('FACT_TIMEOUT') }), 'NOT_ALLOWED')
  })

  test('mode: enforce refuses, warn warns, audit records, off does nothing', () => {
    const result = (spec: Record<string, unknown>): unknown => {
      const answer = ask(makeSet([policy(spec)]), 'nginx')
      if (answer.kind === 'needs') return 'needs'
      const { refusals, warnings, wouldDeny } = first(answer)
      return [answer.kind, refusals.length, warnings.length, wouldDeny.length]
    }
    assert.deepEqual(result({}), ['deny', 1, 0, 0])
    assert.deepEqual(result({ mode: 'warn' }), ['allow', 0, 1, 0])
    assert.deepEqual(result({ mode: 'audit' }), ['allow', 0, 0, 1])
    assert.deepEqual(result({ mode: 'off' }), ['allow', 0, 0, 0])
  })

  test('at: overrides the mode for one point', () => {
    assert.deepEqual(points, ['admission', 'pull', 'push', 'scan'])
    for (const point of points) {
      const other = point === 'scan' ? 'pull' : 'scan'
      const set = makeSet([policy({ mode: 'off', at: { [point]: 'enforce' } })])
      assert.equal(verdict(set, 'nginx', { point }), 'NOT_ALLOWED')
      assert.equal(verdict(set, 'nginx', { point: other }), 'allow')
      const reverse = makeSet([policy({ at: { [point]: 'off' } })])
      assert.equal(verdict(reverse, 'nginx', { point }), 'allow')
      assert.equal(verdict(reverse, 'nginx', { point: other }), 'NOT_ALLOWED')
    }
  })

  test('namespaces: included and not excluded; what is limited binds where a namespace is known', () => {
    const set = (namespaces: object) => makeSet([policy({ namespaces })])
    const some = set({ include: ['prod', 'team-*'], exclude: ['team-x*', 'team-b'] })
    for (const [namespace, expected] of [
      ['prod', 'NOT_ALLOWED'],
      ['prod2', 'allow'],
      ['team-a', 'NOT_ALLOWED'],
      ['team-b', 'allow'],
      ['team-xy', 'allow'],
      ['other', 'allow'],
    ] as const)
      assert.equal(verdict(some, 'nginx', { namespace }), expected, namespace)
    const [excluding, all] = [set({ exclude: ['sandbox-*'] }), set({ include: ['x', '*'] })]
    assert.equal(verdict(excluding, 'nginx', { namespace: 'sandbox-1' }), 'allow')
    assert.equal(verdict(excluding, 'nginx', { namespace: 'a' }), 'NOT_ALLOWED')
    for (const point of ['pull', 'push'] as const) {
      assert.equal(verdict(some, 'nginx', { point, namespace: undefined }), 'allow')
      assert.equal(verdict(excluding, 'nginx', { point, namespace: undefined }), 'allow')
      assert.equal(verdict(all, 'nginx', { point, namespace: undefined }), 'NOT_ALLOWED')
    }
    assert.equal(verdict(some, 'nginx', { point: 'scan', namespace: 'prod' }), 'NOT_ALLOWED')
  })

  test('all policies must take an image', () => {
    const set = makeSet([
      policy({ rules: [{ scope: 'docker.io', unverified: true }] }, 'a'),
      policy({ rules: [{ scope: 'docker.io/library', unverified: true }] }, 'b'),
      policy({ mode: 'audit' }, 'c'),
    ])
    assert.equal(verdict(set, 'nginx'), 'allow')
    const answer = ask(set, 'acme/nginx')
    assert.ok(answer.kind === 'deny')
    assert.deepEqual(
      answer.verdicts[0]?.refusals.map((each) => each.policy),
      ['b'],
    )
    assert.deepEqual(
      answer.verdicts[0]?.wouldDeny.map((each) => each.policy),
      ['c'],
    )
  })

  test('no policy: the settings decide', () => {
    for (const documents of [
      [],
      [policy({ mode: 'off' })],
      [policy({ namespaces: { include: ['other'] } })],
    ]) {
      assert.equal(verdict(makeSet(documents), 'nginx'), 'allow')
      assert.equal(verdict(makeSet(documents), 'NGINX'), 'allow')
      assert.equal(verdict(makeSet(documents, { noPolicy: 'deny' }), 'nginx'), 'NO_POLICY')
      assert.equal(verdict(makeSet(documents, { noPolicy: 'deny' }), 'NGINX'), 'REF_SYNTAX')
    }
    assert.equal(verdict(makeSet([policy({ default: 'pass' })], { noPolicy: 'deny' }), 'nginx'), 'allow')
  })

  test('a name that is none is refused by every policy in its mode, whatever its default', () => {
    const documents = [
      policy({ default: 'pass' }, 'a'),
      policy({ mode: 'warn' }, 'b'),
      policy({ mode: 'audit' }, 'c'),
    ]
    const answer = ask(makeSet(documents), 'NGINX')
    assert.ok(answer.kind === 'deny')
    const { refusals, warnings, wouldDeny } = first(answer)
    assert.deepEqual(
      [refusals, warnings, wouldDeny].map((each) =>
        each.map(({ policy: name, reason }) => `${name} ${reason}`),
      ),
      [['a REF_SYNTAX'], ['b REF_SYNTAX'], ['c REF_SYNTAX']],
    )
    assert.equal(verdict(makeSet(documents.slice(1)), 'NGINX'), 'allow')
  })

  test('one image that is refused refuses the request, and all that are refused are told', () => {
    const set = makeSet([policy({ rules: [{ scope: 'docker.io/library', unverified: true }] })])
    const images = ['nginx', 'evil.com/x', 'NGINX'].map((name, place) => ({
      place: `c${place}`,
      name,
      fact: undefined,
    }))
    const answer = decide({ point: 'admission', namespace: 'x', images }, set, now)
    assert.ok(answer.kind === 'deny')
    assert.deepEqual(
      answer.verdicts.map(({ image, canonical, refusals }) => [image.place, canonical, refusals[0]?.reason]),
      [
        ['c0', 'docker.io/library/nginx:latest', undefined],
        ['c1', 'evil.com/x:latest', 'NOT_ALLOWED'],
        ['c2', undefined, 'REF_SYNTAX'],
      ],
    )
    assert.equal(decide({ point: 'admission', namespace: 'x', images: [] }, set, now).kind, 'allow')
  })

  test('only images whose content is missing are asked for', () => {
    const set = requiring({ present: true }, { default: 'pass' })
    const images = [own, 'nginx', `${own}:2`].map((name) => ({ place: '', name, fact: undefined }))
    const answer = decide({ point: 'admission', namespace: 'x', images }, set, now)
    assert.ok(answer.kind === 'needs')
    assert.deepEqual(answer.images, [images[0], images[2]])
  })

  test('a refusal that stands needs no content for the other policies', () => {
    const strict = policy({ mode: 'enforce' }, 'a')
    for (const mode of ['enforce', 'warn', 'audit']) {
      const other = policy({ mode, rules: [{ scope: '@trow/prod', require: { present: true } }] }, 'b')
      assert.equal(verdict(makeSet([other]), own), 'needs')
      assert.equal(verdict(makeSet([strict, other]), own), 'NOT_ALLOWED')
    }
    const warning = policy({ mode: 'warn' }, 'c')
    const asking = policy({ rules: [{ scope: '@trow/prod', require: { present: true } }] }, 'd')
    assert.equal(verdict(makeSet([warning, asking]), own), 'needs')
  })

  test('nothing is pushed below f/', () => {
    const set = makeSet([policy({ default: 'pass' })])
    assert.equal(verdict(set, '', { ...at('f/ghcr.io/acme/app', 'v1'), point: 'push' }), 'REF_PROXY')
    const [refusal] = first(ask(set, '', { ...at('f/ghcr.io/acme/app', 'v1'), point: 'push' })).refusals
    assert.equal(
      refusal?.detail,
      'f/ is kept for the content of other registries, and nothing is pushed there',
    )
    assert.equal(verdict(set, '', { ...at('f/ghcr.io/acme/app', 'v1'), point: 'pull' }), 'allow')
    assert.equal(verdict(set, '', { ...at('fx/app', 'v1'), point: 'push' }), 'allow')
  })

  test('each reason has its words, and what to do', () => {
    const unseen = (reason: 'FACT_PENDING' | 'FACT_TIMEOUT' | 'FACT_UPSTREAM') => ({ fact: failed(reason) })
    const said = (require: object, parts: object, name = own): unknown[] => {
      const [{ reason, detail, fix, rule } = {}] = first(ask(requiring(require), name, parts))
        .refusals as Refusal[]
      return [reason, detail, fix, rule]
    }
    const present = { present: true }
    const both = { platforms: ['linux/arm64', 'linux/arm/v7', 'linux/amd64'] }
    for (const [got, expected] of [
      [
        said({ digest: true }, {}),
        ['DIGEST_REQUIRED', 'the name has no digest', 'put @sha256:… behind the name'],
      ],
      [
        said({ tags: { deny: ['latest'] } }, {}),
        ['TAG_DENIED', 'the tag latest is denied', 'use another tag, or a digest'],
      ],
      [
        said(present, {}, 'TROW.local:31000/prod/app'),
        ['HOST_SPELLING', 'nodes do not know the host in this spelling', 'write trow.local:31000'],
      ],
      [
        said(present, { fact: absent }),
        ['NOT_PRESENT', 'the registry has no @trow/prod/app:latest', 'push it, or correct the name'],
      ],
      [
        said(both, { fact: content() }),
        [
          'PLATFORM',
          'it has nothing for linux/arm64, linux/arm/v7',
          'push an index with linux/arm64, linux/arm/v7, linux/amd64',
        ],
      ],
      [
        said({ maxSize: '1kB' }, { fact: content({ size: 1001 }) }),
        ['SIZE', 'it has 1001 bytes, and may have 1000B', 'make it smaller'],
      ],
      [
        said(present, unseen('FACT_PENDING')),
        ['FACT_PENDING', 'its content is still being looked at', 'try again'],
      ],
      [
        said(present, unseen('FACT_TIMEOUT')),
        ['FACT_TIMEOUT', 'its content could not be looked at in time', 'try again'],
      ],
      [
        said(present, unseen('FACT_UPSTREAM')),
        ['FACT_UPSTREAM', 'the registry that has its content did not answer', 'try again'],
      ],
    ] as const)
      assert.deepEqual(got, [...expected, '@trow/prod'])
    // If indexes lack equally many platforms, the message names those that the image itself lacks.
    const equal = content({ platforms: ['linux/amd64'], listedBy: [['linux/arm64']] })
    assert.equal(
      said({ platforms: ['linux/amd64', 'linux/arm64'] }, { fact: equal })[1],
      'it has nothing for linux/arm64',
    )
  })

  test('the reasons are a table, and three of them say that nothing was checked', () => {
    assert.deepEqual(
      Object.keys(reasons).filter((code) => isUnchecked(code as ReasonCode)),
      ['FACT_PENDING', 'FACT_TIMEOUT', 'FACT_UPSTREAM'],
    )
    for (const text of Object.values(reasons)) assert.ok(text.length > 10)
  })
})

suite('exceptions', () => {
  const base = policy({})
  const lifted = (spec: object, name = 'nginx', parts: Parameters<typeof verdict>[2] = {}): string =>
    verdict(makeSet([base, exception(spec as Record<string, unknown>)]), name, parts)

  test('images: a scope or a digest, of the image itself', () => {
    assert.equal(lifted({ images: [{ scope: 'docker.io/library/nginx' }] }), 'allow')
    assert.equal(lifted({ images: [{ scope: 'quay.io' }, { scope: 'docker.io/library' }] }), 'allow')
    assert.equal(lifted({ images: [{ scope: 'docker.io/library/nginx2' }] }), 'NOT_ALLOWED')
    const byDigest = { images: [{ digest: digest('e') }] }
    assert.equal(lifted(byDigest, `nginx@${digest('e')}`), 'allow')
    assert.equal(lifted(byDigest, `nginx@${digest('f')}`), 'NOT_ALLOWED')
    assert.equal(lifted(byDigest, 'nginx'), 'NOT_ALLOWED')
    assert.equal(lifted(byDigest, own), 'needs')
    assert.equal(lifted(byDigest, own, { fact: content({ digests: [digest('c'), digest('e')] }) }), 'allow')
    assert.equal(lifted(byDigest, own, { fact: content({ contains: [digest('e')] }) }), 'NOT_ALLOWED')
    assert.equal(lifted(byDigest, own, { fact: absent }), 'NOT_ALLOWED')
    assert.equal(lifted(byDigest, own, { now: now + 30 * day }), 'NOT_ALLOWED')
  })

  test('of a digest that several exceptions name each counts', () => {
    const images = [{ digest: digest('e') }]
    const other = exception({ images, namespaces: ['other'] }, 'a')
    for (const documents of [
      [exception({ images }), other],
      [other, exception({ images })],
    ])
      assert.equal(verdict(makeSet([base, ...documents]), `nginx@${digest('e')}`), 'allow')
    const scopes = [{ scope: 'docker.io' }]
    const elsewhere = exception({ images: scopes, namespaces: ['other'] }, 'a')
    for (const documents of [
      [exception({ images: scopes }), elsewhere],
      [elsewhere, exception({ images: scopes })],
    ])
      assert.equal(verdict(makeSet([base, ...documents]), 'nginx'), 'allow')
  })

  test('content is looked at for the sake of an exception only where one names a digest', () => {
    assert.equal(lifted({ images: [{ scope: 'quay.io' }] }, own), 'NOT_ALLOWED')
    assert.equal(lifted({ images: [{ scope: 'quay.io' }, { digest: digest('e') }] }, own), 'needs')
    assert.equal(lifted({ images: [{ digest: digest('e') }], policies: ['q'] }, own), 'NOT_ALLOWED')
  })

  test('policies: only those named', () => {
    const images = [{ scope: '*' }]
    assert.equal(lifted({ images, policies: ['q'] }), 'NOT_ALLOWED')
    assert.equal(lifted({ images, policies: ['q', 'p'] }), 'allow')
  })

  test('namespaces: only those named; where none is known, only one for all', () => {
    const images = [{ scope: '*' }]
    assert.equal(lifted({ images, namespaces: ['default'] }), 'allow')
    assert.equal(lifted({ images, namespaces: ['def*'] }), 'allow')
    assert.equal(lifted({ images, namespaces: ['other'] }), 'NOT_ALLOWED')
    assert.equal(
      lifted({ images, namespaces: ['def*'] }, 'nginx', { point: 'pull', namespace: undefined }),
      'NOT_ALLOWED',
    )
    assert.equal(
      lifted({ images, namespaces: ['default'] }, 'nginx', { point: 'pull', namespace: undefined }),
      'NOT_ALLOWED',
    )
    assert.equal(
      lifted({ images, namespaces: ['*'] }, 'nginx', { point: 'pull', namespace: undefined }),
      'allow',
    )
  })

  test('expires: to the millisecond, and the answer says until when it holds', () => {
    const expires = '2026-12-01T00:00:00Z'
    const spec = { images: [{ scope: '*' }], expires }
    const end = Date.parse(expires)
    assert.equal(lifted(spec, 'nginx', { now: end - 1 }), 'allow')
    assert.equal(lifted(spec, 'nginx', { now: end }), 'NOT_ALLOWED')
    const set = makeSet([base, exception(spec)])
    const answer = ask(set, 'nginx')
    assert.ok(answer.kind === 'allow')
    assert.equal(answer.until, end)
    const after = ask(set, 'nginx', { now: end })
    assert.ok(after.kind === 'deny' && after.until === undefined)
  })

  test('overrideDeny: a deny list is lifted only by what says so', () => {
    const deny = [
      { scope: 'docker.io/library/nginx', reason: 'x' },
      { digest: digest('d'), reason: 'CVE' },
    ]
    const set = (overrideDeny: boolean, rest: object = {}) =>
      makeSet([policy({ deny, ...rest }), exception({ images: [{ scope: '*' }], overrideDeny })])
    assert.equal(verdict(set(false), 'nginx'), 'DENY_LIST')
    const silent = makeSet([policy({ deny }), exception({ images: [{ scope: '*' }] })])
    assert.equal(verdict(silent, 'nginx'), 'DENY_LIST')
    assert.equal(verdict(set(true), 'nginx'), 'allow')
    const bad = { fact: content({ contains: [digest('d')] }) }
    // The exception lifts the refusal by name, but a deny list may still refuse the content.
    assert.equal(verdict(set(false), own), 'needs')
    assert.equal(verdict(set(false), own, { fact: content() }), 'allow')
    assert.equal(verdict(set(false), own, bad), 'DENY_LIST')
    assert.equal(verdict(set(true), own, bad), 'allow')
    // Content that could not be looked up may be denied.
    const unseen = { fact: failed('FACT_TIMEOUT') }
    assert.equal(verdict(set(false), own, unseen), 'NOT_ALLOWED')
    assert.equal(verdict(set(true), own, unseen), 'allow')
    assert.equal(verdict(set(false, { onError: 'allow' }), own, unseen), 'allow')
    assert.equal(verdict(set(false, { default: 'pass' }), own, unseen), 'FACT_TIMEOUT')
  })

  test('one deny list among several reasons is enough to ask for overrideDeny', () => {
    const deny = [{ scope: 'docker.io', reason: 'x' }]
    const policies = ['p', 'q']
    for (const [first, second] of [
      [policy({}), policy({ deny }, 'q')],
      [policy({ deny }), policy({}, 'q')],
    ]) {
      const set = (overrideDeny: boolean) =>
        makeSet([first, second, exception({ images: [{ scope: '*' }], policies, overrideDeny })])
      assert.match(verdict(set(false), 'nginx'), /DENY_LIST/)
      assert.equal(verdict(set(true), 'nginx'), 'allow')
    }
  })

  test('several exceptions never add up: one lifts all that refuses together', () => {
    const documents = [
      policy({}, 'a'),
      policy({}, 'b'),
      exception({ images: [{ scope: '*' }], policies: ['a'] }, 'ea'),
      exception({ images: [{ scope: '*' }], policies: ['b'] }, 'eb'),
    ]
    const answer = ask(makeSet(documents), 'nginx')
    assert.ok(answer.kind === 'deny')
    assert.deepEqual(
      answer.verdicts[0]?.refusals.map((each) => each.policy),
      ['a', 'b'],
    )
    assert.deepEqual(answer.verdicts[0]?.excepted, [])
    const both = exception({ images: [{ scope: '*' }], policies: ['a', 'b'] }, 'eab')
    assert.equal(verdict(makeSet([...documents, both]), 'nginx'), 'allow')
  })

  test('what enforces and what warns is lifted apart', () => {
    const answer = ask(
      makeSet([
        policy({}),
        policy({ mode: 'warn' }, 'w'),
        policy({ mode: 'audit' }, 'r'),
        exception({ images: [{ scope: '*' }], policies: ['p', 'r'] }),
      ]),
      'nginx',
    )
    assert.ok(answer.kind === 'allow')
    const { warnings, wouldDeny, excepted } = first(answer)
    assert.deepEqual([warnings.length, wouldDeny.length], [1, 0])
    assert.deepEqual(
      excepted.map((each) => [each.exception, each.refusal.policy, each.refusal.reason]),
      [
        ['e', 'p', 'NOT_ALLOWED'],
        ['e', 'r', 'NOT_ALLOWED'],
      ],
    )
  })

  test('of several that lift it that counts which lasts longest, and of the same length the first by name', () => {
    const images = [{ scope: '*' }]
    const documents = [
      base,
      exception({ images, expires: '2026-11-30T00:00:00Z' }, 'a'),
      exception({ images, expires: '2026-12-05T00:00:00Z' }, 'c'),
      exception({ images, expires: '2026-12-05T00:00:00Z' }, 'b'),
      exception({ images, expires: '2026-12-01T00:00:00Z' }, 'd'),
    ]
    for (const order of [documents, documents.toReversed()]) {
      const answer = ask(makeSet(order), 'nginx')
      assert.ok(answer.kind === 'allow')
      assert.equal(answer.until, Date.parse('2026-12-05T00:00:00Z'))
      assert.equal(answer.verdicts[0]?.excepted[0]?.exception, 'b')
    }
  })

  test('a request holds until the first of its exceptions ends', () => {
    const set = makeSet([
      base,
      exception({ images: [{ scope: 'docker.io' }], expires: '2026-12-05T00:00:00Z' }, 'a'),
      exception({ images: [{ scope: 'quay.io' }], expires: '2026-11-30T00:00:00Z' }, 'b'),
    ])
    const images = ['nginx', 'quay.io/x'].map((name) => ({ place: '', name, fact: undefined }))
    const answer = decide({ point: 'admission', namespace: 'x', images }, set, now)
    assert.ok(answer.kind === 'allow')
    assert.equal(answer.until, Date.parse('2026-11-30T00:00:00Z'))
  })

  test('no exception lifts the refusal of what is no name', () => {
    assert.equal(lifted({ images: [{ scope: '*' }], overrideDeny: true }, 'NGINX'), 'REF_SYNTAX')
  })

  test('what has been lifted is looked at where another policy needs it', () => {
    const asking = policy({ rules: [{ scope: '@trow/prod', require: { present: true } }] }, 'q')
    const set = makeSet([base, asking, exception({ images: [{ scope: '*' }] })])
    assert.equal(verdict(set, own), 'needs')
    assert.equal(verdict(set, own, { fact: content() }), 'allow')
    // Now both policies refuse, and the exception names only one of them.
    assert.equal(verdict(set, own, { fact: absent }), 'NOT_ALLOWED NOT_PRESENT')
  })

  test('a denied or excepted sha256 digest names content that is kept under its sha512, too', () => {
    const sha512 = `sha512:${'a'.repeat(128)}` as Digest
    const twins = { fact: content({ digests: [sha512, digest('c')] }) }
    const denying = policy({ default: 'pass', deny: [{ digest: digest('c'), reason: 'x' }] })
    assert.equal(verdict(makeSet([denying]), own, twins), 'DENY_LIST')
    assert.equal(lifted({ images: [{ digest: digest('c') }] }, own, twins), 'allow')
  })
})
