import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeFolder } from '../src/new-folder.ts'

// The test reads the names of open descriptors from /proc.
const skip = process.platform === 'linux' ? false : 'needs Linux'

test(
  'a new folder is entered for good in each folder above it that is new, and in the first that is not',
  { skip },
  (t) => {
    const root = fs.mkdtempSync(join(tmpdir(), 'trow-folder-'))
    t.after(() => fs.rmSync(root, { recursive: true }))
    const flushed: string[] = []
    const { fsyncSync } = fs
    t.mock.method(fs, 'fsyncSync', (fd: number) => {
      flushed.push(fs.readlinkSync(`/proc/self/fd/${fd}`))
      fsyncSync(fd)
    })
    makeFolder(join(root, 'a/b/data'))
    assert.deepEqual(flushed.sort(), [root, join(root, 'a'), join(root, 'a/b')])
    assert.ok(fs.statSync(join(root, 'a/b/data')).isDirectory())
    makeFolder(join(root, 'a/b/data'))
    assert.equal(flushed.length, 3, 'what was there already needs nothing')
  },
)
