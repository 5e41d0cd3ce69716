import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Action } from '../../src/access/principal.ts'

/** One request and what the reply was, over whatever way in a test has. */
export interface Way {
  readonly name: string
  send(request: Sent): Promise<Received>
}

export interface Sent {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What somebody may do in a repository, the same in the real one and in one that nobody has made. */
export interface Role {
  readonly name: string
  readonly known: boolean
  readonly rights: ReadonlySet<Action>
}

export const rights: Readonly<Record<'nobody' | 'puller' | 'pusher' | 'admin', ReadonlySet<Action>>> = {
  nobody: new Set(),
  puller: new Set(['pull', 'list']),
  pusher: new Set(['pull', 'list', 'push']),
  admin: new Set(['pull', 'list', 'push', 'delete']),
}

/** Stands in content, tags and names of what is private: seen in a refusal, it is a leak. */
export const canary = 'canary-0b5ecre7'

interface Endpoint {
  readonly name: string
  readonly right: Action
  request(repository: string, content: Content): Sent
}

export interface Content {
  readonly blob: string
  readonly manifest: string
  readonly config: string
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** Everything under a repository's name, with the right that it needs: the decision matrix, written down once. */
export const endpoints: readonly Endpoint[] = [
  ...read('manifest by tag', (name) => `/v2/${name}/manifests/${canary}`),
  ...read('manifest by digest', (name, { manifest }) => `/v2/${name}/manifests/${manifest}`),
  ...read('blob', (name, { blob }) => `/v2/${name}/blobs/${blob}`),
  ...read('tags', (name) => `/v2/${name}/tags/list`),
  ...read('referrers', (name, { manifest }) => `/v2/${name}/referrers/${manifest}`),
  ...read(
    'history of a manifest',
    (name, { manifest }) => `/v2/${name}/_trow/manifests/history?digest=${manifest}`,
  ),
  ...read('history of a tag', (name) => `/v2/${name}/_trow/tags/history?tag=${canary}`),
  at('list', 'GET', 'untagged manifests', (name) => `/v2/${name}/_trow/manifests/untagged`),
  at('push', 'POST', 'open an upload', (name) => `/v2/${name}/blobs/uploads/`),
  at(
    'push',
    'POST',
    'push in one request',
    (name) => `/v2/${name}/blobs/uploads/?digest=${sha256('x')}`,
    'x',
  ),
  at('push', 'GET', 'state of an upload', (name) => `/v2/${name}/blobs/uploads/unknown`),
  at('push', 'PATCH', 'continue an upload', (name) => `/v2/${name}/blobs/uploads/unknown`, 'x'),
  at('push', 'PUT', 'end an upload', (name) => `/v2/${name}/blobs/uploads/unknown?digest=${sha256('x')}`),
  at('push', 'DELETE', 'cancel an upload', (name) => `/v2/${name}/blobs/uploads/unknown`),
  {
    name: 'push a manifest',
    right: 'push',
    request: (name, { config }) => ({
      method: 'PUT',
      path: `/v2/${name}/manifests/pushed`,
      headers: { 'Content-Type': manifestType },
      body: manifestOf(config),
    }),
  },
  at('delete', 'DELETE', 'delete a tag', (name) => `/v2/${name}/manifests/unknown`),
  at('delete', 'DELETE', 'delete a manifest', (name) => `/v2/${name}/manifests/${sha256('none')}`),
  at('delete', 'DELETE', 'delete a blob', (name) => `/v2/${name}/blobs/${sha256('none')}`),
]

function at(
  right: Action,
  method: string,
  name: string,
  path: (repository: string, content: Content) => string,
  body?: string,
): Endpoint {
  return {
    name,
    right,
    request: (repository, content) => ({
      method,
      path: path(repository, content),
      ...(body === undefined ? {} : { body }),
    }),
  }
}

function read(name: string, path: (repository: string, content: Content) => string): Endpoint[] {
  return ['GET', 'HEAD'].map((method) => at('pull', method, `${method} ${name}`, path))
}

/** Puts an image with a referrer into `repository`, by somebody who may push there. */
export async function seed(way: Way, repository: string): Promise<Content> {
  const push = async (bytes: string): Promise<string> => {
    const digest = sha256(bytes)
    const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`
    const headers = { 'Content-Type': 'application/octet-stream' }
    assert.equal((await way.send({ method: 'POST', path, headers, body: bytes })).status, 201)
    return digest
  }
  const config = await push('{}')
  const blob = await push(`content ${canary}`)
  const body = manifestOf(config)
  const put = await way.send({
    method: 'PUT',
    path: `/v2/${repository}/manifests/${canary}`,
    headers: { 'Content-Type': manifestType },
    body,
  })
  assert.equal(put.status, 201, put.body)
  return { blob, config, manifest: sha256(body) }
}

/**
 * Every endpoint for one role over one way: in the repository that is there and in one that is not, which a refusal
 * must not tell apart. Returns how many cells were looked at.
 */
export async function checkCells(
  way: Way,
  role: Role,
  names: { readonly real: string; readonly absent: string; readonly content: Content },
): Promise<number> {
  let cells = 0
  for (const endpoint of endpoints) {
    const cell = `${role.name} by ${way.name}: ${endpoint.name}`
    const reply = await way.send(endpoint.request(names.real, names.content))
    const other = await way.send(endpoint.request(names.absent, names.content))
    cells += 2
    if (role.rights.has(endpoint.right)) {
      assert.ok(![401, 403, 503].includes(reply.status), `${cell}: ${reply.status} ${reply.body}`)
      assert.ok(![401, 403, 503].includes(other.status), `${cell}, absent: ${other.status} ${other.body}`)
      continue
    }
    const expected = role.known ? 403 : 401
    assert.equal(reply.status, expected, `${cell}: ${reply.body}`)
    assert.deepEqual(
      anonymised(reply, names.real),
      anonymised(other, names.absent),
      `${cell}: the refusal tells whether the repository is there`,
    )
    assertSilent(reply, cell)
    if (expected === 401)
      assert.match(reply.headers['www-authenticate'] ?? '', /^Bearer realm="[^"]+\/token"/)
  }
  return cells
}

/** The ping, the extensions and the catalogue, which concern no repository in particular. */
export async function checkCatalogue(
  way: Way,
  role: Role,
  names: { readonly real: string },
): Promise<number> {
  const ping = await way.send({ method: 'GET', path: '/v2/' })
  assert.equal(ping.status, role.known ? 200 : ping.status, `${role.name} by ${way.name}: ping`)
  const catalogue = await way.send({ method: 'GET', path: '/v2/_catalog?n=1000' })
  const label = `${role.name} by ${way.name}: catalogue`
  if (role.rights.has('list')) assert.match(catalogue.body, new RegExp(`"${names.real}"`), label)
  else assert.ok(!catalogue.body.includes(names.real), `${label}: ${catalogue.body}`)
  assert.ok(!catalogue.headers['link']?.includes(names.real) || role.rights.has('list'), label)
  const figures = await way.send({ method: 'GET', path: '/v2/_trow/repositories/figures' })
  assert.equal(figures.status, catalogue.status, `${label} with figures`)
  assert.equal(figures.body.includes(names.real), role.rights.has('list'), `${label} with figures`)
  return 3
}

/** A mount into `target` needs pull on its source, and its absence looks like a source that has no such blob. */
export async function checkMount(
  way: Way,
  names: { readonly target: string; readonly source: string; readonly digest: string },
  allowed: boolean,
): Promise<number> {
  for (const from of [`&from=${names.source}`, '']) {
    const path = `/v2/${names.target}/blobs/uploads/?mount=${names.digest}${from}`
    const { status, body } = await way.send({ method: 'POST', path })
    assert.equal(status, allowed ? 201 : 202, `mount ${from} by ${way.name}: ${body}`)
  }
  return 2
}

function anonymised({ status, headers, body }: Received, name: string): unknown {
  const { 'x-request-id': _id, date: _date, ...rest } = headers
  return JSON.parse(JSON.stringify({ status, rest, body }).replaceAll(name, 'NAME')) as unknown
}

function assertSilent({ headers, body }: Received, cell: string): void {
  const all = JSON.stringify(headers) + body
  assert.ok(!all.includes(`content ${canary}`), `${cell}: content leaks`)
  assert.ok(!('docker-content-digest' in headers), `${cell}: a digest leaks`)
  assert.ok(!('location' in headers), `${cell}: a location leaks`)
}

function manifestOf(config: string): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: config, size: 2 },
    layers: [],
    annotations: { canary },
  })
}

export function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}
