import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Cluster } from './cluster.ts'

const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs trow, or another of its programs, without a terminal, with `home` as home folder. `onStderr` is called with all of
 * the output so far, each time that there is more.
 */
export async function runInCluster(
  args: readonly string[],
  home: string,
  trow = program,
  onStderr: (said: string) => void = () => {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [trow, ...args], {
    env: { PATH: process.env['PATH'], HOME: home, LANG: 'C.UTF-8' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => onStderr((stderr += text)))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}

/** The path of a kubeconfig of somebody who may do everything, good for this process. */
export async function installerKubeconfig(cluster: Cluster): Promise<string> {
  const { port } = await cluster.relay()
  const server = `https://127.0.0.1:${port}`
  return cluster.clientKubeconfig({ user: 'installer', groups: ['system:masters'], server })
}
