import { BlobSteps } from './blob-steps.ts'
import { digestOf } from './connection.ts'
import { types } from './data-sets.ts'
import { expectStatus, header, type Suite } from './suite.ts'

export async function basicCases(suite: Suite): Promise<void> {
  const { connection, repositories } = suite.target
  const [repository] = repositories
  await suite.group('base', async () => {
    await suite.leaf('ping', async () => expectStatus(await connection.request('GET', '/v2/'), 200))
  })
  await suite.group('empty', async () => {
    await suite.leaf('tag list', async () => {
      expectStatus(await connection.request('GET', `/v2/${repository}/tags/list`), 200, 404)
    })
    await suite.leaf('referrers', async () => {
      const answer = await connection.request('GET', `/v2/${repository}/referrers/${digestOf('nothing')}`)
      expectStatus(answer, 200)
      if (header(answer, 'content-type') !== types.index) throw new Error('not an index')
    })
  })
  await suite.group('missing-manifest', async () => {
    for (const [name, reference] of [
      ['by-digest', digestOf('nothing')],
      ['by-tag', 'nothing'],
    ] as const) {
      await suite.leaf(name, async () => {
        expectStatus(await connection.request('GET', `/v2/${repository}/manifests/${reference}`), 404)
      })
    }
  })
  await suite.group('invalid-digest-format', () => invalidDigests(suite))
}

async function invalidDigests(suite: Suite): Promise<void> {
  const { connection, repositories } = suite.target
  const steps = new BlobSteps(suite)
  const bad = 'sha256:baddigeststring'
  const manifest = `/v2/${repositories[0]}/manifests/${bad}`
  await steps.refused('blob-post-put', async () =>
    steps.finish(await steps.open(), bad, Buffer.from('content')),
  )
  await steps.refused('blob-post-put', async () =>
    steps.finish(await steps.open(), 'sha257:00', Buffer.from('content')),
  )
  await suite.leaf('manifest-put', async () => {
    const headers = { 'content-type': types.image }
    expectStatus(await connection.request('PUT', manifest, { headers, body: '{}' }), 400)
  })
  await suite.leaf('manifest-get', async () =>
    expectStatus(await connection.request('GET', manifest), 400, 404),
  )
  await suite.group('delete', async () => {
    await suite.leaf('manifest-delete', async () =>
      expectStatus(await connection.request('DELETE', manifest), 400, 404, 405),
    )
    for (const digest of [bad, 'sha257:00']) {
      await suite.leaf('blob-delete', async () =>
        expectStatus(await connection.request('DELETE', steps.path(digest)), 404, 405),
      )
    }
  })
}
