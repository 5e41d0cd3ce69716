import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parse, stringify } from 'yaml'
import {
  otherProviders,
  ProviderConfigError,
  providerConfig,
  providerHosts,
  withoutProvider,
  withProvider,
} from '../../../src/trust/kubelet/provider-entry.ts'

const hosts = ['trow.trow.svc', 'trow.trow.svc:443']
const head = { apiVersion: 'kubelet.config.k8s.io/v1', kind: 'CredentialProviderConfig' }
const entry = {
  name: 'trow-credential-provider',
  matchImages: hosts,
  defaultCacheDuration: '0s',
  apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
  args: hosts,
  tokenAttributes: { serviceAccountTokenAudience: 'trow', cacheType: 'Token', requireServiceAccount: true },
}
const headText = 'apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\n'

/** Configurations in the forms of clouds and users: EKS, AKS, GKE, hand-made ones. */
const usual: Readonly<Record<string, string>> = {
  EKS: JSON.stringify(
    {
      ...head,
      providers: [
        {
          name: 'ecr-credential-provider',
          matchImages: ['*.dkr.ecr.*.amazonaws.com', '*.dkr.ecr.*.amazonaws.com.cn'],
          defaultCacheDuration: '12h',
          apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
        },
      ],
    },
    undefined,
    2,
  ),
  AKS: `${headText}providers:
  - name: acr-credential-provider
    matchImages:
      - "*.azurecr.io"
      - "*.azurecr.cn"
    defaultCacheDuration: "10m"
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    args:
      - /etc/kubernetes/azure.json
`,
  'lists without an indent, comments and no last line break': `# head
kind: CredentialProviderConfig
apiVersion: kubelet.config.k8s.io/v1
providers: # all of them
# the first
- name: a   # it
  matchImages: [ "*.example.com", ]
  env:
  - name: X
    value: |
      of
        two lines
# the last
- matchImages:
  - b.example.com
  name: b # done`,
  'line ends of Windows': `${headText}providers:\n  - name: a\n    args: [x]\n`.replaceAll('\n', '\r\n'),
  'something after the list': `providers:\n  - name: a\n\n\n${headText}`,
  'a list in JSON within YAML': `${headText}providers: [{name: a}, {name: b} ]   # two\n`,
  'JSON in one line': JSON.stringify({ providers: [{ name: 'a' }], ...head }),
  'an empty list': `${headText}providers: []\n`,
  anchors: `${headText}providers:\n- &one\n  name: a\n  matchImages: &m [x.example.com]\n- {name: b, matchImages: *m}\n...\n`,
}

describe("a CredentialProviderConfig of somebody else's", () => {
  for (const [name, text] of Object.entries(usual)) {
    test(`${name}: our entry is the last, all else stays, and goes again to the byte`, () => {
      const edited = withProvider(text, hosts)
      const { providers, ...rest } = parse(text) as { providers: unknown[] }
      assert.deepEqual(parse(edited), { ...rest, providers: [...providers, entry] })
      assert.deepEqual(providerHosts(edited), hosts)
      assert.equal(otherProviders(edited), providers.length)
      assert.equal(withProvider(edited, hosts), edited)
      assert.equal(withoutProvider(edited), text)
      assert.equal(withoutProvider(withProvider(edited, ['other.example.com'])), text)
      assert.equal(withoutProvider(text), text)
      assert.deepEqual(providerHosts(text), [])
    })
  }

  test('what others add afterwards stays when our entry goes', () => {
    const before = withProvider(usual['AKS'] ?? '', hosts)
    const more = '  - name: later\n    matchImages: [y]\n'
    assert.equal(withoutProvider(before + more), (usual['AKS'] ?? '') + more)
    const json = withProvider(usual['JSON in one line'] ?? '', hosts)
    const content = JSON.parse(json) as { providers: object[] }
    content.providers.push({ name: 'later' })
    content.providers.reverse()
    const left = JSON.parse(withoutProvider(JSON.stringify(content, undefined, 1))) as { providers: object[] }
    assert.deepEqual(left.providers, [{ name: 'later' }, { name: 'a' }])
  })

  test('an entry that has lost its marks is found by its name', () => {
    const text = withProvider(usual['AKS'] ?? '', hosts)
    assert.equal(withoutProvider(text.replaceAll(/^ *# managed-by.*\n/gm, '')), usual['AKS'])
    assert.equal(withoutProvider(stringify(parse(text))), stringify(parse(usual['AKS'] ?? '')))
  })

  const refused: Readonly<Record<string, readonly [string, RegExp]>> = {
    'no YAML': ['providers: [\n  - : :', /cannot be read/],
    'a tab for an indent': [`${headText}providers:\n\t- name: a\n`, /cannot be read/],
    nothing: ['', /not one document/],
    'another kind': [
      'kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n',
      /no CredentialProviderConfig/,
    ],
    'a list': ['- a\n', /no CredentialProviderConfig/],
    'an older version': [
      `kind: CredentialProviderConfig\napiVersion: kubelet.config.k8s.io/v1beta1\nproviders:\n- name: a\n`,
      /v1beta1, and only kubelet\.config\.k8s\.io\/v1/,
    ],
    'no providers': [headText, /no list of providers/],
    'providers that are no list': [`${headText}providers: {}\n`, /no list of providers/],
    'the same key twice': [`${headText}providers:\n- name: a\nproviders:\n- name: b\n`, /cannot be read/],
    'two documents': [`${headText}providers:\n- name: a\n---\n${headText}`, /not one document/],
    'an anchor for the list': [`${headText}x: &a\n- name: b\nproviders: *a\n`, /no list of providers/],
  }
  for (const [name, [text, reason]] of Object.entries(refused)) {
    test(`${name}: refused, with the reason`, () => {
      assert.throws(
        () => withProvider(text, hosts),
        (error: Error) => error instanceof ProviderConfigError && reason.test(error.message),
      )
      assert.equal(withoutProvider(text), text)
      assert.deepEqual(providerHosts(text), [])
    })
  }

  const word = fc.stringMatching(/^[a-z][a-z0-9.*-]{0,12}$/)
  const value = fc.oneof(word, fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
  const provider = fc.record(
    {
      name: word,
      matchImages: fc.array(value, { maxLength: 3 }),
      args: fc.array(fc.string(), { maxLength: 3 }),
      env: fc.array(fc.record({ name: word, value: fc.string() }), { maxLength: 2 }),
      defaultCacheDuration: fc.constantFrom('0s', '12h'),
    },
    { requiredKeys: ['name'] },
  )
  const layouts: readonly ((content: object) => string)[] = [
    (content) => stringify(content),
    (content) => stringify(content, { indentSeq: false }),
    (content) => stringify(content, { indent: 4, lineWidth: 20 }),
    (content) => stringify(content, { collectionStyle: 'flow' }),
    (content) => stringify(content).trimEnd(),
    (content) => `# of a cloud\n---\n${stringify(content)}# end\n`,
    (content) => JSON.stringify(content),
    (content) => `${JSON.stringify(content, undefined, 3)}\n`,
  ]

  test('however it is laid out, it is edited and restored to the byte, or refused', () => {
    let edits = 0
    fc.assert(
      fc.property(
        fc.array(provider, { maxLength: 4 }),
        fc.record({ x: value }, { requiredKeys: [] }),
        fc.constantFrom(...layouts),
        fc.uniqueArray(fc.constantFrom('a.example.com', 'b.example.com:5000', ...hosts), { minLength: 1 }),
        (providers, more, layout, ours) => {
          const text = layout({ ...head, providers, ...more })
          let edited: string
          try {
            edited = withProvider(text, ours)
          } catch (error) {
            assert.ok(error instanceof ProviderConfigError, String(error))
            return
          }
          edits++
          const wanted = { ...entry, matchImages: ours, args: ours }
          const before = parse(text) as { providers: object[] }
          assert.deepEqual(parse(edited), { ...before, providers: [...before.providers, wanted] })
          assert.equal(withoutProvider(edited), text)
        },
      ),
      { numRuns: 1000 },
    )
    assert.ok(edits > 900, `${edits} of 1000 had room`)
  })

  test('of any text: changed to something that is restored, or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.throws(() => withProvider(text, hosts), ProviderConfigError)
        assert.equal(withoutProvider(text), text)
      }),
      { numRuns: 500 },
    )
  })

  test('one of our own says the same', () => {
    assert.deepEqual(parse(providerConfig(hosts)), { ...head, providers: [entry] })
  })
})
