import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { targetName } from '../../src/push/target-name.ts'
import { UserError } from '../../src/user-error.ts'

suite('where an image goes', () => {
  const hosts = ['trow.trow.svc', 'trow.trow.svc:443']
  const rows: readonly (readonly [string | undefined, string | undefined, string | undefined, string])[] = [
    [undefined, 'app', 'team-a', 'team-a/app:latest'],
    [undefined, 'app:1', 'team-a', 'team-a/app:1'],
    [undefined, 'docker.io/library/nginx:1.27', 'team-a', 'team-a/nginx:1.27'],
    [undefined, 'localhost/app:1', 'team-a', 'team-a/app:1'],
    [undefined, 'localhost:5000/x/app:1', 'team-a', 'team-a/x/app:1'],
    [undefined, 'trow.trow.svc/team-a/app:1', 'team-a', 'team-a/app:1'],
    [undefined, 'team-a/app:1', 'team-a', 'team-a/app:1'],
    [undefined, 'ghcr.io/x/app:1', undefined, 'x/app:1'],
    [undefined, `app:1@sha256:${'0'.repeat(64)}`, 'team-a', 'team-a/app:1'],
    ['team-b/app:2', 'app:1', 'team-a', 'team-b/app:2'],
    ['app', 'x:1', 'team-a', 'app:latest'],
    ['trow.trow.svc/team-b/app:2', undefined, 'team-a', 'team-b/app:2'],
    ['trow.trow.svc:443/team-b/app:2', undefined, 'team-a', 'team-b/app:2'],
  ]
  for (const [given, image, namespace, expected] of rows) {
    test(`${image} as ${given} for ${namespace}`, () => {
      const { repository, tag } = targetName(given, image, { namespace, hosts })
      assert.equal(`${repository}:${tag}`, expected)
    })
  }

  for (const [given, image] of [
    ['Team/App:1', undefined],
    ['a:b:c', undefined],
    ['other.example.com:5000/app:1', undefined],
    [undefined, undefined],
  ] as const) {
    test(`${given} of ${image} is no name`, () => {
      assert.throws(
        () => targetName(given, image, { namespace: 'team-a', hosts }),
        (error) => error instanceof UserError && error.code === 'REFERENCE_INVALID',
      )
    })
  }
})
