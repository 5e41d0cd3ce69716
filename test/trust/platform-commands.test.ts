import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import type { NodeTrust } from '../../src/trust/node-trust.ts'
import { platformCommands } from '../../src/trust/platform-commands.ts'
import { parseToml } from '../../src/trust/toml.ts'
import { makeCa } from './authorities.ts'

let trust: NodeTrust
before(async () => {
  trust = {
    hosts: ['trow.trow.svc', 'trow.trow.svc:443'],
    ca: await makeCa(),
    endpoints: ['127.0.0.1:29443', '10.96.7.7:443'],
    identity: undefined,
  }
})

/** The lines between two others, without their indentation. */
function between(text: string, from: RegExp, to: RegExp): string {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => from.test(line)) + 1
  const end = lines.findIndex((line, index) => index >= start && to.test(line))
  const found = lines.slice(start, end)
  const indent = /^ */.exec(found[0] ?? '')?.[0].length ?? 0
  return found.map((line) => line.slice(indent)).join('\n')
}

function documents(text: string): Record<string, unknown>[] {
  return parseAllDocuments(text).map((each) => {
    assert.deepEqual('errors' in each ? each.errors : [], [])
    return each.toJS() as Record<string, unknown>
  })
}

test('Talos: a mirror for each spelling, the CA for each address', () => {
  const text = platformCommands('talos', trust)
  const found = documents(between(text, /save this as/, /^then/))
  assert.deepEqual(
    found.map(({ kind, name }) => `${String(kind)} ${String(name)}`),
    [
      'RegistryMirrorConfig trow.trow.svc',
      'RegistryMirrorConfig trow.trow.svc:443',
      'RegistryTLSConfig 127.0.0.1:29443',
      'RegistryTLSConfig 10.96.7.7:443',
    ],
  )
  assert.deepEqual(found[0]?.['endpoints'], [
    { url: 'https://127.0.0.1:29443' },
    { url: 'https://10.96.7.7:443' },
  ])
  assert.equal(found[2]?.['ca'], trust.ca.trim())
})

test('Bottlerocket: the same settings for apiclient and for user data', () => {
  const text = platformCommands('bottlerocket', trust)
  const json: unknown = JSON.parse(/--json '(.*)'$/m.exec(text)?.[1] ?? '')
  const toml = parseToml(between(`${text}\nend`, /user data/, /^end/).replace(/^ {2}/gm, ''))
  assert.deepEqual(structuredClone(JSON.parse(JSON.stringify(toml))), { settings: json })
  const { pki } = json as { readonly pki: { readonly trow: { readonly data: string } } }
  assert.equal(Buffer.from(pki.trow.data, 'base64').toString(), trust.ca)
})

test('GKE: a hosts entry for each spelling, without the loopback that is the agent’s', () => {
  const [config] = documents(
    between(platformCommands('gke', trust), /containerd-config\.yaml, PROJECT/, /^then/),
  )
  const entries = config?.['registryHosts'] as readonly {
    readonly server: string
    readonly hosts: readonly object[]
  }[]
  assert.deepEqual(
    entries.map(({ server, hosts }) => [server, hosts.length]),
    [
      ['trow.trow.svc', 1],
      ['trow.trow.svc:443', 1],
    ],
  )
})

test('OpenShift: a ConfigMap key is host..port', () => {
  const [map, mirrors] = documents(between(platformCommands('openshift', trust), /Apply$/, /^then/))
  const data = map?.['data'] as Readonly<Record<string, string>>
  assert.deepEqual(Object.keys(data), [
    'trow.trow.svc',
    'trow.trow.svc..443',
    '127.0.0.1..29443',
    '10.96.7.7..443',
  ])
  assert.equal(data['trow.trow.svc..443']?.trim(), trust.ca.trim())
  assert.equal(mirrors?.['kind'], 'ImageTagMirrorSet')
})
