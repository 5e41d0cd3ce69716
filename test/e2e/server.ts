import { spawn } from 'node:child_process'
import { existsSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binary, binaryFolders } from '../support/cluster-binaries.ts'
import { eventually } from '../support/program.ts'
import type { ClusterNode } from './node.ts'

/** A server of the cluster in the namespaces of a node. It outlives the process that started it, since several processes share it. */
export class ClusterServer {
  readonly name: string
  readonly #node: ClusterNode

  constructor(node: ClusterNode, name: string) {
    this.#node = node
    this.name = name
  }

  get logFile(): string {
    return join(this.#node.folder, `${this.name}.log`)
  }

  /** `again`: whenever it ends, it is started again, as a kubelet does with the servers of a real control plane. */
  start(args: readonly string[], { again = false } = {}): void {
    const log = openSync(this.logFile, 'a')
    const loop = again ? ['sh', '-c', 'while :; do "$0" "$@"; sleep 1; done'] : []
    const child = spawn('nsenter', [...this.#node.entrance, ...loop, binary(this.name), ...args], {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, PATH: `${binaryFolders().join(':')}:${process.env['PATH']}:/usr/sbin:/sbin` },
    })
    closeSync(log)
    child.unref()
    writeFileSync(this.#pidFile, String(child.pid))
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pid, signal)
  }

  async kill(): Promise<void> {
    const pid = this.#pid
    process.kill(pid, 'SIGKILL')
    await eventually(async () => {
      if (isRunning(pid)) throw new Error(`${this.name} does not end`)
    })
  }

  isRunning(): boolean {
    return existsSync(this.#pidFile) && isRunning(this.#pid)
  }

  get #pidFile(): string {
    return join(this.#node.folder, `${this.name}.pid`)
  }

  get #pid(): number {
    return Number(readFileSync(this.#pidFile, 'utf8'))
  }
}

function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
