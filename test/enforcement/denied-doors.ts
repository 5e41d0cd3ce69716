import assert from 'node:assert/strict'
import type { Answered, Sender } from './guarded-registry.ts'
import { config, image, index, layer, push, type Content, type Image } from './images.ts'

export const name = 'prod/app'
export const algorithms = ['sha256', 'sha512'] as const

/** A request, and what it answers while nothing is denied. */
export interface Asked {
  readonly what: string
  readonly before: number
  send(to: Sender): Promise<Answered>
}

/** Two images under an index under an index; one of them is denied, or a part of it. */
export interface Held {
  readonly config: Content
  readonly layer: Content
  readonly shared: Content
  readonly bad: Image
  readonly good: Image
  readonly index: Image
  readonly outer: Image
}

export function held(algorithm: (typeof algorithms)[number]): Held {
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

export async function pushHeld(to: Sender, content: Held): Promise<void> {
  await push(to, name, content.outer, 'outer')
  await push(to, name, content.index, 'index')
  await push(to, name, content.bad, 'bad')
  await push(to, name, content.good, 'good')
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
  const opened = async (to: Sender, repository: string): Promise<string> => {
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
export const cases: readonly {
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
