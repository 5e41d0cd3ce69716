import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AccessStore, RobotRecord, SigningKeyRecord } from '../../src/metadata/access-store.ts'
import { openAround, type OpenedStore } from './metadata-store-contract.ts'

/** The contract of every store of robots and signing keys. */
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

    test('signing keys rotate once, newest first', async () => {
      const ages = { rotateAfter: 3_600_000, forgetAfter: 3_600_000 }
      const ids = async (): Promise<readonly string[]> => (await other.signingKeys()).map(({ id }) => id)
      await Promise.all([
        store.rotateSigningKey(key('first', Date.now()), ages),
        other.rotateSigningKey(key('second', Date.now()), ages),
      ])
      const [only, ...none] = await ids()
      assert.ok(only === 'first' || only === 'second')
      assert.deepEqual(none, [])
      await sleep(5)
      await store.rotateSigningKey(key('third', Date.now()), { ...ages, rotateAfter: 1 })
      assert.deepEqual(await ids(), ['third', only])
      const [third] = await store.signingKeys()
      assert.equal(third?.privateKey, 'key of third')
      assert.ok(Math.abs(third.createdAt - Date.now()) < 60_000)
    })

    test('a signing key stays until another one has followed it for long enough', async () => {
      const rotate = (id: string, forgetAfter: number): Promise<void> =>
        store.rotateSigningKey(key(id, Date.now()), { rotateAfter: 0, forgetAfter })
      await sleep(300)
      await rotate('old', 3_600_000)
      await sleep(1600)
      await rotate('follower', 3_600_000)
      await sleep(5)
      // The old key is older than that, and may have signed until the other one came.
      await rotate('newest', 1500)
      const ids = (await other.signingKeys()).map(({ id }) => id)
      assert.deepEqual(ids.slice(0, 3), ['newest', 'follower', 'old'])
      assert.ok(!ids.includes('third'))
      await sleep(1600)
      await rotate('last', 1500)
      assert.deepEqual(
        (await other.signingKeys()).map(({ id }) => id),
        ['last', 'newest'],
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
