import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { missing, runProgram } from '../requirements.ts'
import { openFixture, writeImageLayout, type Fixture } from './fixture.ts'

for (const tool of ['podman', 'buildah'] as const) {
  suite(tool, { skip: missing(tool) }, () => {
    let fixture: Fixture
    let digest = ''
    const run = (...args: string[]): string => {
      const storage = [
        '--root',
        join(fixture.folder, 'root'),
        '--runroot',
        join(fixture.folder, 'run'),
        '--storage-driver',
        'vfs',
      ]
      const policy = join(fixture.folder, 'policy.json')
      writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}')
      const [command = '', ...rest] = args
      const signature = ['pull', 'push'].includes(command) ? ['--signature-policy', policy] : []
      return runProgram(tool, [...storage, command, ...signature, ...rest], { env: fixture.env })
    }

    before(async () => {
      fixture = await openFixture()
      digest = await writeImageLayout(join(fixture.folder, 'image'))
    })
    after(() => fixture.close())

    test('pulls from a layout, pushes and pulls again', () => {
      const id = run('pull', '-q', `oci:${fixture.folder}/image:latest`).trim()
      const reference = `${fixture.host}/${tool}/app:1`
      run('push', '--tls-verify=false', id, `docker://${reference}`)
      run('rmi', '-f', id)
      const pulled = run('pull', '-q', '--tls-verify=false', `docker://${reference}`).trim()
      assert.equal(pulled, id)
      assert.match(run('images', '--digests'), /sha256:/)
      assert.match(digest, /^sha256:/)
    })
  })
}
