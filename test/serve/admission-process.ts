import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import {
  admissionClusterRules,
  admissionEnvironment,
  admissionNames,
  admissionPorts,
  admissionRules,
  serviceHost,
  webhookEntries,
} from '../../src/cluster/admission-layout.ts'
import { names } from '../../src/cluster/layout.ts'
import type { Answered, Sender, Sent } from '../enforcement/guarded-registry.ts'
import { ClusterApi, type UsedRight } from '../support/cluster-api.ts'
import { jwt } from '../support/fake-api-server.ts'
import { eventually } from '../support/program.ts'
import { runTrow, startedServer, type ServerProcess } from '../support/server-process.ts'

const checkout = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
export const host = serviceHost(admissionNames.workload, 'trow')
export const reporter = 'system:serviceaccount:trow:trow-admission'
export const pusher = 'system:serviceaccount:team:pusher'
const publicNamespace = 'open'

/** What an install makes, as far as the admission pods meet it. */
export function installObjects({ failurePolicy = 'Ignore' } = {}): readonly object[] {
  const named = (kind: string, apiVersion: string, name: string): object => ({
    apiVersion,
    kind,
    metadata: { name, namespace: 'trow' },
  })
  return [
    { ...named('Secret', 'v1', admissionNames.certificate), type: 'Opaque' },
    { ...named('ConfigMap', 'v1', admissionNames.wishes), data: { failurePolicy, excluded: 'kube-system' } },
    named('ConfigMap', 'v1', names.running),
    named('Lease', 'coordination.k8s.io/v1', admissionNames.lease),
    { ...named('Deployment', 'apps/v1', admissionNames.workload), status: { readyReplicas: 1 } },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: admissionNames.webhooks },
      webhooks: Object.values(webhookEntries).map(({ name }) => ({
        name,
        failurePolicy: 'Ignore',
        clientConfig: {
          service: { name: admissionNames.workload, namespace: 'trow', port: admissionPorts.service },
        },
        namespaceSelector: {
          matchExpressions: [
            { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['trow', 'kube-system'] },
          ],
        },
      })),
    },
  ]
}

export interface AdmissionAnswer {
  readonly status: number
  readonly uid: string
  readonly isAllowed: boolean
  readonly message: string
  readonly warnings: readonly string[]
}

/** A cluster's API server, a registry with access control, and admission processes beside it, all real but the first. */
export class AdmissionInstall implements Sender, AsyncDisposable {
  readonly api = new ClusterApi()
  readonly root = mkdtempSync(join(tmpdir(), 'trow-admission-'))
  readonly processes: AdmissionProcess[] = []
  #registry: ServerProcess | undefined
  readonly #program: string
  #config = ''

  /** `program`: another installation's `bin/trow.js`. */
  constructor(program = checkout) {
    this.#program = program
  }

  get registry(): ServerProcess {
    if (this.#registry === undefined) throw new Error('it was not started')
    return this.#registry
  }

  async start(settings: Readonly<Record<string, unknown>> = {}): Promise<this> {
    const { api } = this
    api.may = ({ user, resource, namespace }) =>
      (user === reporter && resource === 'admission') ||
      (resource === 'repositories' && namespace === publicNamespace)
    api.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x', namespace: 'other' } })
    for (const object of installObjects()) api.put(object, 'trow')
    api.rights = (credential) => (credential === 'admission-credential' ? isGranted : undefined)
    writeFileSync(this.at('kubeconfig'), await api.kubeconfig(), { mode: 0o600 })
    writeFileSync(this.at('kubeconfig-admission'), await api.kubeconfig('admission-credential'), {
      mode: 0o600,
    })
    writeFileSync(this.at('token'), `${this.token(reporter)}\n`)
    this.#config = this.at('trow.yaml')
    writeFileSync(
      this.#config,
      stringify({
        kubernetes: true,
        kubeconfig: this.at('kubeconfig'),
        'token-hosts': ['trow.example'],
        'policy-cluster': true,
        'log-format': 'json',
        access: [
          { who: ['service-accounts'], repositories: ['{namespace}/**'], actions: ['pull'] },
          { who: [pusher], repositories: ['**'], actions: ['pull', 'push'] },
        ],
        ...settings,
      }),
    )
    this.#registry = await this.startRegistry()
    return this
  }

  startRegistry(port = 0): Promise<ServerProcess> {
    const args = ['--config', this.#config, '--tls-auto', '--workers', '1']
    return startedServer({ data: this.at('registry'), args, port, program: this.#program })
  }

  async restartRegistry(): Promise<void> {
    this.#registry = await this.startRegistry(Number(new URL(this.registry.url).port))
  }

  /** Starts another admission process; resolves when it is ready. */
  async admission(args: readonly string[] = []): Promise<AdmissionProcess> {
    const process = this.begin(args)
    await eventually(() => process.ready(), 20_000)
    return process
  }

  /** The same without waiting for anything. */
  begin(args: readonly string[] = []): AdmissionProcess {
    const process = new AdmissionProcess(
      [
        this.#program,
        'admission',
        '--config',
        this.#config,
        '--kubeconfig',
        this.at('kubeconfig-admission'),
        '--listen',
        '127.0.0.1:0',
        '--metrics-listen',
        '127.0.0.1:0',
        '--data',
        this.at(`admission-${this.processes.length}`),
        '--registry',
        this.registry.url,
        '--registry-ca',
        this.at('registry/tls/ca.crt'),
        '--registry-token',
        this.at('token'),
        ...args,
      ],
      () => this.bundle,
    )
    this.processes.push(process)
    return process
  }

  /** A request to the registry. `account`: undefined is nobody. */
  registryRequest(
    method: string,
    path: string,
    { account, headers = {}, body }: Sent & { readonly account?: string | undefined } = {},
  ): Promise<Answered> {
    const authorization = account === undefined ? {} : { authorization: `Bearer ${this.token(account)}` }
    const { hostname, port } = new URL(this.registry.url)
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    return new Promise((resolve, reject) => {
      const options = { host: hostname, port, method, path, agent: false, rejectUnauthorized: false }
      const sent = https.request(
        { ...options, headers: { ...authorization, ...length, ...headers } },
        (reply) => {
          const chunks: Buffer[] = []
          reply.on('data', (chunk: Buffer) => chunks.push(chunk))
          reply.on('error', reject)
          reply.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            const code = /"code":"([A-Z_]+)"/.exec(text)?.[1]
            resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text, code, message: text })
          })
        },
      )
      sent.on('error', reject)
      sent.end(body)
    })
  }

  /** A token of a service account, which the API server knows from now on. */
  token(account: string): string {
    const token = jwt({ aud: ['trow'], exp: Math.floor(Date.now() / 1000) + 3600, sub: account })
    const groups = ['system:serviceaccounts', 'system:authenticated']
    this.api.tokens.set(token, { username: account, groups })
    return token
  }

  /** Events of the registry's audit log, oldest first. */
  async audit(action: string): Promise<readonly AuditLine[]> {
    const { code, output } = await runTrow([
      'audit',
      'query',
      '--data',
      this.at('registry'),
      '--action',
      action,
      '-o',
      'jsonl',
    ])
    if (code !== 0) throw new Error(output)
    return output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map(
        (line) =>
          (JSON.parse(line) as { event?: AuditLine } & AuditLine).event ?? (JSON.parse(line) as AuditLine),
      )
  }

  send(method: string, path: string, more: Sent = {}): Promise<Answered> {
    return this.registryRequest(method, path, { ...more, account: pusher })
  }

  /** The caBundle of the webhook configuration, PEM. */
  get bundle(): string {
    const { webhooks } = this.api.get('validatingwebhookconfigurations', 'trow') as unknown as {
      webhooks: { clientConfig: { caBundle?: string } }[]
    }
    return Buffer.from(webhooks[0]?.clientConfig.caBundle ?? '', 'base64').toString()
  }

  policy(spec: object, name = 'production'): void {
    this.api.put({ apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowPolicy', metadata: { name }, spec })
  }

  at(name: string): string {
    return join(this.root, name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.processes) await process.kill()
    await this.#registry?.kill()
    await this.api.close()
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** Whether the rules that an install gives the admission pods allow it. */
function isGranted({ verb, group, resource, name, isOfNamespace }: UsedRight): boolean {
  return (isOfNamespace ? admissionRules : admissionClusterRules).some(
    ({ apiGroups, resources, resourceNames, verbs }) =>
      apiGroups.includes(group) &&
      resources.includes(resource) &&
      verbs.includes(verb) &&
      (resourceNames === undefined || (name !== undefined && resourceNames.includes(name))),
  )
}

interface AuditLine {
  readonly id: string
  readonly type: string
  readonly data: Readonly<Record<string, unknown>> & {
    readonly actor: { readonly user: string; readonly auth: string }
  }
}

/** A real `trow admission` in a process of its own. */
export class AdmissionProcess {
  readonly child: ChildProcess
  readonly exited: Promise<void>
  readonly #bundle: () => string
  #output = ''

  constructor(args: readonly string[], bundle: () => string) {
    this.#bundle = bundle
    this.child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...admissionEnvironment },
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text))
    this.exited = once(this.child, 'close').then(() => undefined)
  }

  get output(): string {
    return this.#output
  }

  get url(): URL {
    const [found] = /https:\/\/127\.0\.0\.1:\d+/.exec(this.#output) ?? []
    if (found === undefined) throw new Error(`it does not listen:\n${this.#output}`)
    return new URL(found)
  }

  async ready(): Promise<void> {
    const { status, text } = await this.request('GET', '/readyz')
    if (status !== 200) throw new Error(`${text}\n${this.#output}`)
  }

  /** As the API server asks: trusting the caBundle, for the Service's name. */
  request(
    method: string,
    path: string,
    body?: string | Buffer,
    agent: https.Agent | false = false,
  ): Promise<{ readonly status: number; readonly text: string; readonly connection: string | undefined }> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.url
      const sent = https.request(
        { host: hostname, port, method, path, agent, ca: this.#bundle(), servername: host },
        (reply) => {
          const chunks: Buffer[] = []
          reply.on('data', (chunk: Buffer) => chunks.push(chunk))
          reply.on('error', reject)
          reply.on('end', () =>
            resolve({
              status: reply.statusCode ?? 0,
              text: Buffer.concat(chunks).toString(),
              connection: reply.headers.connection,
            }),
          )
        },
      )
      sent.on('error', reject)
      sent.end(body)
    })
  }

  async review(path: string, body: string | Buffer): Promise<AdmissionAnswer> {
    const { status, text } = await this.request('POST', `${path}?timeout=5s`, body)
    const { response } = JSON.parse(text) as {
      response: { uid: string; allowed: boolean; status?: { message: string }; warnings?: string[] }
    }
    return {
      status,
      uid: response.uid,
      isAllowed: response.allowed,
      message: response.status?.message ?? '',
      warnings: response.warnings ?? [],
    }
  }

  /** One line of the metrics. */
  async metric(name: string): Promise<number> {
    const [, port] = /metrics on http:\/\/127\.0\.0\.1:(\d+)/.exec(this.#output) ?? []
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    const line = text.split('\n').find((each) => each.startsWith(`${name} `) || each.startsWith(`${name}{`))
    return Number(line?.split(' ').at(-1) ?? Number.NaN)
  }

  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    await this.exited
  }
}
