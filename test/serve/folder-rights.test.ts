import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { warnOfWideFolders } from '../../src/serve/folder-rights.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-rights-'))
after(() => rmSync(folder, { recursive: true }))

const inPod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }

for (const [what, mode, env, named] of [
  ['of its owner alone', 0o700, {}, false],
  ['that the group may list', 0o750, {}, true],
  ['that others may list', 0o755, {}, true],
  ['in a pod, opened by the kubelet for fsGroup', 0o2775, inPod, false],
  ['opened for a group, but in no pod', 0o2775, {}, true],
  ['in a pod, wide without fsGroup', 0o777, inPod, true],
] as const) {
  test(`a folder ${what} is ${named ? 'named' : 'not named'}`, () => {
    chmodSync(folder, mode)
    const said: string[] = []
    const log = { debug() {}, info() {}, error() {}, warn: (text: string) => void said.push(text) }
    warnOfWideFolders([folder, join(folder, 'missing')], env, log)
    assert.deepEqual(
      said,
      named ? [`other users of this machine get into ${folder}: chmod 700 ${folder}`] : [],
    )
  })
}
