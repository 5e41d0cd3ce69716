import assert from 'node:assert/strict'
import { request } from 'undici'
import type { Received, Sent, Way } from './access-matrix.ts'

/** With these headers on every request. */
export function wayWith(
  name: string,
  url: string,
  headers: (scope: string) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>,
): Way {
  return {
    name,
    async send(sent) {
      return exchange(url, { ...sent, headers: { ...(await headers(scopeFor(sent.path))), ...sent.headers } })
    },
  }
}

/** All that a token for a path could be asked for with, as clients write it. */
export function scopeFor(path: string): string {
  const [, name] = /^\/v2\/(.+?)\/(?:manifests|blobs|tags|referrers|_trow)\//.exec(path) ?? []
  const source = new URL(path, 'http://x').searchParams.get('from')
  return [
    'registry:catalog:*',
    ...(name === undefined ? [] : [`repository:${name}:pull,push,delete`]),
    ...(source === null ? [] : [`repository:${source}:pull`]),
  ].join(' ')
}

export async function exchange(url: string, { method, path, headers, body }: Sent): Promise<Received> {
  const reply = await request(`${url}${path}`, {
    method: method as 'GET',
    headers: headers ?? {},
    body: body ?? null,
  })
  const flat = Object.fromEntries(
    Object.entries(reply.headers).map(([key, value]) => [key, [value].flat().join(', ')]),
  )
  return { status: reply.statusCode, headers: flat, body: await reply.body.text() }
}

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

export interface TokenReply {
  readonly token: string
  readonly access_token: string
  readonly refresh_token?: string
  readonly expires_in: number
  readonly issued_at: string
  readonly scope?: string
}

export async function getToken(url: string, query: string, authorization?: string): Promise<TokenReply> {
  const reply = await exchange(url, {
    method: 'GET',
    path: `/token?service=trow${query}`,
    ...(authorization === undefined ? {} : { headers: { authorization } }),
  })
  assert.equal(reply.status, 200, reply.body)
  return JSON.parse(reply.body) as TokenReply
}

export async function postToken(url: string, form: Readonly<Record<string, string>>): Promise<TokenReply> {
  const reply = await exchange(url, {
    method: 'POST',
    path: '/token',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ service: 'trow', client_id: 'test', ...form }).toString(),
  })
  assert.equal(reply.status, 200, reply.body)
  return JSON.parse(reply.body) as TokenReply
}

/** All that a password is good for: on each request, for a token by GET and by POST, and for one that renews. */
export function waysOfPassword(url: string, name: string, password: string): Way[] {
  const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
  const form = { grant_type: 'password', username: name, password }
  return [
    wayWith('Basic', url, () => ({ authorization: basic(name, password) })),
    wayWith('a token by GET', url, async (scope) =>
      bearer((await getToken(url, `&scope=${encodeURIComponent(scope)}`, basic(name, password))).token),
    ),
    wayWith('a token by POST', url, async (scope) =>
      bearer((await postToken(url, { ...form, scope })).access_token),
    ),
    wayWith('a renewed token', url, async (scope) => {
      const { refresh_token: refresh } = await postToken(url, { ...form, access_type: 'offline' })
      assert.ok(refresh !== undefined, 'a refresh token was asked for')
      const renewed = await postToken(url, { grant_type: 'refresh_token', refresh_token: refresh, scope })
      return bearer(renewed.access_token)
    }),
  ]
}
