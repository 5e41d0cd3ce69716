import { createHash, randomBytes } from 'node:crypto'
import type { Input, InputGroup } from './inputs.ts'
import {
  descriptor,
  digestOf,
  foreign,
  image,
  imageType,
  index,
  indexType,
  layers,
  megabyte,
  put,
  putReferrers,
  putTags,
  send,
  subject,
  tagged,
  type Spoken,
} from './input-documents.ts'

/** What anybody may send to a registry that asks nobody. */
export const openInputs: InputGroup = {
  args: () => [],
  prepare,
  inputs: () => [...manifests(), ...lists(), ...uploads()],
}

const large = image({ layers: layers.map((digest) => descriptor(digest, foreign)) })
const chunk = 256 * megabyte

async function prepare(to: Spoken): Promise<void> {
  await putTags(to)
  await putReferrers(to)
  const children: object[] = []
  for (let each = 0; each < 20; each++) {
    const child = image({ unknown: `${each} `.padEnd(3 * megabyte, 'b') })
    await put(to, 'fallback', digestOf(Buffer.from(child)), child)
    children.push({ ...descriptor(digestOf(Buffer.from(child)), imageType), size: child.length })
  }
  const gone = layers.slice(0, 9980).map((digest) => descriptor(digest, foreign))
  await put(to, 'fallback', subject.replace(':', '-'), index([...gone, ...children]), indexType)
  for (let each = 0; each < 300; each++) await put(to, `many/r${each}`, 'latest', tagged)
}

function manifests(): Input[] {
  const members = image({
    annotations: Object.fromEntries(
      Array.from({ length: 39_900 }, (_, each) => [`${each}`.padEnd(40, 'x'), '']),
    ),
  })
  const nested = image({ unknown: Array.from({ length: 130_000 }, () => []) })
  const text = image({ annotations: { text: 'a\n'.repeat(1.3 * megabyte) } })
  const children = index(layers.map((digest) => descriptor(digest, foreign)))
  const tooMany = image({
    layers: Array.from({ length: 35_000 }, (_, each) => descriptor(layers[each % 10_000] ?? '', 'a')),
  })
  const tags = Array.from({ length: 100 }, (_, each) => `tag=x${each}`).join('&')
  const small = Array.from({ length: 256 }, (_, each) =>
    image({
      layers: layers.slice(0, 100).map((digest) => descriptor(digest, foreign)),
      annotations: { each: `${each}` },
    }),
  )
  const pushed = (input: string, body: string, reference = 'x', type = imageType): Input => ({
    route: 'PUT manifest',
    input,
    sent: body,
    request: (to) => put(to, 'inputs', reference, body, type),
  })
  const removed = (input: string, repository: string, body: string): Input => ({
    route: 'DELETE manifest',
    input,
    request: (to) =>
      send(to, `/v2/${repository}/manifests/${digestOf(Buffer.from(body))}`, { method: 'DELETE' }),
  })
  return [
    pushed('10,000 layers', large),
    pushed('35,000 layers (refused)', tooMany),
    pushed('39,900 different names', members),
    pushed('130,000 lists', nested),
    pushed('one text of 4 MiB', text),
    pushed('index of 10,000', children, 'index', indexType),
    pushed('10,000 layers under 100 tags', large, `${digestOf(Buffer.from(large))}?${tags}`),
    {
      route: 'PUT manifest',
      input: '256 at once, 100 layers each',
      sent: small.join(''),
      request: (to) => lastOf(small.map((body, each) => put(to, 'inputs', `s${each}`, body))),
    },
    got('GET manifest', '4 MiB', '/v2/inputs/manifests/x'),
    removed('10,000 layers, 100 tags', 'inputs', large),
  ]
}

function lists(): Input[] {
  return [
    got('GET tags', 'all of 12,000', '/v2/tags/tags/list'),
    got('GET tags', 'n=999999999', '/v2/tags/tags/list?n=999999999'),
    got('GET catalogue', 'all', '/v2/_catalog'),
    got('GET referrers', '20 of 2 MiB', `/v2/referrers/referrers/${subject}`),
    got('GET referrers', 'of one type', `/v2/referrers/referrers/${subject}?artifactType=a/b`),
    got('GET referrers', 'fallback index of 10,000', `/v2/fallback/referrers/${subject}`),
    {
      route: 'DELETE manifest',
      input: '12,000 tags',
      request: (to) => send(to, `/v2/tags/manifests/${digestOf(Buffer.from(tagged))}`, { method: 'DELETE' }),
    },
  ]
}

function uploads(): Input[] {
  const body = randomBytes(chunk)
  const begun = async (to: Spoken): Promise<string> => {
    const reply = await send(to, '/v2/inputs/blobs/uploads/', { method: 'POST' })
    await reply.arrayBuffer()
    return reply.headers.get('location') ?? ''
  }
  const patch = (
    to: Spoken,
    location: string,
    bytes: Uint8Array<ArrayBuffer>,
    from?: number,
  ): Promise<Response> =>
    send(to, location, {
      method: 'PATCH',
      body: bytes,
      headers: {
        'Content-Type': 'application/octet-stream',
        ...(from !== undefined && { 'Content-Range': `${from}-${from + bytes.length - 1}` }),
      },
    })
  /** Chunks of 1 KiB one after another, then the PUT of them all. */
  const pieces = async (to: Spoken, count: number): Promise<Response> => {
    const location = await begun(to)
    for (let each = 0; each < count; each++)
      await (
        await patch(to, location, body.subarray(each * 1024, (each + 1) * 1024), each * 1024)
      ).arrayBuffer()
    const digest = digestOf(body.subarray(0, count * 1024))
    return send(to, `${location}?digest=${digest}`, { method: 'PUT' })
  }
  const upload = (route: string, input: string, sent: number, request: Input['request']): Input => ({
    route,
    input,
    sent,
    request,
  })
  const sha512 = `sha512:${createHash('sha512').update(body).digest('hex')}`
  return [
    upload('POST upload', 'mount from anywhere', 0, (to) =>
      send(to, `/v2/inputs/blobs/uploads/?mount=${subject}`, { method: 'POST' }),
    ),
    upload('POST blob', '256 MiB', chunk, (to) =>
      send(to, `/v2/inputs/blobs/uploads/?digest=${digestOf(body)}`, { method: 'POST', body }),
    ),
    upload('PATCH upload', 'one chunk of 256 MiB', chunk, async (to) => patch(to, await begun(to), body)),
    upload('PATCH upload', 'one chunk of 256 MiB, Content-Range', chunk, async (to) =>
      patch(to, await begun(to), body, 0),
    ),
    upload('PUT upload', 'last chunk of 256 MiB, sha512', chunk, async (to) =>
      send(to, `${await begun(to)}?digest=${sha512}`, { method: 'PUT', body }),
    ),
    upload('PATCH upload', '4,000 chunks of 1 KiB, PUT', 4000 * 1024, (to) => pieces(to, 4000)),
    upload('PATCH upload', '256 uploads at once, 20 chunks of 1 KiB, PUT', 256 * 20 * 1024, (to) =>
      lastOf(Array.from({ length: 256 }, () => pieces(to, 20))),
    ),
  ]
}

function got(route: string, input: string, path: string): Input {
  return { route, input, request: (to) => send(to, path) }
}

async function lastOf(replies: readonly Promise<Response>[]): Promise<Response> {
  return (await Promise.all(replies)).at(-1) as Response
}
