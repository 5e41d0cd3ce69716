import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, suite, test } from 'node:test'
import { checkError } from '../../support/check-result.ts'
import { runCommand, startCommand } from '../../support/run-trow.ts'
import { startedServer, type ServerProcess } from '../../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-backup-'))
after(() => rmSync(root, { recursive: true, force: true }))
const data = join(root, 'data')
const whole = join(root, 'whole.tar')

async function push(server: ServerProcess, size: number): Promise<string> {
  const body = randomBytes(size)
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
  const query = `?digest=${digest}`
  assert.equal(
    (await fetch(`${server.url}/v2/a/blobs/uploads/${query}`, { method: 'POST', body })).status,
    201,
  )
  return digest
}

before(async () => {
  const server = await startedServer({ data })
  for (const size of [300_000, 400_000, 500_000]) await push(server, size)
  await server.stop()
  assert.equal((await runCommand(['backup', '--data', data, whole])).code, 0)
})

suite('trow backup', () => {
  test('says what it has written, where, and how it comes back', async () => {
    const file = join(root, 'told.tar')
    const { stdout } = await runCommand(['backup', '--data', data, file])
    const size = statSync(file).size
    assert.equal(
      stdout,
      `wrote 3 blobs (1.2 MB) and 0 manifests to ${file}, 1.${Math.round(size / 1e5) - 10} MB\n` +
        `  trow restore ${file} --data FOLDER brings it back into an empty folder\n`,
    )
    const toPipe = await runCommand(['backup', '--data', data, '-'])
    assert.match(toPipe.stderr, /^wrote 3 blobs .* to standard output, /)
    const both = await runCommand(['backup', '--data', data, '-', '-o', 'json'])
    assert.deepEqual([both.code, checkError(both.stderr).code, both.stdout], [2, 'OPTIONS_CONFLICT', ''])
  })

  test('a folder that is not there is named before anything is copied', async () => {
    const { code, stderr } = await runCommand(['backup', '--data', data, join(root, 'no', 'such', 'b.tar')])
    assert.equal(code, 1)
    assert.match(stderr, /there is no folder .*no\/such \(FILE_UNWRITABLE\)\n {2}Make it first: mkdir -p/)
  })

  test('of a server that makes one already is refused with the reason, and nothing of it stays', async () => {
    const server = await startedServer({ data })
    const socket = connect(join(data, 'trow.sock'))
    try {
      socket.pause()
      socket.write('GET /backup HTTP/1.1\r\nHost: x\r\n\r\n')
      for (let tries = 0; tries < 200; tries++) {
        if (readdirSync(data).some((name) => name.startsWith('snapshot-'))) break
        await sleep(25)
      }
      const file = join(root, 'second.tar')
      const { code, stderr } = await runCommand(['backup', '--data', data, file])
      assert.equal(code, 1)
      assert.match(stderr, /a collection of garbage or another backup is running \(GARBAGE_BUSY\)/)
      assert.deepEqual(globSync('second.tar*', { cwd: root }), [])
    } finally {
      socket.destroy()
      await server.stop()
    }
  })

  test('lists what the registry had lost before, with 79, and keeps the rest', async () => {
    const [folder, file] = [join(root, 'lossy'), join(root, 'lossy.tar')]
    assert.equal((await runCommand(['restore', '--data', folder, whole])).code, 0)
    const [lost = ''] = globSync('blobs/*/*', { cwd: folder })
    const digest = createHash('sha256')
      .update(readFileSync(join(folder, lost)))
      .digest('hex')
    rmSync(join(folder, lost))
    for (const served of [true, false]) {
      const server = served ? await startedServer({ data: folder }) : undefined
      const { code, stderr } = await runCommand(['backup', '--data', folder, file])
      await server?.stop()
      assert.equal(code, 79, stderr)
      assert.match(stderr, new RegExp(`1 blob is not in the backup: .*\n {2}sha256:${digest}\n`))
      const restored = await runCommand(['restore', '--data', join(root, `lossy-${served}`), file])
      assert.equal(restored.code, 79, restored.stderr)
      assert.match(
        restored.stdout,
        /^restored 3 blobs \(1\.2 MB\) and 0 manifests, without the bytes of 1 of the blobs into /,
      )
      rmSync(file)
    }
  })

  test('that is interrupted leaves nothing', async () => {
    const file = join(root, 'interrupted.tar')
    const command = startCommand(['backup', '--data', data, file])
    for (let tries = 0; tries < 1000 && !command.listens; tries++) await sleep(1)
    assert.equal(await command.interrupt(), 130)
    assert.match(command.stderr(), /interrupted \(INTERRUPTED\)\n {2}Nothing of the backup was kept\.\n$/)
    assert.deepEqual(globSync('interrupted.tar*', { cwd: root }), [])
  })
})

suite('trow restore', () => {
  test('that fails leaves its folder as it was: not there, or empty and usable', async () => {
    const damaged = join(root, 'damaged.tar')
    writeFileSync(damaged, readFileSync(whole).subarray(0, 600_000))
    const [fresh, empty] = [join(root, 'fresh'), join(root, 'empty')]
    mkdirSync(empty)
    for (const [args, code] of [
      [[join(root, 'none.tar')], 'FILE_MISSING'],
      [[damaged], 'BACKUP_TRUNCATED'],
    ] as const) {
      for (const folder of [fresh, empty]) {
        const failed = await runCommand(['restore', '--data', folder, ...args])
        assert.equal(failed.code, 1)
        assert.match(failed.stderr, new RegExp(code))
      }
      assert.equal(existsSync(fresh), false)
      assert.deepEqual(readdirSync(empty), [])
    }
    assert.equal((await runCommand(['restore', '--data', empty, whole])).code, 0)
    assert.equal((await runCommand(['fsck', '--data', empty])).code, 0)
  })

  test('takes a new volume for empty, and leaves what belongs to its file system and to Node', async () => {
    const volume = join(root, 'volume')
    for (const other of ['lost+found', '.cache/trow']) mkdirSync(join(volume, other), { recursive: true })
    const others = ['.cache', 'lost+found']
    const none = join(root, 'none.tar')
    assert.equal((await runCommand(['restore', '--data', volume, none])).code, 1)
    assert.deepEqual(readdirSync(volume).sort(), others)
    assert.equal((await runCommand(['restore', '--data', volume, whole])).code, 0)
    assert.equal((await runCommand(['fsck', '--data', volume])).code, 0)
    assert.deepEqual(
      readdirSync(volume).filter((name) => others.includes(name)),
      others,
    )
  })

  test('that was killed is done again in the same folder, which is not served before', async () => {
    const folder = join(root, 'killed')
    const { openRestoreFolder } = await import('../../../src/storage/restore-folder.ts')
    openRestoreFolder(folder)
    writeFileSync(join(folder, 'trow.db.restoring'), 'half')
    // This very process holds the lock; removing the file has the effect of a process that ended.
    rmSync(join(folder, 'lock.db'))
    const served = await runCommand(['serve', '--listen', '127.0.0.1:0', '--data', folder])
    assert.match(served.stderr, /RESTORE_UNFINISHED/)
    assert.equal((await runCommand(['restore', '--data', folder, whole])).code, 0)
    assert.equal((await runCommand(['fsck', '--data', folder])).code, 0)
    assert.match((await runCommand(['restore', '--data', folder, whole])).stderr, /FOLDER_NOT_EMPTY/)
  })
})

test('trow gc refuses flags that the server of the folder would not follow', async () => {
  const server = await startedServer({ data })
  try {
    const { code, stderr } = await runCommand(['gc', '--dry-run', '--gc-grace', '1m', '--data', data])
    assert.equal(code, 2)
    assert.match(stderr, /--gc-grace has no effect here: the folder is served/)
    assert.equal((await runCommand(['gc', '--dry-run', '--data', data])).code, 0)
  } finally {
    await server.stop()
  }
})
