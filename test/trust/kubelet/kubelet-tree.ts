import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MachineOptions } from '../../../src/trust/node-trust.ts'
import { MachineTree, type Tree } from '../machine-tree.ts'
import { nodeOf } from '../platforms.ts'

const boot = '/proc/sys/kernel/random/boot_id'

/** A machine with or without a running kubelet; no program is started. */
export class KubeletTree {
  readonly tree: MachineTree
  readonly options: MachineOptions
  #pid = 100

  constructor(files: Tree = {}, { kubeletVersion = 'v1.37.2' }: { readonly kubeletVersion?: string } = {}) {
    this.tree = new MachineTree({
      '/etc/containerd/config.toml':
        'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\n  config_path = "/etc/containerd/certs.d"\n',
      '/etc/kubernetes/': '',
      '/var/lib/kubelet/': '',
      [boot]: 'one\n',
      ...files,
    })
    this.options = {
      hostRoot: this.tree.root,
      node: { name: 'n1', ...nodeOf('containerd://2.3.7', { kubeletVersion }) },
    }
  }

  /** Another kubelet replaces the running one. `start` is in clock ticks, by default later than before. */
  run(args: readonly string[], { start = (this.#pid + 1) * 1000, program = '/usr/bin/kubelet' } = {}): void {
    this.stop()
    this.#pid++
    this.#write([program, ...args], this.#pid, start)
  }

  /** Adds a second running kubelet. */
  runBeside(args: readonly string[]): void {
    this.#write(['/usr/bin/kubelet', ...args], 999, 5)
  }

  stop(): void {
    rmSync(join(this.tree.root, 'proc', String(this.#pid)), { recursive: true, force: true })
  }

  restartMachine(): void {
    this.tree.write(boot, 'two\n')
  }

  /** Returns all files except those of the kernel (/proc). */
  files(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.tree.all()).filter(([path]) => !/^proc(\/|$)/.test(path)))
  }

  #write(args: readonly string[], pid: number, start: number): void {
    const folder = join(this.tree.root, 'proc', String(pid))
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'cmdline'), `${args.join('\0')}\0`)
    // A name may contain spaces and parentheses. The start time is the 22nd field (proc_pid_stat(5)).
    writeFileSync(join(folder, 'stat'), `${pid} (kube) let) S ${'1 '.repeat(18)}${start} 0 0\n`)
    writeFileSync(join(folder, 'cgroup'), '0::/system.slice/kubelet.service\n')
  }

  [Symbol.dispose](): void {
    this.tree[Symbol.dispose]()
  }
}
