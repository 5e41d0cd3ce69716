import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openGuarded, type Answered, type GuardedRegistry } from './guarded-registry.ts'
import { config, image, index, layer, push, type Content, type Image } from './images.ts'
import { denying, exception } from './test-feed.ts'

const name = 'prod/app'
const algorithms = ['sha256', 'sha512'] as const

/** A request, and what it answers while nothing is denied. */
interface Asked {
  readonly what: string
  readonly before: number
  send(to: GuardedRegistry): Promise<Answered>
}

/** Two images under an index under an index; one of them is denied, or a part of it. */
interface Held {
  readonly config: Content
  readonly layer: Content
  readonly shared: Content
  readonly bad: Image
  readonly good: Image
  readonly index: Image
  readonly outer: Image
}

function held(algorithm: (typeof algorithms)[number]): Held {
  const [amd, arm] = [config('amd64', algorithm), config('arm64', algorithm)]
  const [own, shared] = [
    layer('the layer that is denied '.repeat(200), algorithm),
    layer('shared', algorithm),
  ]
  const bad = image([amd, own, shared], { algorithm })
  const good = image([arm, shared], { algorithm })
  const inner = index([bad, good], { algorithm })
  return { config: amd, layer: own, shared, bad, good, index: inner, outer: index([inner], { algorithm }) }
}

async function filled(
  algorithm: (typeof algorithms)[number],
): Promise<GuardedRegistry & { readonly held: Held }> {
  const registry = await openGuarded()
  const content = held(algorithm)
  await push(registry, name, content.outer, 'outer')
  await push(registry, name, content.index, 'index')
  await push(registry, name, content.bad, 'bad')
  await push(registry, name, content.good, 'good')
  return Object.assign(registry, { held: content })
}

function get(
  what: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  before = 200,
): Asked {
  return { what, before, send: (to) => to.send('GET', path, { headers }) }
}

function head(
  what: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  before = 200,
): Asked {
  return { what, before, send: (to) => to.send('HEAD', path, { headers }) }
}

/** Every way to ask for a manifest. */
function manifestPulls({ digest }: Content, tag: string): Asked[] {
  const byTag = `/v2/${name}/manifests/${tag}`
  const byDigest = `/v2/${name}/manifests/${digest}`
  const asBlob = `/v2/${name}/blobs/${digest}`
  const same = { 'if-none-match': `"${digest}"` }
  return [
    get('a manifest by tag', byTag),
    head('a manifest by tag, HEAD', byTag),
    get('a manifest by tag that the client has', byTag, same, 304),
    head('a manifest by tag that the client has, HEAD', byTag, same, 304),
    get('a manifest by digest', byDigest),
    head('a manifest by digest, HEAD', byDigest),
    get('a manifest by digest that the client has', byDigest, { 'if-none-match': '*' }, 304),
    get('a manifest as a blob', asBlob),
    head('a manifest as a blob, HEAD', asBlob),
    get('a part of a manifest as a blob', asBlob, { range: 'bytes=0-9' }, 206),
    get('a manifest as a blob that the client has', asBlob, same, 304),
  ]
}

/** Every way to ask for a blob. */
function blobPulls({ digest }: Content): Asked[] {
  const path = `/v2/${name}/blobs/${digest}`
  const same = { 'if-none-match': `"${digest}"` }
  return [
    get('a blob', path),
    head('a blob, HEAD', path),
    get('a range of a blob', path, { range: 'bytes=1-5' }, 206),
    get('two ranges of a blob', path, { range: 'bytes=0-1,4-5' }, 206),
    get('a range that cannot be', path, { range: 'bytes=99999-' }, 416),
    get('a range of a blob if it is the same', path, { range: 'bytes=1-5', 'if-range': `"${digest}"` }, 206),
    get('a blob that the client has', path, same, 304),
    head('a blob that the client has, HEAD', path, same, 304),
  ]
}

function put(what: string, path: string, { bytes, mediaType }: Content): Asked {
  return {
    what,
    before: 201,
    send: (to) => to.send('PUT', path, { headers: { 'content-type': mediaType }, body: bytes }),
  }
}

function manifestPushes(content: Content): Asked[] {
  const path = `/v2/${name}/manifests/${content.digest}`
  return [
    put('a push by digest', path, content),
    put('a push by digest with tags', `${path}?tag=one&tag=two`, content),
    put('a push by tag', `/v2/${name}/manifests/new`, content),
  ]
}

function blobPushes({ digest, bytes }: Content): Asked[] {
  const uploads = (repository: string): string => `/v2/${repository}/blobs/uploads/`
  const opened = async (to: GuardedRegistry, repository: string): Promise<string> => {
    const algorithm = digest.startsWith('sha512') ? '?digest-algorithm=sha512' : ''
    const { headers, status } = await to.send('POST', uploads(repository) + algorithm)
    assert.equal(status, 202)
    return String(headers['location'])
  }
  return [
    {
      what: 'a mount from where it is',
      before: 201,
      send: (to) => to.send('POST', `${uploads('other')}?mount=${digest}&from=${name}`),
    },
    {
      what: 'a mount from wherever it is',
      before: 201,
      send: (to) => to.send('POST', `${uploads('another')}?mount=${digest}`),
    },
    {
      what: 'a push in one request',
      before: 201,
      send: (to) => to.send('POST', `${uploads('single')}?digest=${digest}`, { body: bytes }),
    },
    {
      what: 'a closing PUT with all of it',
      before: 201,
      send: async (to) => to.send('PUT', `${await opened(to, 'whole')}?digest=${digest}`, { body: bytes }),
    },
    {
      what: 'a closing PUT after chunks',
      before: 201,
      send: async (to) => {
        const location = await opened(to, 'chunked')
        const patched = await to.send('PATCH', location, { body: bytes.subarray(0, 3) })
        assert.equal(patched.status, 202)
        return to.send('PUT', `${location}?digest=${digest}`, { body: bytes.subarray(3) })
      },
    },
    {
      what: 'a closing PUT without a body',
      before: 201,
      send: async (to) => {
        const location = await opened(to, 'patched')
        assert.equal((await to.send('PATCH', location, { body: bytes })).status, 202)
        return to.send('PUT', `${location}?digest=${digest}`)
      },
    },
    {
      what: 'a closing PUT that comes again',
      before: 201,
      send: (to) => to.send('PUT', `/v2/${name}/blobs/uploads/gone?digest=${digest}`),
    },
  ]
}

/** What is denied, and which requests that refuses. */
const cases: readonly {
  readonly denied: string
  readonly pick: (content: Held) => Content
  readonly asked: (content: Held) => readonly Asked[]
  readonly open: (content: Held) => readonly Asked[]
}[] = [
  {
    denied: 'a layer',
    pick: ({ layer: own }) => own,
    asked: (all) => [...blobPulls(all.layer), ...blobPushes(all.layer), ...manifestsOf(all)],
    open: (all) => [...blobPulls(all.config), ...blobPulls(all.shared), ...manifestPulls(all.good, 'good')],
  },
  {
    denied: 'a config',
    pick: (all) => all.config,
    asked: (all) => [...blobPulls(all.config), ...blobPushes(all.config), ...manifestsOf(all)],
    open: (all) => [...blobPulls(all.layer), ...manifestPulls(all.good, 'good')],
  },
  {
    denied: 'an image',
    pick: ({ bad }) => bad,
    asked: manifestsOf,
    open: (all) => [...blobPulls(all.layer), ...manifestPulls(all.good, 'good')],
  },
  {
    denied: 'an index',
    pick: (all) => all.index,
    asked: (all) => [
      ...manifestPulls(all.index, 'index'),
      ...manifestPushes(all.index),
      ...manifestPulls(all.outer, 'outer'),
      ...manifestPushes(all.outer),
    ],
    open: (all) => [...manifestPulls(all.bad, 'bad'), ...manifestPulls(all.good, 'good')],
  },
]

function manifestsOf(all: Held): readonly Asked[] {
  return (['bad', 'index', 'outer'] as const).flatMap((tag) => [
    ...manifestPulls(all[tag], tag),
    ...manifestPushes(all[tag]),
  ])
}

suite('a denied digest is not to be had by any request', () => {
  for (const algorithm of algorithms)
    for (const { denied, pick, asked, open } of cases)
      test(`${denied}, named by its ${algorithm}`, async () => {
        await using registry = await filled(algorithm)
        const content = registry.held
        for (const { what, before, send } of [...asked(content), ...open(content)])
          assert.equal((await send(registry)).status, before, what)
        await registry.feed.set([denying(pick(content).sha256)])
        for (const { what, send } of asked(content)) {
          const { status, code, message, text } = await send(registry)
          assert.equal(status, 403, what)
          // HEAD has no body.
          if (text === '') continue
          assert.equal(code, 'DENIED', what)
          assert.match(message, /refused by policy p\n.*DENY_LIST .*CVE-2024-3094/, what)
        }
        for (const { what, before, send } of open(content))
          assert.equal((await send(registry)).status, before, `open: ${what}`)
        await registry.feed.set([])
        for (const { what, before, send } of asked(content))
          assert.equal((await send(registry)).status, before, `lifted: ${what}`)
      })

  test('an exception gives it out again, and it is there no longer when that has gone', async () => {
    await using registry = await filled('sha256')
    const { bad } = registry.held
    const lifting = exception({ images: [{ digest: bad.sha256 }], overrideDeny: true })
    await registry.feed.set([denying(bad.sha256), lifting])
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/bad`)).status, 200)
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/index`)).status, 403)
    await registry.feed.set([denying(bad.sha256)])
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/bad`)).status, 403)
  })

  test('what is denied can be deleted, and what is not there is still not found', async () => {
    await using registry = await filled('sha256')
    const { outer } = registry.held
    await registry.feed.set([denying(outer.sha256)])
    assert.equal((await registry.send('DELETE', `/v2/${name}/manifests/${outer.digest}`)).status, 202)
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/outer`)).status, 404)
  })
})
