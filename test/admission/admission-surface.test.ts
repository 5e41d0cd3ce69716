import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { suite, test } from 'node:test'
import { TenantChecks, type TenantMode } from '../../src/admission/tenant-rights.ts'
import { content, digest, exception, now, policy } from '../policy/fixtures.ts'
import { openAdmission } from './admission-server.ts'
import { containers, pod, reviewText, uid, type ReviewOf } from './reviews.ts'

const rules = [{ scope: 'ghcr.io/acme', unverified: true }]
const production = policy({ rules }, 'production')
const good = { object: pod({ containers: containers('ghcr.io/acme/app:1') }) }
const bad = { object: pod({ containers: containers('ghcr.io/acme/app:1', 'nginx') }) }

function template(...images: readonly string[]): ReviewOf {
  return {
    group: 'apps',
    kind: 'Deployment',
    object: { metadata: { name: 'd' }, spec: { template: { spec: { containers: containers(...images) } } } },
  }
}

suite('reviews of pods', () => {
  test('what the policies take is let in, and nothing is recorded', async () => {
    await using server = await openAdmission({ documents: [production] })
    const answer = await server.send('/pods', reviewText(good))
    assert.deepEqual(
      [answer.status, answer.uid, answer.isAllowed, answer.text.includes('status')],
      [200, uid, true, false],
    )
    assert.deepEqual(server.records, [])
    assert.deepEqual(
      server.counters.snapshot().map(({ policy: name, decision, count }) => [name, decision, count]),
      [['production', 'allow', 1]],
    )
  })

  test('what they do not take is refused with container, name, reason, way out and id, and is on record first', async () => {
    await using server = await openAdmission({ documents: [production] })
    const answer = await server.send('/pods', reviewText(bad))
    assert.equal(answer.status, 200)
    assert.deepEqual(JSON.parse(answer.text).response.status.code, 403)
    assert.equal(
      answer.message,
      '1 of 2 images is refused by policy production\n' +
        '  c1: nginx (docker.io/library/nginx:latest)  NOT_ALLOWED no rule covers the name, and the default is deny. ' +
        'Fix: use an image that a rule covers, or ask for a rule or an exception\n' +
        '  details: trow policy explain id-1',
    )
    assert.deepEqual(answer.annotations, { decision: 'denied', reason: 'NOT_ALLOWED', id: 'id-1' })
    assert.deepEqual(
      server.records.map(({ id, outcome, review }) => [id, outcome, review.object, review.user.name]),
      [['id-1', 'denied', 'Pod/web', 'ann']],
    )
  })

  test('a mode that only warns or records lets in', async () => {
    await using server = await openAdmission({ documents: [policy({ mode: 'warn', rules }, 'production')] })
    const warned = await server.send('/pods', reviewText(bad))
    assert.ok(warned.isAllowed)
    assert.match(warned.warnings.join(), /^policy production would refuse nginx .*NOT_ALLOWED/)
    server.set([policy({ mode: 'audit', rules }, 'production')])
    const recorded = await server.send('/pods', reviewText(bad))
    assert.deepEqual([recorded.isAllowed, recorded.warnings], [true, []])
    assert.deepEqual(
      server.records.map(({ outcome }) => outcome),
      ['warned', 'would-deny'],
    )
  })

  test('an exception lets in until its end, and is on record', async () => {
    const clock = { now }
    const lifting = exception({ policies: ['production'], images: [{ scope: 'docker.io/library/nginx' }] })
    await using server = await openAdmission({ documents: [production, lifting], clock })
    assert.ok((await server.send('/pods', reviewText(bad))).isAllowed)
    assert.equal(server.records[0]?.outcome, 'excepted')
    clock.now = Date.parse('2026-12-01T00:00:00Z')
    assert.ok(!(await server.send('/pods', reviewText(bad))).isAllowed)
    clock.now = now
    assert.ok(!(await server.send('/pods', reviewText(bad))).isAllowed, 'the clock was set back')
  })

  test('a namespace that a policy leaves out is not judged by it', async () => {
    const documents = [policy({ rules, namespaces: { exclude: ['sandbox'] } }, 'production')]
    await using server = await openAdmission({ documents })
    assert.ok((await server.send('/pods', reviewText({ ...bad, namespace: 'sandbox' }))).isAllowed)
    assert.ok(!(await server.send('/pods', reviewText(bad))).isAllowed)
  })

  test('an update is judged by what it changes: labels, finalizers and debugging of what runs never jam', async () => {
    await using server = await openAdmission({ documents: [production] })
    const oldObject = bad.object
    const update = (object: unknown, subResource?: string): ReturnType<typeof server.send> =>
      server.send(
        '/pods',
        reviewText({
          operation: 'UPDATE',
          object,
          oldObject,
          ...(subResource !== undefined && { subResource }),
        }),
      )
    const labelled = { ...oldObject, metadata: { name: 'web', labels: { a: 'b' }, deletionTimestamp: 'now' } }
    assert.ok((await update(labelled)).isAllowed)
    const debugging = (image: string): unknown =>
      pod({ ...(oldObject['spec'] as object), ephemeralContainers: [{ name: 'd', image }] })
    assert.ok((await update(debugging('ghcr.io/acme/tools'), 'ephemeralcontainers')).isAllowed)
    const refused = await update(debugging('busybox'), 'ephemeralcontainers')
    assert.match(refused.message, /^the image is refused by policy production\n {2}debug d: busybox /)
  })

  test('a dry run is answered alike, and leaves no trace', async () => {
    await using server = await openAdmission({ documents: [production] })
    const answer = await server.send('/pods', reviewText({ ...bad, dryRun: true }))
    assert.ok(!answer.isAllowed)
    assert.doesNotMatch(answer.message, /explain/)
    assert.deepEqual([server.records, server.counters.snapshot()], [[], []])
  })

  test('a static pod, which runs whatever is said, is let in and recorded as what it is', async () => {
    await using server = await openAdmission({ documents: [production] })
    const object = pod(
      { containers: containers('nginx') },
      { annotations: { 'kubernetes.io/config.mirror': 'x' } },
    )
    const user = { username: 'system:node:n1', groups: ['system:nodes'] }
    assert.ok((await server.send('/pods', reviewText({ object, user }))).isAllowed)
    assert.equal(server.records[0]?.outcome, 'would-deny')
    assert.ok(
      !(await server.send('/pods', reviewText({ object }))).isAllowed,
      'anybody may set the annotation',
    )
  })

  test('a template is warned of, and its pod is refused', async () => {
    await using server = await openAdmission({ documents: [production] })
    const answer = await server.send('/templates', reviewText(template('nginx')))
    assert.ok(answer.isAllowed)
    assert.match(answer.warnings.join(), /^policy production would refuse nginx /)
    const placeholder = await server.send('/templates', reviewText(template('', 'auto')))
    assert.deepEqual([placeholder.isAllowed, placeholder.warnings], [true, []])
  })

  test('a thousand containers are answered, with the first fifty named', async () => {
    await using server = await openAdmission({ documents: [production] })
    const images = Array.from({ length: 1000 }, (_, each) => `docker.io/evil/app${each}`)
    const { message } = await server.send(
      '/pods',
      reviewText({ object: pod({ containers: containers(...images) }) }),
    )
    assert.match(message, /^1000 of 1000 images are refused/)
    assert.match(message, /\n {2}and 950 more\n/)
  })
})

suite('content that has to be looked at', () => {
  const quarantine = policy({ default: 'pass', deny: [{ digest: digest('b'), reason: 'CVE' }] }, 'quarantine')
  const own = { object: pod({ containers: containers('trow.local:31000/prod/app:1') }) }

  test('is asked of the registry, and refused for a part of it', async () => {
    const asked: string[] = []
    await using server = await openAdmission({
      documents: [quarantine],
      content: {
        of: ({ host, path, tag }) => {
          asked.push(`${host}/${path}:${tag}`)
          return Promise.resolve(content({ contains: [digest('b')] }))
        },
      },
    })
    const answer = await server.send('/pods', reviewText(own))
    assert.match(answer.message, /DENY_LIST sha256:b+ is denied, and is part of it: CVE/)
    assert.deepEqual(asked, ['@trow/prod/app:1'])
    assert.ok(
      (await server.send('/pods', reviewText({ object: pod({ containers: containers('nginx') }) })))
        .isAllowed,
    )
    assert.equal(asked.length, 1, 'other registries are not asked')
  })

  test('and cannot be had is refused as not checked, or let in where the policy says so', async () => {
    await using server = await openAdmission({ documents: [quarantine] })
    assert.match(
      (await server.send('/pods', reviewText(own))).message,
      /^the image could not be checked by policy quarantine, try again\n.*FACT_UPSTREAM/,
    )
    server.set([
      policy({ default: 'pass', onError: 'allow', deny: [{ digest: digest('b'), reason: 'CVE' }] }),
    ])
    assert.ok((await server.send('/pods', reviewText(own))).isAllowed)
    assert.equal(server.records.at(-1)?.outcome, 'unchecked')
  })
})

suite('pods of tenants', () => {
  const own = { object: pod({ containers: containers('trow.local:31000/prod/app:1', 'nginx') }) }
  const rights = {
    mayPull: (account: string, repository: string) => {
      if (repository !== 'prod/app') throw new Error(`asked for ${repository}`)
      if (account.endsWith(':away:default')) return Promise.reject(new Error('the API server is away'))
      return Promise.resolve(account === 'system:serviceaccount:prod:default')
    },
  }
  const answerIn = async (mode: TenantMode, namespace: string): Promise<readonly [boolean, string]> => {
    await using server = await openAdmission({ tenants: new TenantChecks(rights, mode) })
    const { isAllowed, message, warnings } = await server.send('/pods', reviewText({ ...own, namespace }))
    return [
      isAllowed,
      `${message}${warnings.join()}${server.records.map(({ outcome }) => ` ${outcome}`).join()}`,
    ]
  }

  test('may name what their service account may pull', async () => {
    assert.deepEqual(await answerIn('enforce', 'prod'), [true, ''])
  })

  test('may not name what it may not: refused, warned of or recorded', async () => {
    const [isAllowed, message] = await answerIn('enforce', 'dev')
    assert.ok(!isAllowed)
    assert.match(
      message,
      /^system:serviceaccount:dev:default may not pull prod\/app {2}NOT_YOURS\. Fix: .*\n {2}details: trow policy explain id-1 denied$/,
    )
    assert.match(
      (await answerIn('warn', 'dev'))[1],
      /^system:serviceaccount:dev:default may not pull .* warned$/,
    )
    assert.deepEqual(await answerIn('audit', 'dev'), [true, ' would-deny'])
  })

  test('are not let in where nobody can tell, and that is said', async () => {
    const [isAllowed, message] = await answerIn('enforce', 'away')
    assert.ok(!isAllowed)
    assert.match(message, /could not be checked, try again/)
  })
})

suite('reviews of policies', () => {
  const review = (document: unknown, operation = 'CREATE'): string =>
    reviewText({ group: 'policy.trow.io', kind: 'TrowPolicy', operation, object: document })

  test('what loads is let through with what is likely not meant, and with who changed it', async () => {
    await using server = await openAdmission()
    const answer = await server.send(
      '/policies',
      review(policy({ rules: [{ scope: 'docker.io/nginx', unverified: true }] })),
    )
    assert.ok(answer.isAllowed)
    assert.match(answer.warnings.join('\n'), /spec\.rules\[0\]\.scope: means an organisation named nginx/)
    assert.partialDeepStrictEqual(server.changes, [
      { object: 'TrowPolicy/p', operation: 'CREATE', user: 'ann', time: now },
    ])
  })

  test('what does not load is refused with each field', async () => {
    await using server = await openAdmission()
    const answer = await server.send(
      '/policies',
      review(policy({ rules: [{ scope: 'nginx', unverified: true }] })),
    )
    assert.ok(!answer.isAllowed)
    assert.match(answer.message, /^TrowPolicy\/p cannot be used\n {2}spec\.rules\[0\]\.scope: /)
    assert.deepEqual(server.changes, [])
  })

  test('one that is deleted is let through and recorded', async () => {
    await using server = await openAdmission()
    assert.ok((await server.send('/policies', review({ metadata: { name: 'p' } }, 'DELETE'))).isAllowed)
    assert.equal(server.changes[0]?.operation, 'DELETE')
  })
})

suite('requests that would be an allow if they were an error', () => {
  test('what cannot be read is answered and not let in', async () => {
    await using server = await openAdmission({ documents: [production] })
    for (const body of ['', '{', '[]', reviewText({ object: null }), 'x'.repeat(300_000)]) {
      const answer = await server.send('/pods', body)
      assert.deepEqual([answer.status, answer.isAllowed], [200, false], body.slice(0, 20))
      assert.match(answer.message, /^the images could not be checked, try again: the review/)
    }
  })

  test('policies that were never read refuse, and the server is not ready', async () => {
    await using server = await openAdmission({ isSynced: false })
    const answer = await server.send('/pods', reviewText(good))
    assert.deepEqual([answer.isAllowed, answer.uid], [false, uid])
    assert.match(answer.message, /the policies have not been read yet/)
    assert.equal((await fetch(`http://127.0.0.1:${server.port}/readyz`)).status, 503)
    server.set([])
    assert.equal((await fetch(`http://127.0.0.1:${server.port}/readyz`)).status, 200)
  })

  test('the largest review that an API server can send is judged: 3 MiB of < in both objects', async () => {
    await using server = await openAdmission({ documents: [production] })
    const annotations = { text: '<'.repeat(3 * 1024 * 1024) }
    const object = pod({ containers: containers('ghcr.io/acme/app:1', 'nginx') }, { annotations })
    const oldObject = pod({ containers: containers('ghcr.io/acme/app:1', 'old') }, { annotations })
    const text = reviewText({ operation: 'UPDATE', object, oldObject }).replaceAll('<', '\\u003c')
    assert.ok(text.length > 36 * 1024 * 1024)
    const { status, message } = await server.send('/pods?timeout=30s', text)
    assert.equal(status, 200)
    assert.match(message, /^the image is refused by policy production\n {2}c1: nginx /)
  })

  test('a review that is larger than any is answered under its id, and not read', async () => {
    await using server = await openAdmission({ documents: [production] })
    const head = Buffer.from(reviewText(good).slice(0, 200))
    async function* endless(): AsyncGenerator<Buffer> {
      yield head
      for (let megabyte = 0; megabyte < 60; megabyte++) {
        yield Buffer.alloc(1024 * 1024, 'x')
        await pause(1)
      }
    }
    const answer = await server.send('/pods?timeout=30s', endless())
    assert.deepEqual([answer.isAllowed, answer.uid], [false, uid])
    assert.match(answer.message, /has more than 50331648 bytes/)
  })

  test('a review that does not arrive in time is answered under its id', async () => {
    await using server = await openAdmission({ documents: [production] })
    const text = reviewText(good)
    async function* slow(): AsyncGenerator<Buffer> {
      yield Buffer.from(text.slice(0, 200))
      await pause(1500)
      yield Buffer.from(text.slice(200))
    }
    const answer = await server.send('/pods?timeout=1s', slow())
    assert.deepEqual([answer.isAllowed, answer.uid], [false, uid])
    assert.match(answer.message, /it took too long/)
  })

  test('a fact that never comes does not keep the answer', async () => {
    await using server = await openAdmission({
      documents: [policy({ default: 'pass', deny: [{ digest: digest('b'), reason: 'CVE' }] })],
      content: { of: () => new Promise(() => undefined) },
    })
    const object = pod({ containers: containers('trow.local:31000/prod/app:1') })
    const answer = await server.send('/pods?timeout=1s', reviewText({ object }))
    assert.deepEqual([answer.isAllowed, answer.uid], [false, uid])
  })

  test('reviews that find no room wait for it, and are answered where it does not come', async () => {
    const gate = Promise.withResolvers<void>()
    const own = { object: pod({ containers: containers('trow.local:31000/prod/app:1') }) }
    const size = Buffer.byteLength(reviewText(own))
    await using server = await openAdmission({
      documents: [policy({ default: 'pass', deny: [{ digest: digest('b'), reason: 'CVE' }] })],
      content: { of: () => gate.promise.then(() => content()) },
      room: size,
    })
    const first = server.send('/pods?timeout=30s', reviewText(own))
    while (server.room.held === 0) await pause(5)
    const late = await server.send('/pods?timeout=1s', reviewText(own))
    assert.deepEqual([late.isAllowed, late.uid], [false, uid])
    assert.match(late.message, /too many reviews at once/)
    const second = server.send('/pods?timeout=30s', reviewText(own))
    while (server.room.waiting === 0) await pause(5)
    gate.resolve()
    assert.deepEqual([(await first).isAllowed, (await second).isAllowed], [true, true])
    assert.deepEqual([server.room.held, server.room.waiting], [0, 0])
  })
})
