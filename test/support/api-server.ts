import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { Authority, makeTokenKeys } from './certificate-authority.ts'
import { binary, missingBinaries } from './cluster-binaries.ts'
import { eventually, runProgram, type ProgramOptions } from './program.ts'

/** For `suite({ skip })`: false, or why there is no API server here. */
export function apiServerProblem(): string | false {
  const missing = missingBinaries().filter((name) => name !== 'containerd')
  return missing.length === 0
    ? false
    : `${missing.join(' and ')} has not been built: npm run test:e2e builds it`
}

/**
 * etcd and kube-apiserver alone, on ports of 127.0.0.1: objects are stored and admitted, and nothing runs them. Needs no root and no
 * network, starts in some seconds, and several may run at a time.
 */
export class ApiServer {
  readonly server: string
  readonly #folder: string
  readonly #children: ChildProcess[] = []

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.server = `https://127.0.0.1:${port}`
  }

  static async start(): Promise<ApiServer> {
    const folder = mkdtempSync(join(tmpdir(), 'trow-api-server-'))
    const [client, peer, secure] = [await freePort(), await freePort(), await freePort()]
    const started = new ApiServer(folder, secure)
    try {
      await started.#start({ client, peer, secure })
      return started
    } catch (error) {
      const log = readFileSync(join(folder, 'kube-apiserver.log'), 'utf8').slice(-2000)
      await started.close()
      throw new Error(`the API server did not start\n${log}`, { cause: error })
    }
  }

  /** The administrator's. */
  get kubeconfig(): string {
    return join(this.#folder, 'admin.kubeconfig')
  }

  async kubectl(args: readonly string[], options: ProgramOptions = {}): Promise<string> {
    const env = { ...options.env, KUBECACHEDIR: join(this.#folder, 'kubectl-cache'), KUBERC: 'off' }
    return runProgram(binary('kubectl'), ['--kubeconfig', this.kubeconfig, ...args], { ...options, env })
  }

  /** Its own audit log: a JSON event a line, of requests for pods. */
  get auditLog(): string {
    return readFileSync(join(this.#folder, 'audit.log'), 'utf8')
  }

  async close(): Promise<void> {
    for (const child of this.#children.toReversed()) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      if (child.exitCode !== null || child.signalCode !== null || !child.kill('SIGKILL')) continue
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #start(ports: {
    readonly client: number
    readonly peer: number
    readonly secure: number
  }): Promise<void> {
    const path = (name: string): string => join(this.#folder, name)
    const authority = await Authority.create(this.#folder)
    const keys = makeTokenKeys()
    writeFileSync(path('tokens.pub'), keys.publicKey)
    writeFileSync(path('tokens.key'), keys.privateKey)
    const own = await authority.issue({ user: 'kube-apiserver', names: ['127.0.0.1', 'localhost'] })
    writeFileSync(path('server.crt'), own.cert)
    writeFileSync(path('server.key'), own.key)
    const admin = await authority.issue({ user: 'admin', groups: ['system:masters'] })
    const base64 = (text: string): string => Buffer.from(text).toString('base64')
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'it', cluster: { server: this.server, 'certificate-authority': authority.file } }],
      users: [
        {
          name: 'it',
          user: { 'client-certificate-data': base64(admin.cert), 'client-key-data': base64(admin.key) },
        },
      ],
      contexts: [{ name: 'it', context: { cluster: 'it', user: 'it' } }],
      'current-context': 'it',
    }
    writeFileSync(this.kubeconfig, JSON.stringify(config))
    const pods = [{ group: '', resources: ['pods'] }]
    const audited = [
      { level: 'Metadata', omitStages: ['RequestReceived'], resources: pods },
      { level: 'None' },
    ]
    const auditPolicy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: audited }
    writeFileSync(path('audit-policy.json'), JSON.stringify(auditPolicy))
    const etcd = `http://127.0.0.1:${ports.client}`
    this.#spawn('etcd', [
      `--data-dir=${path('etcd')}`,
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=http://127.0.0.1:${ports.peer}`,
      '--unsafe-no-fsync',
    ])
    this.#spawn('kube-apiserver', [
      `--etcd-servers=${etcd}`,
      `--secure-port=${ports.secure}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      '--endpoint-reconciler-type=none',
      `--cert-dir=${this.#folder}`,
      `--audit-policy-file=${path('audit-policy.json')}`,
      `--audit-log-path=${path('audit.log')}`,
      `--client-ca-file=${authority.file}`,
      `--tls-cert-file=${path('server.crt')}`,
      `--tls-private-key-file=${path('server.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${path('tokens.pub')}`,
      `--service-account-signing-key-file=${path('tokens.key')}`,
      '--authorization-mode=Node,RBAC',
      // No controller makes the accounts that pods would need.
      '--disable-admission-plugins=ServiceAccount',
    ])
    await eventually(() => this.kubectl(['get', '--raw', '/readyz', '--request-timeout=5s']))
    await eventually(() => this.kubectl(['get', 'namespace', 'default']))
  }

  #spawn(name: string, args: readonly string[]): void {
    const log = openSync(join(this.#folder, `${name}.log`), 'a')
    const child = spawn(binary(name), args, { stdio: ['ignore', log, log] })
    this.#children.push(child)
    // Of a test that ends without its hooks.
    const end = (): void => void child.kill('SIGKILL')
    process.once('exit', end)
    child.once('exit', () => process.off('exit', end))
    closeSync(log)
  }
}
