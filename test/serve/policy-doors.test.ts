import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { algorithms, cases, held, pushHeld } from '../enforcement/denied-doors.ts'
import type { Answered } from '../enforcement/guarded-registry.ts'
import { denying } from '../enforcement/test-feed.ts'
import { eventually, PolicyServer } from './policy-server.ts'

/** Milliseconds until a change of the folder is in force, as promised, and twice that for a machine that is busy. */
const soon = 2000

suite('a digest that is denied in the folder', () => {
  for (const algorithm of algorithms)
    test(`is refused at every door of every worker, and given out again, by ${algorithm}`, async () => {
      await using registry = await new PolicyServer().start({ args: ['--workers', '2'] })
      const content = held(algorithm)
      await pushHeld(registry, content)
      for (const { denied, pick, asked, open } of cases) {
        const { digest, sha256 } = pick(content)
        const path = denied === 'a layer' || denied === 'a config' ? 'blobs' : 'manifests'
        const status = async (): Promise<number> =>
          (await registry.send('HEAD', `/v2/prod/app/${path}/${digest}`)).status
        registry.write('deny.json', [denying(sha256)])
        await eventually(async () => (await status()) === 403, `${denied} is refused`, soon)
        for (const { what, send } of asked(content)) {
          const { status, code, message, text } = await send(registry)
          assert.equal(status, 403, `${denied}: ${what}`)
          if (text !== '') assert.equal(code, 'DENIED')
          if (text !== '') assert.match(message, /refused by policy p\n.*DENY_LIST .*CVE-2024-3094/)
        }
        for (const { what, before, send } of open(content))
          assert.equal((await send(registry)).status, before, `${denied}, open: ${what}`)
        registry.remove('deny.json')
        await eventually(async () => (await status()) === 200, `${denied} is given out`, soon)
        for (const { what, before, send } of asked(content))
          assert.equal((await send(registry)).status, before, `${denied}, lifted: ${what}`)
      }
    })
})

test('a policy in mode warn gives out what it would refuse, with a warning', async () => {
  await using registry = await new PolicyServer().start()
  const content = held('sha256')
  await pushHeld(registry, content)
  registry.write('warn.json', [denying(content.bad.sha256, { mode: 'warn' })])
  const pull = (): Promise<Answered> => registry.send('GET', '/v2/prod/app/manifests/bad')
  await eventually(async () => 'warning' in (await pull()).headers, 'it warns', soon)
  const { status, headers } = await pull()
  assert.equal(status, 200)
  assert.match(String(headers['warning']), /^299 - ".*policy p.*DENY_LIST.*CVE-2024-3094/)
})
