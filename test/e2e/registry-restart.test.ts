import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { imageProblem } from '../support/trow-image.ts'
import { runInCluster } from './command-line.ts'
import { longestGap } from './endpoint-gap.ts'
import { busyboxImage } from './image.ts'
import { InstallFixture, podProcesses } from './install-fixture.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

/**
 * Pulls do not fail when the registry restarts, also on a machine without an idle processor. The tests print the figures as
 * diagnostics; docs/node-agent.md explains them.
 */
suite('the registry is away', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture

  before(async () => {
    trow = await InstallFixture.open('restart')
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    // The layer is large, so that its download can be cut in the middle.
    const files = [...busyboxImage().files, { path: 'content', content: randomBytes(24 << 20) }]
    await trow.push({ ...busyboxImage(), name: 'loop', files }, 'default/loop:1')
    await trow.healthy()
  })
  after(() => trow.close())

  /** Returns the process id of the registry. */
  function registry(): number {
    const [pid, ...others] = podProcesses(trow.cluster.nodes[0]!, 'serve')
    assert.ok(pid !== undefined && others.length === 0)
    return pid
  }
  async function killed(): Promise<void> {
    const pid = registry()
    process.kill(pid, 'SIGKILL')
    await eventually(async () => assert.ok(registry() !== pid), 60_000)
  }

  /** Describes the phases of a restart, from the pod and its log. */
  async function lastStart(): Promise<string> {
    const fields = [
      'created {.metadata.creationTimestamp}',
      'started {.status.containerStatuses[0].state.running.startedAt}',
      'ready {.status.conditions[?(@.type=="Ready")].lastTransitionTime}',
    ]
    const pod = await trow.kubectl(
      '-n',
      'trow',
      'get',
      'pod',
      'trow-0',
      '-o',
      `jsonpath=${fields.join(', ')}`,
    )
    const log = await trow.kubectl('-n', 'trow', 'logs', 'trow-0')
    const listening = /"time":"([^"]+)"[^\n]*"msg":"listening"/.exec(log)?.[1]
    return `${pod}, listening ${listening}`
  }

  const absences: Readonly<Record<string, () => Promise<void>>> = {
    'its pod is deleted': async () => {
      await trow.kubectl('-n', 'trow', 'delete', 'pod', 'trow-0')
    },
    'its process is killed': killed,
    'it is killed twice more, within the back-off': async () => {
      await killed()
      await sleep(2000)
      await killed()
    },
    'it is frozen for 20 s': async () => {
      const pid = registry()
      process.kill(pid, 'SIGSTOP')
      try {
        await sleep(20_000)
      } finally {
        process.kill(pid, 'SIGCONT')
      }
    },
  }
  for (const [what, happen] of Object.entries(absences)) {
    test(`${what}: no pull fails`, async (context) => {
      const load = Array.from({ length: availableParallelism() }, () =>
        spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
      )
      let gap = 0
      try {
        const pulls = await trow.pullWhile(trow.cluster.nodes, async () => {
          const watched = new AbortController()
          const longest = longestGap({ kubeconfig: trow.kubeconfig, home: trow.folder }, watched.signal)
          await sleep(4000)
          const began = new Date().toISOString()
          await happen()
          await trow.kubectl('-n', 'trow', 'wait', '--for=create', 'pod/trow-0', '--timeout=120s')
          await trow.kubectl('-n', 'trow', 'wait', '--for=condition=Ready', 'pod/trow-0', '--timeout=120s')
          await sleep(4000)
          watched.abort()
          gap = await longest
          context.diagnostic(`begun ${began}; ${await lastStart()}`)
        })
        const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(1)
        context.diagnostic(
          `${pulls.count} pulls, ${pulls.failures.length} failed, the slowest took ${seconds(pulls.longest)} s; ` +
            `the cluster knew of nobody for ${seconds(gap)} s`,
        )
        assert.deepEqual(pulls.failures, [])
        assert.ok(pulls.count > 5)
      } finally {
        for (const child of load) child.kill('SIGKILL')
      }
    })
  }

  const scale = async (replicas: number): Promise<void> => {
    await trow.kubectl('-n', 'trow', 'scale', 'statefulset', 'trow', `--replicas=${replicas}`)
    if (replicas === 0)
      await trow.kubectl('-n', 'trow', 'wait', '--for=delete', 'pod/trow-0', '--timeout=90s')
  }

  test('a push without a pod soon says what it waits for, and ends with a hint', async (context) => {
    const archive = await trow.archive({ ...busyboxImage(), name: 'late' })
    const push = ['push', archive, 'default/late:1', '--kubeconfig', trow.kubeconfig]
    await scale(0)
    const began = performance.now()
    const seconds = (): number => (performance.now() - began) / 1000
    let first = Infinity
    const ended = await runInCluster(push, trow.folder, undefined, (said) => {
      if (said.includes('waiting for the registry: ')) first = Math.min(first, seconds())
    })
    context.diagnostic(
      `first word after ${first.toFixed(1)} s, exit code ${ended.code} after ${seconds().toFixed(1)} s\n${ended.stderr}`,
    )
    assert.equal(ended.code, 69)
    assert.ok(first < 15)
    assert.ok(seconds() < 150)
    assert.match(ended.stderr, /REGISTRY_NOT_READY/)
    assert.match(ended.stderr, /trow status --kubeconfig \S+ says why/)

    const patient = runInCluster(push, trow.folder)
    await scale(1)
    const { code, stderr } = await patient
    context.diagnostic(stderr)
    assert.equal(code, 0, stderr)
  })
})
