import assert from 'node:assert/strict'
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
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
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, suite, test } from 'node:test'
import { claimPort } from '../../src/serve/claim-port.ts'
import { runCommand } from '../support/run-trow.ts'
import { runTrow, startedServer } from '../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-local-user-'))
// The parent folders let the other user reach the data folder, so that only trow's own modes protect it.
chmodSync(root, 0o755)
after(() => rmSync(root, { recursive: true, force: true }))

const noOther = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'needs Linux and root'
const umaskOpen = ['sh', '-c', 'umask 000; exec "$@"', 'sh'] as const
const htpasswd = join(root, 'htpasswd')

before(async () => {
  await runCommand(['user', 'add', 'alice', '--htpasswd', htpasswd], { input: 'secret-1' })
})

/** Runs a program as user 65534, who is in none of the groups of this process. */
function startOther(program: string, ...args: readonly string[]): ChildProcessByStdio<null, Readable, null> {
  const drop = 'process.setgroups([]);process.setgid(65534);process.setuid(65534);'
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit']
  return spawn(process.execPath, ['-e', `${drop}${program}`, ...args], { cwd: '/', stdio })
}

/** Resolves to the output. */
async function asOther(program: string, ...args: readonly string[]): Promise<string> {
  const child = startOther(program, ...args)
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  await once(child, 'close')
  return printed
}

/** Returns the files below a folder that user 65534 can read. */
const readable = `
const fs = require('node:fs')
const path = require('node:path')
const walk = (folder) => {
  let names = []
  try { names = fs.readdirSync(folder, { withFileTypes: true }) } catch {}
  for (const entry of names) {
    const at = path.join(folder, entry.name)
    if (entry.isDirectory()) walk(at)
    else if (entry.isFile()) try { fs.closeSync(fs.openSync(at, 'r')); console.log(at) } catch {}
  }
}
walk(process.argv[1])
`

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
}

const wide = (path: string): boolean => (statSync(path).mode & 0o077) !== 0

/** Local addresses of the UDP sockets of this network namespace, as the kernel prints them. */
function udpSockets(): string[] {
  const lines = readFileSync('/proc/net/udp', 'latin1').trim().split('\n').slice(1)
  return lines.map((line) => line.trim().split(/\s+/)[1] ?? '')
}

suite('another user of the machine', { skip: noOther }, () => {
  test('reads no file of a data folder that stood there open, with an umask that takes nothing away', async () => {
    const data = join(root, 'open')
    mkdirSync(data)
    for (const name of ['trow.db', 'trow.db-wal', 'lock.db'])
      writeFileSync(join(data, name), '', { mode: 0o644 })
    mkdirSync(join(data, 'tls'))
    for (const folder of [data, join(data, 'tls')]) chmodSync(folder, 0o755)
    // The key is written to a temporary file here before it gets its name.
    writeFileSync(join(data, 'tls', 'ca.key.new'), '')
    chmodSync(join(data, 'tls', 'ca.key.new'), 0o666)
    const server = await startedServer({
      data,
      args: ['--htpasswd', htpasswd, '--tls-auto'],
      within: umaskOpen,
    })
    try {
      assert.ok(
        filesOf(data).some((file) => file.endsWith('trow.db-shm')),
        'there is nothing to look for',
      )
      assert.ok(filesOf(data).some((file) => file.endsWith('ca.key')))
      assert.equal(await asOther(readable, data), '')
      assert.match(server.output(), /other users of this machine get into .*open: chmod 700/)
      const reached = await asOther(
        `require('node:net').connect(process.argv[1]).on('connect', () => { console.log('connected'); process.exit() })
         .on('error', (error) => console.log(error.code))`,
        join(data, 'trow.sock'),
      )
      assert.equal(reached.trim(), 'EACCES')
    } finally {
      await server.stop()
    }
  })

  test('reads no copy of the database that a backup makes, no backup, and nothing that is restored', async () => {
    const data = join(root, 'copied')
    const wrap = (args: readonly string[]): ReturnType<typeof runTrow> => runTrow(args, { within: umaskOpen })
    const server = await startedServer({ data, within: umaskOpen })
    chmodSync(data, 0o755)
    try {
      // The backup waits for its reader, and its copy of the database exists meanwhile.
      const socket = connect(join(data, 'trow.sock'))
      for (let n = 0; n < 20; n++) {
        const body = Buffer.alloc(1_000_000, n)
        const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
        await fetch(`${server.url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body })
      }
      socket.pause()
      socket.write('GET /backup HTTP/1.1\r\nHost: x\r\n\r\n')
      for (let tries = 0; tries < 100; tries++) {
        if (readdirSync(data).some((name) => name.startsWith('snapshot-'))) break
        await sleep(50)
      }
      const copy = readdirSync(data).filter((name) => name.startsWith('snapshot-'))
      assert.ok(copy.length > 0, 'no copy was seen')
      assert.equal(await asOther(readable, data), '')
      socket.destroy()
    } finally {
      await server.stop()
    }
    const [file, planted] = [join(root, 'backup.tar'), join(root, 'backup.tar.part')]
    writeFileSync(planted, '', { mode: 0o666 })
    assert.equal((await wrap(['backup', '--data', data, file])).code, 0)
    assert.ok(!wide(file), 'the backup')
    const restored = join(root, 'restored')
    mkdirSync(restored)
    chmodSync(restored, 0o755)
    assert.equal((await wrap(['restore', '--data', restored, file])).code, 0)
    assert.deepEqual(filesOf(restored).filter(wide), [])
    assert.equal(await asOther(readable, restored), '')
  })
})

suite('another user of the machine, and the port', { skip: noOther }, () => {
  test('keeps no server from starting, and a second one of the same user is still refused', async () => {
    const before = udpSockets()
    const { port, release } = await claimPort('127.0.0.1', 0, { shared: true })
    const [place = ''] = udpSockets().filter((each) => !before.includes(each))
    await release()
    const [number = '', at = ''] = place.split(':')
    const address = [6, 4, 2, 0].map((digit) => Number.parseInt(number.slice(digit, digit + 2), 16)).join('.')
    const squatter = startOther(
      `require('node:net').createServer().listen({ path: '\\0trow-listens-127.0.0.1-${port}' }, () => {
         const socket = require('node:dgram').createSocket('udp4')
         socket.bind({ address: '${address}', port: ${Number.parseInt(at, 16)}, exclusive: true }, () => console.log('sits'))
       })`,
    )
    try {
      const [said] = (await once(squatter.stdout, 'data')) as [Buffer]
      assert.equal(said.toString().trim(), 'sits')
      const first = await claimPort('127.0.0.1', port, { shared: true })
      await assert.rejects(claimPort('127.0.0.1', port, { shared: true }), { code: 'PORT_TAKEN' })
      squatter.kill()
      await once(squatter, 'close')
      await assert.rejects(claimPort('127.0.0.1', port, { shared: true }), { code: 'PORT_TAKEN' })
      await first.release()
      await (await claimPort('127.0.0.1', port, { shared: true })).release()
    } finally {
      squatter.kill()
    }
  })
})

test('every file with a secret that a command writes is for its owner alone, whatever the umask', async () => {
  const home = join(root, 'home')
  mkdirSync(home)
  const users = join(home, 'users')
  const before = process.umask(0)
  try {
    const added = await runCommand(['user', 'add', 'bob', '--htpasswd', users], {
      input: 'secret-2',
    })
    assert.equal(added.code, 0, added.stderr)
  } finally {
    process.umask(before)
  }
  assert.deepEqual(filesOf(home).filter(wide), [])
})
