import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { loadPolicyDocuments } from '../../src/policy/policy-documents.ts'
import { parseSize, printSize } from '../../src/policy/size.ts'
import { day, digest, exception, loading, now, policy, problemsOf } from './fixtures.ts'

const own = '@trow/prod'
const rule = (fields: object): object => policy({ rules: [fields] })
const requires = (require: object, scope = own): object => rule({ scope, require })

/** Invalid documents with their only problem. */
const broken: readonly (readonly [string, unknown, string | RegExp])[] = [
  ['no object', 5, 'kind: must be TrowPolicy or TrowException'],
  ['null', null, 'kind: must be TrowPolicy or TrowException'],
  ['a list', [], 'kind: must be TrowPolicy or TrowException'],
  ['another kind', { ...policy({}), kind: 'Pod' }, 'kind: must be TrowPolicy or TrowException'],
  ['another version', { ...policy({}), apiVersion: 'v1' }, 'apiVersion: must be policy.trow.io/v1alpha1'],
  [
    'no version',
    { ...policy({}), apiVersion: undefined },
    'apiVersion: is required: policy.trow.io/v1alpha1',
  ],
  ['a field beside', { ...policy({}), data: 1 }, /^data: is no field here: there are apiVersion, kind/],
  ['no name', { ...policy({}), metadata: {} }, 'metadata.name: is required'],
  ['no metadata', { ...policy({}), metadata: undefined }, 'metadata: is required'],
  ['metadata as text', { ...policy({}), metadata: 'x' }, 'metadata: must be an object'],
  ['a name of an object', policy({}, '__proto__'), /^metadata\.name: must be lower-case letters/],
  ['a long name', policy({}, 'a'.repeat(254)), 'metadata.name: has at most 253 characters'],
  ['a name with an end', policy({}, 'a\n'), /^metadata\.name: must be/],
  ['a dash last', policy({}, 'a-'), /^metadata\.name: must be/],
  [
    'a namespace',
    { ...policy({}), metadata: { name: 'p', namespace: 'x' } },
    /^metadata\.namespace: the object belongs to the whole cluster/,
  ],
  ['no spec', { ...policy({}), spec: undefined }, 'spec: is required'],
  ['no mode', policy({ mode: undefined }), 'spec.mode: is required: enforce, warn, audit, off'],
  ['another mode', policy({ mode: 'on' }), 'spec.mode: must be enforce or warn or audit or off'],
  ['no default', policy({ default: undefined }), 'spec.default: is required: deny, pass'],
  ['another default', policy({ default: 'allow' }), 'spec.default: must be deny or pass'],
  ['another onError', policy({ onError: 'pass' }), 'spec.onError: must be deny or allow'],
  ['an unknown point', policy({ at: { node: 'off' } }), /^spec\.at\.node: is no field here/],
  ['a point without mode', policy({ at: { pull: true } }), /^spec\.at\.pull: must be enforce or/],
  [
    'an unknown field',
    policy({ rulez: [] }),
    /^spec\.rulez: is no field here: there are mode, at, namespaces, default, onError, deny, rules$/,
  ],
  [
    'a field named as an object has',
    JSON.parse(
      '{"apiVersion":"policy.trow.io/v1alpha1","kind":"TrowPolicy","metadata":{"name":"p"},"spec":{"mode":"off","default":"deny","__proto__":{"mode":"off"}}}',
    ),
    /^spec\.__proto__: is no field here/,
  ],
  ['a later pin', policy({ pin: 'serve' }), /^spec\.pin: this release does not have it/],
  ['a later onMovedTag', policy({ onMovedTag: 'deny' }), /^spec\.onMovedTag: this release does not have it/],
  ['later signers', policy({ signers: {} }), /^spec\.signers: this release does not have it/],
  [
    'a later signedBy',
    requires({ signedBy: { all: [] } }),
    /^spec\.rules\[0\]\.require\.signedBy: this release does not have it .* leave it out$/,
  ],
  [
    'later attestations',
    requires({ attestations: [] }),
    /^spec\.rules\[0\]\.require\.attestations: this release/,
  ],
  [
    'a later minFirstSeen',
    requires({ minFirstSeen: '72h' }),
    /^spec\.rules\[0\]\.require\.minFirstSeen: this release/,
  ],
  [
    'a later noRollback',
    requires({ noRollback: true }),
    /^spec\.rules\[0\]\.require\.noRollback: this release/,
  ],
  ['a later maxAge', requires({ maxAge: '7d' }), /^spec\.rules\[0\]\.require\.maxAge: this release/],
  [
    'later null',
    requires({ digest: true, minFirstSeen: null }),
    /^spec\.rules\[0\]\.require\.minFirstSeen: this release/,
  ],
  ['rules as object', policy({ rules: {} }), 'spec.rules: must be a list'],
  ['a rule without scope', rule({ unverified: true }), 'spec.rules[0].scope: is required'],
  ['a rule of nothing', rule({ scope: own }), /^spec\.rules\[0\]: must have either/],
  [
    'a rule of both',
    rule({ scope: own, unverified: true, require: { digest: true } }),
    /^spec\.rules\[0\]: must have either/,
  ],
  ['unverified: false', rule({ scope: own, unverified: false }), 'spec.rules[0].unverified: must be true'],
  ['nothing required', requires({}), 'spec.rules[0].require: must require something'],
  ['digest: false', requires({ digest: false }), 'spec.rules[0].require.digest: must be true'],
  ['present: false', requires({ present: false }), 'spec.rules[0].require.present: must be true'],
  [
    'an unknown requirement',
    requires({ digest: true, cosign: true }),
    /^spec\.rules\[0\]\.require\.cosign: is no field here: there are digest, present, tags, platforms, maxSize$/,
  ],
  [
    'no tags',
    requires({ tags: { deny: [] } }),
    'spec.rules[0].require.tags.deny: must name at least one tag',
  ],
  ['tags without a list', requires({ tags: {} }), 'spec.rules[0].require.tags.deny: is required'],
  [
    'a tag that is none',
    requires({ tags: { deny: ['-x'] } }),
    'spec.rules[0].require.tags.deny[0]: must be a tag',
  ],
  ['allowed tags', requires({ tags: { deny: ['x'], allow: ['y'] } }), /tags\.allow: is no field here/],
  [
    '1001 tags',
    requires({ tags: { deny: Array.from({ length: 1001 }, (_, each) => `t${each}`) } }),
    /has at most 1000 entries$/,
  ],
  ['no platforms', requires({ platforms: [] }), /must name at least one platform$/],
  ['a platform that is none', requires({ platforms: ['amd64'] }), /platforms\[0\]: must be OS\/ARCHITECTURE/],
  [
    'a platform with something before it',
    requires({ platforms: ['Xlinux/amd64'] }),
    /platforms\[0\]: must be/,
  ],
  [
    'a platform with something behind it',
    requires({ platforms: ['linux/amd64\n'] }),
    /platforms\[0\]: must be/,
  ],
  [
    'a scope of 513 characters',
    rule({ scope: `a.io/${'a'.repeat(508)}`, unverified: true }),
    'spec.rules[0].scope: has at most 512 characters',
  ],
  [
    '101 platforms',
    requires({ platforms: Array.from({ length: 101 }, (_, each) => `linux/a${each}`) }),
    /has at most 100 entries$/,
  ],
  ['a size without unit', requires({ maxSize: '100' }), /maxSize: must be a size with its unit/],
  ['a size as number', requires({ maxSize: 100 }), /maxSize: must be a string/],
  [
    'present elsewhere',
    requires({ present: true }, 'ghcr.io'),
    /^spec\.rules\[0\]\.require\.present: needs to see the content, and trow sees that of @trow alone/,
  ],
  [
    'present everywhere',
    requires({ present: true }, '*'),
    /^spec\.rules\[0\]\.require\.present: needs to see/,
  ],
  [
    'platforms elsewhere',
    requires({ platforms: ['linux/amd64'] }, 'ghcr.io'),
    /^spec\.rules\[0\]\.require\.platforms: needs to see/,
  ],
  [
    'maxSize elsewhere',
    requires({ maxSize: '1GiB' }, 'ghcr.io'),
    /^spec\.rules\[0\]\.require\.maxSize: needs to see/,
  ],
  [
    'a scope that is none',
    rule({ scope: 'GHCR.io', unverified: true }),
    'spec.rules[0].scope: SCOPE_CASE: write ghcr.io',
  ],
  [
    'a scope of the registry’s host',
    rule({ scope: 'trow.local:31000/x', unverified: true }),
    /SCOPE_ALIAS: .*write @trow\/x$/,
  ],
  [
    'a long scope',
    rule({ scope: `a.io/${'a'.repeat(600)}`, unverified: true }),
    'spec.rules[0].scope: has at most 512 characters',
  ],
  [
    'one scope twice',
    policy({
      rules: [
        { scope: own, unverified: true },
        { scope: '*', unverified: true },
        { scope: own, require: { digest: true } },
      ],
    }),
    'spec.rules[2].scope: stands in spec.rules[0] already',
  ],
  [
    '10,001 rules',
    policy({
      rules: Array.from({ length: 10_001 }, (_, each) => ({ scope: `@trow/r${each}`, unverified: true })),
    }),
    'spec.rules: has at most 10000 entries',
  ],
  [
    'a denial of nothing',
    policy({ deny: [{ reason: 'x' }] }),
    'spec.deny[0]: must have either "scope" or "digest"',
  ],
  [
    'a denial of both',
    policy({ deny: [{ scope: 'a.io', digest: digest('a'), reason: 'x' }] }),
    'spec.deny[0]: must have either "scope" or "digest"',
  ],
  ['a denial without reason', policy({ deny: [{ scope: 'a.io' }] }), 'spec.deny[0].reason: is required'],
  [
    'an empty reason',
    policy({ deny: [{ scope: 'a.io', reason: '' }] }),
    'spec.deny[0].reason: must not be empty',
  ],
  [
    'a long reason',
    policy({ deny: [{ scope: 'a.io', reason: 'x'.repeat(201) }] }),
    'spec.deny[0].reason: has at most 200 characters',
  ],
  [
    'a reason of two lines',
    policy({ deny: [{ scope: 'a.io', reason: 'a\nb' }] }),
    /reason: must be one line without control characters/,
  ],
  [
    'a reason that turns the line',
    policy({ deny: [{ scope: 'a.io', reason: 'a\u202eb' }] }),
    /reason: must be one line without control characters/,
  ],
  [
    'a long fix',
    policy({ deny: [{ scope: 'a.io', reason: 'x', fix: 'x'.repeat(201) }] }),
    'spec.deny[0].fix: has at most 200 characters',
  ],
  [
    'a denied scope that is none',
    policy({ deny: [{ scope: 'nginx', reason: 'x' }] }),
    /^spec\.deny\[0\]\.scope: SCOPE_SHORT: .*docker\.io\/library\/nginx$/,
  ],
  [
    'a digest that is none',
    policy({ deny: [{ digest: 'sha256:abc', reason: 'x' }] }),
    /^spec\.deny\[0\]\.digest: must be sha256: and 64/,
  ],
  [
    'a denied sha512 digest, which the registry does not know of what is kept under its sha256',
    policy({ deny: [{ digest: `sha512:${'a'.repeat(128)}`, reason: 'x' }] }),
    'spec.deny[0].digest: is a sha512 digest: write the sha256 digest of the same bytes, which names them under both',
  ],
  [
    'a digest in capitals',
    policy({ deny: [{ digest: `sha256:${'A'.repeat(64)}`, reason: 'x' }] }),
    /^spec\.deny\[0\]\.digest: must be sha256: and 64/,
  ],
  [
    'one digest twice',
    policy({
      deny: [
        { digest: digest('a'), reason: 'x' },
        { digest: digest('a'), reason: 'y' },
      ],
    }),
    'spec.deny[1].digest: stands in spec.deny[0] already',
  ],
  [
    'one denied scope twice',
    policy({
      deny: [
        { scope: 'a.io', reason: 'x' },
        { scope: 'a.io', reason: 'y' },
      ],
    }),
    'spec.deny[1].scope: stands in spec.deny[0] already',
  ],
  [
    '10,001 digests',
    policy({
      deny: Array.from({ length: 10_001 }, (_, each) => ({
        digest: `sha256:${String(each).padStart(64, '0')}`,
        reason: 'x',
      })),
    }),
    'spec.deny: has 10001 digests, and may have 10000',
  ],
  [
    '10,001 denied scopes',
    policy({ deny: Array.from({ length: 10_001 }, (_, each) => ({ scope: `@trow/r${each}`, reason: 'x' })) }),
    'spec.deny: has 10001 scopes, and may have 10000',
  ],
  [
    'more than 1.5 MB',
    policy({
      deny: Array.from({ length: 6000 }, (_, each) => ({
        scope: `@trow/r${each}`,
        reason: '\u00e9'.repeat(120),
      })),
    }),
    /^spec: has 1\d{6} bytes as JSON, and may have 1500000$/,
  ],
  [
    'namespaces without one',
    policy({ namespaces: { include: [] } }),
    /^spec\.namespaces\.include: selects nothing/,
  ],
  [
    'nothing excluded',
    policy({ namespaces: { exclude: [] } }),
    /^spec\.namespaces\.exclude: excludes nothing/,
  ],
  [
    'a namespace that is none',
    policy({ namespaces: { include: ['A'] } }),
    /include\[0\]: must be a namespace/,
  ],
  ['a double wildcard', policy({ namespaces: { include: ['a**'] } }), /include\[0\]: must be a namespace/],
  [
    'a long namespace',
    policy({ namespaces: { include: ['a'.repeat(64)] } }),
    /include\[0\]: must be a namespace/,
  ],
  ['labels', policy({ namespaces: { labels: {} } }), /^spec\.namespaces\.labels: is no field here/],
  [
    '1001 namespaces',
    policy({ namespaces: { include: Array.from({ length: 1001 }, (_, each) => `n${each}`) } }),
    /has at most 1000 entries$/,
  ],
  [
    'namespaces at pull',
    policy({ namespaces: { include: ['a'] }, at: { pull: 'warn' } }),
    /^spec\.at\.pull: has no effect in a policy with namespaces, which are not known at pull/,
  ],
  [
    'namespaces at push',
    policy({ namespaces: { exclude: ['a'] }, at: { push: 'enforce' } }),
    /^spec\.at\.push: has no effect/,
  ],

  [
    'an exception without namespaces',
    exception({ images: [{ scope: own }], namespaces: undefined }),
    'spec.namespaces: is required',
  ],
  [
    'an exception for no namespace',
    exception({ images: [{ scope: own }], namespaces: [] }),
    /^spec\.namespaces: must name at least one/,
  ],
  ['an exception without images', exception({}), 'spec.images: is required'],
  ['an exception for no image', exception({ images: [] }), 'spec.images: must name at least one image'],
  [
    'an exception for nothing',
    exception({ images: [{}] }),
    'spec.images[0]: must have either "scope" or "digest"',
  ],
  [
    'an exception for both',
    exception({ images: [{ scope: own, digest: digest('a') }] }),
    'spec.images[0]: must have either "scope" or "digest"',
  ],
  [
    'an exception for a scope that is none',
    exception({ images: [{ scope: 'nginx' }] }),
    /^spec\.images\[0\]\.scope: SCOPE_SHORT/,
  ],
  [
    'an exception for a sha512 digest',
    exception({ images: [{ digest: `sha512:${'a'.repeat(128)}` }] }),
    /^spec\.images\[0\]\.digest: is a sha512 digest: write the sha256 digest/,
  ],
  [
    'an exception for a digest that is none',
    exception({ images: [{ digest: 'x' }] }),
    /^spec\.images\[0\]\.digest: must be sha256/,
  ],
  [
    'an image twice',
    exception({ images: [{ scope: own }, { scope: own }] }),
    'spec.images[1].scope: stands in spec.images[0] already',
  ],
  [
    'an image twice by its digest',
    exception({ images: [{ digest: digest('a') }, { digest: digest('a') }] }),
    'spec.images[1].digest: stands in spec.images[0] already',
  ],
  [
    'an exception from no policy',
    exception({ images: [{ scope: own }], policies: [] }),
    'spec.policies: must name at least one policy',
  ],
  [
    'an exception from all policies',
    exception({ images: [{ scope: own }], policies: ['*'] }),
    /^spec\.policies\[0\]: must be lower-case/,
  ],
  [
    'an exception without policies',
    exception({ images: [{ scope: own }], policies: undefined }),
    'spec.policies: is required',
  ],
  [
    'an exception from 101 policies',
    exception({ images: [{ scope: own }], policies: Array.from({ length: 101 }, (_, each) => `p${each}`) }),
    /has at most 100 entries$/,
  ],
  [
    'an exception for 1001 images',
    exception({ images: Array.from({ length: 1001 }, (_, each) => ({ scope: `@trow/r${each}` })) }),
    /has at most 1000 entries$/,
  ],
  [
    'an exception without reason',
    exception({ images: [{ scope: own }], reason: undefined }),
    'spec.reason: is required',
  ],
  [
    'a long reason of an exception',
    exception({ images: [{ scope: own }], reason: 'x'.repeat(201) }),
    'spec.reason: has at most 200 characters',
  ],
  [
    'a long ticket',
    exception({ images: [{ scope: own }], ticket: 'x'.repeat(101) }),
    'spec.ticket: has at most 100 characters',
  ],
  [
    'an exception without end',
    exception({ images: [{ scope: own }], expires: undefined }),
    /^spec\.expires: must be a time with its zone/,
  ],
  [
    'an end without zone',
    exception({ images: [{ scope: own }], expires: '2026-12-01T00:00:00' }),
    /^spec\.expires: must be a time/,
  ],
  [
    'an end that is no day',
    exception({ images: [{ scope: own }], expires: '2026-02-30T00:00:00Z' }),
    /^spec\.expires: must be a time/,
  ],
  [
    'overrideDeny as text',
    exception({ images: [{ scope: own }], overrideDeny: 'yes' }),
    'spec.overrideDeny: must be a boolean',
  ],
  [
    'an unknown field of an exception',
    exception({ images: [{ scope: own }], mode: 'off' }),
    /^spec\.mode: is no field here/,
  ],
  [
    '91 days',
    exception({ images: [{ scope: own }], expires: new Date(now + 90 * day + 1).toISOString() }),
    /^spec\.expires: an exception lasts 90 days at most/,
  ],
  [
    '91 days from its creation',
    {
      ...exception({ images: [{ scope: own }], expires: '2026-12-01T00:00:00Z' }),
      metadata: { name: 'e', creationTimestamp: '2026-09-01T00:00:00Z' },
    },
    /^spec\.expires: an exception lasts 90 days/,
  ],
  [
    '91 days by a creation ahead',
    {
      ...exception({ images: [{ scope: own }], expires: new Date(now + 91 * day).toISOString() }),
      metadata: { name: 'e', creationTimestamp: '2026-12-30T00:00:00Z' },
    },
    /^spec\.expires: an exception lasts 90 days/,
  ],
]

const loaded: readonly (readonly [string, unknown])[] = [
  ['the least', policy({})],
  [
    '10,000 rules and 10,000 digests',
    policy({
      rules: Array.from({ length: 10_000 }, (_, each) => ({ scope: `@trow/r${each}`, unverified: true })),
      deny: Array.from({ length: 10_000 }, (_, each) => ({
        digest: `sha256:${String(each).padStart(64, '0')}`,
        reason: 'x',
      })),
    }),
  ],
  [
    'what the API server adds',
    {
      ...policy({}),
      metadata: { name: 'p', uid: 'x', labels: { a: 'b' }, creationTimestamp: null, managedFields: [{}] },
      status: { any: 1 },
    },
  ],
  [
    'every field',
    policy({
      at: { admission: 'warn', pull: 'audit', push: 'off', scan: 'enforce' },
      namespaces: { include: ['*'] },
      onError: 'allow',
      deny: [
        { scope: 'a.io', reason: 'é', fix: 'x' },
        { digest: `sha256:${'a'.repeat(64)}`, reason: 'x' },
      ],
      rules: [
        {
          scope: own,
          require: {
            digest: true,
            present: true,
            tags: { deny: ['latest'] },
            platforms: ['linux/arm/v7'],
            maxSize: '2GiB',
          },
        },
      ],
    }),
  ],
  [
    'namespaces with pull off',
    policy({ namespaces: { include: ['a', 'b-*'], exclude: ['b-1'] }, at: { pull: 'off', push: 'off' } }),
  ],
  ['a long name', policy({}, `${'a'.repeat(63)}.b`)],
  [
    '90 days',
    exception({
      images: [{ scope: '*' }],
      expires: new Date(now + 90 * day).toISOString(),
      ticket: 'J-1',
      overrideDeny: true,
    }),
  ],
  [
    'one that has expired',
    exception({ images: [{ digest: digest('a') }], expires: '2020-01-01T00:00:00+02:00' }),
  ],
]

suite('policy documents', () => {
  for (const [what, document, expected] of broken)
    test(`refused: ${what}`, () => {
      const [problem = '', ...more] = problemsOf(document)
      assert.deepEqual(more, [])
      if (typeof expected === 'string') assert.equal(problem, expected)
      else assert.match(problem, expected)
    })

  for (const [what, document] of loaded)
    test(`loaded: ${what}`, () => assert.deepEqual(problemsOf(document), []))

  test('a field of a later release says what it needs', () => {
    const needs = (document: unknown): string => problemsOf(document)[0] ?? ''
    for (const [document, what] of [
      [policy({ pin: 'serve' }), 'the choice of a tag’s digest by trow'],
      [policy({ onMovedTag: 'deny' }), 'the choice of a tag’s digest by trow'],
      [policy({ signers: {} }), 'the verification of signatures'],
      [requires({ signedBy: {} }), 'the verification of signatures'],
      [requires({ attestations: [] }), 'the verification of attestations'],
      [requires({ minFirstSeen: '1h' }), 'rules over time'],
      [requires({ noRollback: true }), 'rules over time'],
      [requires({ maxAge: '1h' }), 'rules over time'],
    ] as const)
      assert.ok(needs(document).endsWith(`this release does not have it (it needs ${what}): leave it out`))
  })

  test('1,500,000 bytes of JSON are taken, and one more is not', () => {
    const deny = Array.from({ length: 7000 }, (_, each) => ({
      scope: `@trow/r${each}`,
      reason: 'x'.repeat(160),
    }))
    const sized = (bytes: number): object => {
      const document = policy({ deny }) as { spec: object }
      const missing = bytes - JSON.stringify(document.spec).length
      const rules = [{ scope: '@trow/a', unverified: true }]
      const rest = missing - ',"rules":[{"scope":"@trow/a","unverified":true}]'.length
      const padded = deny.map((each, place) => {
        const share = Math.floor(rest / deny.length) + (place < rest % deny.length ? 1 : 0)
        return { ...each, reason: 'x'.repeat(160 + share) }
      })
      return policy({ deny: padded, rules })
    }
    const [fits, over] = [sized(1_500_000), sized(1_500_001)] as { spec: object }[]
    assert.equal(JSON.stringify(fits?.spec).length, 1_500_000)
    assert.deepEqual(problemsOf(fits), [])
    assert.deepEqual(problemsOf(over), ['spec: has 1500001 bytes as JSON, and may have 1500000'])
  })

  test('of a long name of a field the beginning is told', () => {
    for (const length of [100, 101, 5000]) {
      const { problems } = loadPolicyDocuments([policy({ ['x'.repeat(length)]: 1 })], loading)
      assert.deepEqual(problems[0]?.path, ['spec', 'x'.repeat(100)])
    }
  })

  test('a list is not read beyond its length', () => {
    const deny = Array.from({ length: 20_001 }, (_, each) => ({ scope: `@trow/r${each}`, reason: 'x' }))
    assert.deepEqual(problemsOf(policy({ deny })), ['spec.deny: has at most 20000 entries'])
  })

  test('a ticket is required where the settings say so, and an exception lasts as long as they say', () => {
    const document = exception({ images: [{ scope: own }] })
    assert.deepEqual(problemsOf(document, { requireTicket: true }), [
      'spec.ticket: is required by the settings',
    ])
    assert.deepEqual(
      problemsOf(exception({ images: [{ scope: own }], ticket: 'J-1' }), { requireTicket: true }),
      [],
    )
    assert.match(problemsOf(document, { longestException: 7 * day })[0] ?? '', /lasts 7 days at most/)
  })

  test('all problems are told at once, and of very many the first ones', () => {
    const two = problemsOf(policy({ mode: 'x', rules: [{ scope: 'a' }] }))
    assert.equal(two.length, 2)
    const rules = Array.from({ length: 10_000 }, (_, each) => ({ scope: `a${each}`, unverified: true }))
    const many = problemsOf(policy({ rules }))
    assert.equal(many.length, 51)
    assert.equal(many.at(-1), ': 9950 more problems not listed')
    assert.equal(problemsOf(policy({ rules: rules.slice(0, 50) })).length, 50)
  })

  test('problems name their document, and a name is there once for each kind', () => {
    const documents = [
      policy({}),
      exception({ images: [{ scope: '*' }] }, 'p'),
      policy({}),
      policy({ mode: 1 }, 'q'),
    ]
    const { policies, exceptions, problems } = loadPolicyDocuments(documents, loading)
    assert.deepEqual([policies.length, exceptions.length], [1, 1])
    assert.deepEqual(
      problems.map(({ document, path }) => [document, path]),
      [
        [2, ['metadata', 'name']],
        [3, ['spec', 'mode']],
      ],
    )
  })

  test('any value is answered, and none is repeated at length', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true, withBigInt: true }),
        fc.anything(),
        (value, other) => {
          for (const document of [
            value,
            { ...policy({}), spec: value },
            policy({ rules: value }),
            policy({ rules: [value], deny: [other] }),
            policy({ at: value, namespaces: other }),
            { ...exception({}), spec: value },
            exception({ images: [value], expires: other }),
          ])
            for (const problem of problemsOf(document)) assert.ok(problem.length < 700)
        },
      ),
      { numRuns: 150, seed: 1 },
    )
  })

  test('sizes have their unit', () => {
    for (const [text, bytes] of [
      ['1B', 1],
      ['2kB', 2000],
      ['3MB', 3e6],
      ['4GB', 4e9],
      ['5TB', 5e12],
      ['2KiB', 2048],
      ['3MiB', 3 * 1024 ** 2],
      ['2GiB', 2 * 1024 ** 3],
      ['1TiB', 1024 ** 4],
    ] as const)
      assert.equal(parseSize(text), bytes)
    for (const text of [
      '',
      '1',
      '0B',
      '-1B',
      '1.5GiB',
      '1gib',
      '1 GiB',
      'GiB',
      '1GiB ',
      '9999999999B',
      '1PiB',
    ])
      assert.equal(parseSize(text), undefined, text)
    for (const text of ['2TiB', '1GiB', '3MiB', '2KiB', '1000B', '1025B'])
      assert.equal(printSize(parseSize(text) ?? 0), text)
  })
})
