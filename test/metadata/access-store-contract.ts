import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { AccessStore, RobotRecord, SigningKeyRecord } from '../../src/metadata/access-store.ts'
import { openAround, type OpenedStore } from './metadata-store-contract.ts'

/** What every store of robots and signing keys keeps to, whatever is below it. */
export function accessStoreContract(name: string, open: () => Promise<OpenedStore>): void {
  suite(`${name} keeps the contract of access stores`, () => {
    let store: AccessStore
    let other: AccessStore
    openAround(open, (opened) => {
      store = opened.store.access
      other = opened.other.access
    })

    const robot = (given: Partial<RobotRecord> & { readonly name: string }): RobotRecord => ({
      description: undefined,
      secretHash: 'ab'.repeat(32),
      credentialId: 'c1',
      grants: '[]',
      createdAt: 1,
      expiresAt: undefined,
      ...given,
    })
    const key = (id: string, createdAt: number): SigningKeyRecord => ({
      id,
      privateKey: `key of ${id}`,
      createdAt,
    })

    test('a robot is found as it was added, on every worker at once', async () => {
      const full = robot({ name: 'full', description: 'builds', grants: '[{}]', expiresAt: 9 })
      assert.equal(await store.addRobot(full), true)
      assert.deepEqual(await other.findRobot('full'), full)
      assert.equal(await other.findRobot('Full'), undefined)
    })

    test('a name is taken once; the one who has it stays unchanged', async () => {
      assert.equal(await store.addRobot(robot({ name: 'once' })), true)
      assert.equal(await other.addRobot(robot({ name: 'once', secretHash: 'cd'.repeat(32) })), false)
      assert.equal((await store.findRobot('once'))?.secretHash, 'ab'.repeat(32))
    })

    test('of two that come at once one gets the name', async () => {
      const added = await Promise.all([
        store.addRobot(robot({ name: 'race', credentialId: 'a' })),
        other.addRobot(robot({ name: 'race', credentialId: 'b' })),
      ])
      assert.equal(added.filter(Boolean).length, 1)
    })

    test('a removed robot is gone, and its name free', async () => {
      await store.addRobot(robot({ name: 'gone' }))
      assert.equal(await store.removeRobot('gone'), true)
      assert.equal(await other.findRobot('gone'), undefined)
      assert.equal(await store.removeRobot('gone'), false)
      assert.equal(await store.addRobot(robot({ name: 'gone' })), true)
    })

    test('robots are listed by name', async () => {
      await store.addRobot(robot({ name: 'z' }))
      await store.addRobot(robot({ name: 'a' }))
      const names = (await other.listRobots()).map((each) => each.name)
      assert.deepEqual(names, [...names].sort())
      assert.ok(names.includes('a') && names.includes('z'))
    })

    test('signing keys rotate once, newest first, and old ones are forgotten', async () => {
      const rotate = (each: SigningKeyRecord, unlessNewerThan: number, forgetBefore = 0): Promise<void> =>
        store.rotateSigningKey(each, { unlessNewerThan, forgetBefore })
      await Promise.all([rotate(key('first', 100), 50), rotate(key('second', 101), 50)])
      const [only, ...none] = await other.signingKeys()
      assert.ok(only?.id === 'first' || only?.id === 'second')
      assert.deepEqual(none, [])
      await rotate(key('third', 200), 150)
      assert.deepEqual(
        (await other.signingKeys()).map(({ id }) => id),
        ['third', only.id],
      )
      assert.deepEqual((await store.signingKeys())[0], key('third', 200))
      await rotate(key('fourth', 300), 100, 200)
      assert.deepEqual(
        (await other.signingKeys()).map(({ id }) => id),
        ['third'],
      )
    })

    test('of each name the newest sources of logins are kept, and none that are old', async () => {
      const limits = { most: 2, forgetBefore: 5 }
      for (const seenAt of [3, 6, 7, 8])
        await store.saveLoginSource({ name: 'ada', network: `10.0.0.${seenAt}`, seenAt }, limits)
      await store.saveLoginSource({ name: 'ada', network: '10.0.0.7', seenAt: 9 }, limits)
      await store.saveLoginSource({ name: 'bob', network: '10.0.0.1', seenAt: 6 }, limits)
      const kept = [
        { name: 'ada', network: '10.0.0.7', seenAt: 9 },
        { name: 'ada', network: '10.0.0.8', seenAt: 8 },
        { name: 'bob', network: '10.0.0.1', seenAt: 6 },
      ]
      assert.deepEqual(await other.loginSources(10), kept)
      assert.deepEqual(await other.loginSources(1), kept.slice(0, 1))
    })
  })
}
