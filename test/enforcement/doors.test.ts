import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { digestOf, openGuarded, type GuardedRegistry } from './guarded-registry.ts'
import { config, image, index, layer, push, pushBlob, pushManifest, type Image } from './images.ts'
import { denying, exception, policy } from './test-feed.ts'

const name = 'prod/app'
const amd = image([config('amd64'), layer('for amd64')])
const arm = image([config('arm64'), layer('for arm64')])
const both = index([amd, arm], { platforms: ['linux/amd64', 'linux/arm64'] })

async function filled(given: Parameters<typeof openGuarded>[0] = {}): Promise<GuardedRegistry> {
  const registry = await openGuarded(given)
  await push(registry, name, both, 'both')
  await push(registry, name, amd, 'amd')
  return registry
}

function pull(
  registry: GuardedRegistry,
  reference: string,
  repository = name,
): ReturnType<GuardedRegistry['send']> {
  return registry.send('GET', `/v2/${repository}/manifests/${reference}`)
}

/** The reason codes of a refusal, `allowed` where it was none. */
async function verdict(answer: ReturnType<GuardedRegistry['send']>): Promise<string> {
  const { status, code, message } = await answer
  if (status < 300) return 'allowed'
  assert.deepEqual([status, code], [403, 'DENIED'], message)
  return [...message.matchAll(/\b[A-Z]{2,}(?:_[A-Z]+)*\b(?= )/g)].map(([reason]) => reason).join(' ')
}

suite('policies by name, at the doors of the registry', () => {
  const refusing = {
    'a denied scope': {
      documents: [policy({ deny: [{ scope: '@trow/prod', reason: 'closed' }] })],
      reason: 'DENY_LIST',
    },
    'a default that denies': {
      documents: [policy({ default: 'deny', rules: [{ scope: '@trow/dev', unverified: true }] })],
      reason: 'NOT_ALLOWED',
    },
  }
  for (const [what, { documents, reason }] of Object.entries(refusing))
    test(`${what} refuses every pull and every push, and other repositories stay open`, async () => {
      await using registry = await filled()
      const [settings, bytes] = amd.blobs
      assert.ok(settings !== undefined && bytes !== undefined)
      await registry.feed.set(documents)
      const uploads = `/v2/${name}/blobs/uploads/`
      const asked = {
        'by tag': pull(registry, 'amd'),
        'by digest': pull(registry, amd.digest),
        'a blob': registry.send('GET', `/v2/${name}/blobs/${bytes.digest}`),
        'an upload that begins': registry.send('POST', uploads),
        'a push in one request': pushBlob(registry, name, bytes),
        'a mount to it': registry.send('POST', `${uploads}?mount=${bytes.digest}&from=${name}`),
        'a manifest by tag': pushManifest(registry, name, amd, { as: 'new' }),
        'a manifest by digest': pushManifest(registry, name, amd),
      }
      for (const [way, answer] of Object.entries(asked)) assert.equal(await verdict(answer), reason, way)
      await push(registry, 'dev/app', amd, 'amd')
      assert.equal(await verdict(pull(registry, 'amd', 'dev/app')), 'allowed')
    })

  test('what may not be pulled from one repository is not mounted from it, and is asked for from elsewhere', async () => {
    await using registry = await filled()
    const [, bytes] = amd.blobs
    assert.ok(bytes !== undefined)
    await registry.feed.set([policy({ deny: [{ scope: '@trow/prod', reason: 'closed' }] })])
    const mounted = await registry.send(
      'POST',
      `/v2/dev/app/blobs/uploads/?mount=${bytes.digest}&from=${name}`,
    )
    assert.equal(mounted.status, 202)
  })

  test('the exact repository decides before the wider scope', async () => {
    await using registry = await filled()
    await registry.feed.set([
      policy({
        default: 'deny',
        rules: [
          { scope: '@trow', unverified: true },
          { scope: '@trow/prod/app', require: { tags: { deny: ['both'] } } },
        ],
      }),
    ])
    assert.equal(await verdict(pull(registry, 'amd')), 'allowed')
    assert.equal(await verdict(pull(registry, 'both')), 'TAG_DENIED')
  })
})

test('names and references of ten kilobytes are refused before policies are asked', async () => {
  await using registry = await filled()
  await registry.feed.set([policy({ default: 'deny', rules: [{ scope: '@trow/prod', unverified: true }] })])
  const long = 'a'.repeat(10_000)
  for (const [method, path] of [
    ['GET', `/v2/${long}/manifests/1`],
    ['GET', `/v2/${'a/'.repeat(5000)}b/manifests/1`],
    ['GET', `/v2/${name}/manifests/${long}`],
    ['GET', `/v2/${name}/blobs/sha256:${long}`],
    ['PUT', `/v2/${name}/manifests/${long}`],
    ['POST', `/v2/${long}/blobs/uploads/`],
  ] as const) {
    const { status, code } = await registry.send(method, path)
    assert.ok(status === 400 || status === 404, `${method} ${path.slice(0, 40)}: ${status} ${code}`)
    assert.notEqual(code, 'DENIED')
  }
})

suite('requirements, at the doors of the registry', () => {
  const requiring = (require: object, more: object = {}): object[] => [
    policy({ rules: [{ scope: '@trow', require }], ...more }),
  ]

  test('a denied tag is neither pushed nor pulled, its digest is', async () => {
    await using registry = await filled()
    await registry.feed.set(requiring({ tags: { deny: ['both', 'latest'] } }))
    assert.equal(await verdict(pull(registry, 'both')), 'TAG_DENIED')
    assert.equal(await verdict(pull(registry, both.digest)), 'allowed')
    assert.equal(await verdict(pushManifest(registry, name, amd, { as: 'latest' })), 'TAG_DENIED')
    assert.equal(await verdict(pushManifest(registry, name, amd, { tag: 'latest' })), 'TAG_DENIED')
    assert.equal(await verdict(pushManifest(registry, name, amd, { as: 'v1' })), 'allowed')
  })

  test('a digest that is asked for is needed to pull, and not to push', async () => {
    await using registry = await filled()
    await registry.feed.set(requiring({ digest: true }))
    assert.equal(await verdict(pull(registry, 'amd')), 'DIGEST_REQUIRED')
    assert.equal(await verdict(pull(registry, amd.digest)), 'allowed')
    assert.equal(await verdict(pushManifest(registry, name, amd, { as: 'v1' })), 'allowed')
  })

  test('platforms are those of the index, also for the children that nodes fetch by digest', async () => {
    await using registry = await filled()
    await registry.feed.set(requiring({ platforms: ['linux/amd64', 'linux/arm64'] }))
    assert.equal(await verdict(pull(registry, 'both')), 'allowed')
    assert.equal(await verdict(pull(registry, arm.digest)), 'allowed')
    assert.equal(await verdict(pull(registry, 'amd')), 'PLATFORM')
    // Children come before their index, which is judged when it comes.
    const alone = index([amd], { platforms: ['linux/amd64'] })
    assert.equal(await verdict(pushManifest(registry, name, amd)), 'allowed')
    assert.equal(await verdict(pushManifest(registry, name, alone, { as: 'alone' })), 'PLATFORM')
    assert.equal(await verdict(pushManifest(registry, name, amd, { as: 'single' })), 'PLATFORM')
    await push(registry, 'other/app', amd)
    assert.equal(await verdict(pull(registry, amd.digest, 'other/app')), 'PLATFORM')
  })

  test('a child that is judged again has the platforms of its index, although its own are remembered', async () => {
    await using registry = await filled()
    for (const reason of ['one', 'two']) {
      const deny = [{ scope: '@trow/closed', reason }]
      await registry.feed.set(requiring({ platforms: ['linux/amd64', 'linux/arm64'] }, { deny }))
      assert.equal(await verdict(pull(registry, arm.digest)), 'allowed', reason)
    }
  })

  test('the size is that of all that an image consists of', async () => {
    await using registry = await filled()
    const bytes = (one: Image): number =>
      one.bytes.byteLength + one.blobs.reduce((sum, blob) => sum + blob.bytes.byteLength, 0)
    const whole = both.bytes.byteLength + bytes(amd) + bytes(arm)
    await registry.feed.set(requiring({ maxSize: `${whole}B` }))
    assert.equal(await verdict(pull(registry, 'both')), 'allowed')
    await registry.feed.set(requiring({ maxSize: `${whole - 1}B` }))
    assert.equal(await verdict(pull(registry, 'both')), 'SIZE')
    assert.equal(await verdict(pull(registry, 'amd')), 'allowed')
    assert.equal(await verdict(pushManifest(registry, name, both, { as: 'again' })), 'SIZE')
  })

  test('what a policy must know and nobody can find out is refused as not checked, or taken and counted', async () => {
    await using registry = await filled()
    // More than 100,000 digests: trow does not look at so many for one image.
    const blobs = Array.from({ length: 11 }, (_, part) => ({
      ...amd,
      ...many(10_000, part),
      blobs: [],
      children: [],
    }))
    for (const one of blobs) await pushSparse(registry, one)
    const outer = index(blobs)
    await pushSparse(registry, outer, 'huge')
    await registry.feed.set([denying(digestOf('something else'))])
    const refused = await pull(registry, 'huge')
    assert.equal(refused.status, 403)
    assert.match(
      refused.message,
      /^the image could not be checked by policy p, try again\n.*FACT_TIMEOUT its content could not be looked at in time/,
    )
    await registry.feed.set([denying(digestOf('something else'), { onError: 'allow' })])
    assert.equal(await verdict(pull(registry, 'huge')), 'allowed')
    const counted = registry.guard.counts().find(({ decision }) => decision === 'unchecked')
    assert.deepEqual([counted?.reason, counted?.count], ['FACT_TIMEOUT', 1])
  })
})

suite('what a policy says without refusing', () => {
  const denied = { deny: [{ digest: amd.sha256, reason: 'CVE-2024-3094', fix: 'use 1.5' }] }

  test('in warn mode the request is answered, with a Warning that names image, reason and way out', async () => {
    await using registry = await filled({ audited: true })
    await registry.feed.set([policy({ mode: 'warn', ...denied })])
    const pulled = await pull(registry, 'amd')
    assert.equal(pulled.status, 200)
    assert.equal(
      pulled.headers['warning'],
      `299 - "policy p would refuse prod/app:amd (@trow/prod/app:amd): DENY_LIST ${amd.sha256} is denied: CVE-2024-3094. Fix: use 1.5"`,
    )
    const pushed = await pushManifest(registry, name, amd, { as: 'v1' })
    assert.equal(pushed.status, 201)
    assert.match(String(pushed.headers['warning']), /^299 - "policy p would refuse prod\/app:v1 /)
    assert.deepEqual(
      registry.trail.allowedOnes.at(-1)?.policy?.map(({ outcome, reason }) => [outcome, reason]),
      [['warned', 'DENY_LIST']],
    )
  })

  test('in audit mode nothing is said to the client, and pulls and pushes are on record as would-deny', async () => {
    await using registry = await filled({ audited: true })
    await registry.feed.set([policy({ mode: 'audit', ...denied })])
    const pulled = await pull(registry, 'amd')
    assert.deepEqual([pulled.status, pulled.headers['warning']], [200, undefined])
    assert.deepEqual(registry.trail.allowedOnes.at(-1)?.policy, [
      { policy: 'p', outcome: 'would-deny', reason: 'DENY_LIST', rule: amd.sha256, exception: undefined },
    ])
    assert.equal((await pushManifest(registry, name, amd, { as: 'v1' })).status, 201)
    assert.deepEqual(
      registry.trail.auditRecords.at(-1)?.policy?.map(({ outcome }) => outcome),
      ['would-deny'],
    )
  })

  test('a mode for one point holds there alone', async () => {
    await using registry = await filled()
    await registry.feed.set([policy({ mode: 'enforce', at: { pull: 'off' }, ...denied })])
    assert.equal(await verdict(pull(registry, 'amd')), 'allowed')
    assert.equal(await verdict(pushManifest(registry, name, amd, { as: 'v1' })), 'DENY_LIST')
  })
})

suite('refusals on record', () => {
  test('a refusal says the id under which the audit has it, once for a request', async () => {
    await using registry = await filled({ audited: true })
    await registry.feed.set([denying(amd.sha256)])
    const { message } = await pull(registry, 'amd')
    const [, id] = /details: trow policy explain (\S+)$/.exec(message) ?? []
    const records = registry.trail.deniedOnes
    assert.deepEqual(
      records.map(({ requestId, status, reason }) => [requestId, status, reason]),
      [[id, 403, `policy p: DENY_LIST ${amd.sha256} is denied: CVE-2024-3094`]],
    )
    assert.equal(registry.trail.allowedOnes.filter(({ requestId }) => requestId === id).length, 0)
  })

  test('an exception that lets pass is named in the record of the access', async () => {
    await using registry = await filled({ audited: true })
    const lifting = exception({ images: [{ digest: amd.sha256 }], overrideDeny: true }, 'hotfix')
    await registry.feed.set([denying(amd.sha256), lifting])
    assert.equal((await pull(registry, 'amd')).status, 200)
    assert.deepEqual(
      registry.trail.allowedOnes.at(-1)?.policy?.map(({ outcome, exception: by }) => [outcome, by]),
      [['excepted', 'hotfix']],
    )
  })
})

suite('decisions that are kept', () => {
  test('an exception ends at its time with nothing changed, and no clock that is set back revives it', async () => {
    const clock = { now: Date.now() }
    await using registry = await filled({ now: () => clock.now })
    const ends = new Date(clock.now + 60_000).toISOString()
    const lifting = exception({ images: [{ digest: amd.sha256 }], overrideDeny: true, expires: ends })
    await registry.feed.set([denying(amd.sha256), lifting])
    for (const after of [0, 59_999]) {
      clock.now = Date.parse(ends) - 60_000 + after
      assert.equal(await verdict(pull(registry, 'amd')), 'allowed', `after ${after} ms`)
    }
    clock.now = Date.parse(ends)
    assert.equal(await verdict(pull(registry, 'amd')), 'DENY_LIST')
    clock.now = Date.parse(ends) - 30_000
    assert.equal(await verdict(pull(registry, 'amd')), 'DENY_LIST', 'the clock was set back')
  })

  test('what was allowed often is refused with the next request after a change', async () => {
    await using registry = await filled()
    await registry.feed.set([denying(digestOf('something else'))])
    for (let turn = 0; turn < 3; turn++) assert.equal(await verdict(pull(registry, 'amd')), 'allowed')
    await registry.feed.set([denying(amd.sha256)])
    assert.equal(await verdict(pull(registry, 'amd')), 'DENY_LIST')
  })

  test('a tag that moves is decided anew each time', async () => {
    await using registry = await filled()
    await registry.feed.set([denying(arm.sha256, { at: { push: 'off' } })])
    for (const [moved, wanted] of [
      [amd, 'allowed'],
      [arm, 'DENY_LIST'],
      [amd, 'allowed'],
    ] as const) {
      await push(registry, name, moved, 'moved')
      for (let turn = 0; turn < 2; turn++) assert.equal(await verdict(pull(registry, 'moved')), wanted)
    }
  })

  test('the same digest under another tag and in another repository is decided anew', async () => {
    await using registry = await filled()
    await push(registry, 'dev/app', amd, 'amd')
    await registry.feed.set([
      policy({ rules: [{ scope: '@trow/prod', require: { tags: { deny: ['amd'] } } }] }),
    ])
    assert.equal(await verdict(pull(registry, 'amd', 'dev/app')), 'allowed')
    assert.equal(await verdict(pull(registry, 'amd')), 'TAG_DENIED')
    await push(registry, name, amd, 'v1')
    assert.equal(await verdict(pull(registry, 'v1')), 'allowed')
  })
})

function many(
  count: number,
  part: number,
): { bytes: Buffer; digest: string; sha256: string; mediaType: string } {
  const [settings] = amd.blobs
  assert.ok(settings !== undefined)
  const foreign = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
  const layers = Array.from({ length: count }, (_, place) => ({
    mediaType: foreign,
    digest: digestOf(`${part} ${place}`),
    size: 1,
  }))
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: amd.mediaType,
    config: { mediaType: settings.mediaType, digest: settings.digest, size: settings.bytes.byteLength },
    layers,
  })
  const bytes = Buffer.from(text)
  const digest = digestOf(bytes)
  return { bytes, digest, sha256: digest, mediaType: amd.mediaType }
}

async function pushSparse(registry: GuardedRegistry, one: Image, tag?: string): Promise<void> {
  const { status, text } = await pushManifest(registry, name, one, tag === undefined ? {} : { tag })
  assert.equal(status, 201, text)
}
