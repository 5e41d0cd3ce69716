import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { eventually, openFixture } from './fixture.ts'

const program = fileURLToPath(new URL('recording-process.ts', import.meta.url))
const rounds = 50

test(`SIGKILL under load, ${rounds} times: every change and denial that was answered is in the log, once`, async () => {
  const fixture = openFixture()
  // The fixture only provides folders: the child processes open the store one after another.
  await fixture.metadata.close()
  const answers = join(fixture.folder, 'answers')
  writeFileSync(answers, '')
  const answered = (): string[] => readFileSync(answers, 'utf8').split('\n').slice(0, -1)
  for (let round = 0; round < rounds; round++) {
    const before = statSync(answers).size
    const child = spawn(process.execPath, [program, fixture.folder, answers], { stdio: 'inherit' })
    await eventually(() => statSync(answers).size > before, 'an answer')
    await sleep(Math.random() * 150)
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  const again = openFixture({ folder: fixture.folder })
  try {
    await (await again.open()).close()
    assert.deepEqual(await again.problems(), [])
    const times = new Map<string, number>()
    for (const { id } of await again.events()) times.set(id, (times.get(id) ?? 0) + 1)
    const missing = answered().filter((id) => !times.has(id))
    assert.deepEqual([missing.length, answered().length > 1000], [0, true])
    assert.deepEqual([...times].filter(([, count]) => count > 1), []) // prettier-ignore
  } finally {
    await again.close()
  }
})
