import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { algorithms, cases, held, name, pushHeld, type Held } from './denied-doors.ts'
import { openGuarded, type GuardedRegistry } from './guarded-registry.ts'
import { denying, exception } from './test-feed.ts'

async function filled(
  algorithm: (typeof algorithms)[number],
): Promise<GuardedRegistry & { readonly content: Held }> {
  const registry = await openGuarded()
  const content = held(algorithm)
  await pushHeld(registry, content)
  return Object.assign(registry, { content: content })
}

suite('a denied digest is not to be had by any request', () => {
  for (const algorithm of algorithms)
    for (const { denied, pick, asked, open } of cases)
      test(`${denied}, named by its ${algorithm}`, async () => {
        await using registry = await filled(algorithm)
        const content = registry.content
        for (const { what, before, send } of [...asked(content), ...open(content)])
          assert.equal((await send(registry)).status, before, what)
        await registry.feed.set([denying(pick(content).sha256)])
        for (const { what, send } of asked(content)) {
          const { status, code, message, text } = await send(registry)
          assert.equal(status, 403, what)
          // A reply to HEAD has no body.
          if (text === '') continue
          assert.equal(code, 'DENIED', what)
          assert.match(message, /refused by policy p\n.*DENY_LIST .*CVE-2024-3094/, what)
        }
        for (const { what, before, send } of open(content))
          assert.equal((await send(registry)).status, before, `open: ${what}`)
        await registry.feed.set([])
        for (const { what, before, send } of asked(content))
          assert.equal((await send(registry)).status, before, `lifted: ${what}`)
      })

  test('an exception gives it out again, and it is there no longer when that has gone', async () => {
    await using registry = await filled('sha256')
    const { bad } = registry.content
    const lifting = exception({ images: [{ digest: bad.sha256 }], overrideDeny: true })
    await registry.feed.set([denying(bad.sha256), lifting])
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/bad`)).status, 200)
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/index`)).status, 403)
    await registry.feed.set([denying(bad.sha256)])
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/bad`)).status, 403)
  })

  test('what is denied can be deleted, and what is not there is still not found', async () => {
    await using registry = await filled('sha256')
    const { outer } = registry.content
    await registry.feed.set([denying(outer.sha256)])
    assert.equal((await registry.send('DELETE', `/v2/${name}/manifests/${outer.digest}`)).status, 202)
    assert.equal((await registry.send('GET', `/v2/${name}/manifests/outer`)).status, 404)
  })
})
