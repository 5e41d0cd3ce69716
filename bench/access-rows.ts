import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { webcrypto } from 'node:crypto'
import { hash } from '@node-rs/bcrypt'
import { stringify } from 'yaml'
import { makeAuthority } from '../src/certificates/certificate-authority.ts'
import type { Caller } from './http-connection.ts'
import { HttpConnection } from './http-connection.ts'
import { runLoad } from './load.ts'
import type { Peer } from './peers.ts'
import { median, type Finding, type SpecialRow, type Tools } from './row.ts'
import { seed, type Seeded } from './seed.ts'
import type { Server } from './server.ts'

/** What it costs to know who asks, and to write it down. */
export const accessRows: readonly SpecialRow[] = [
  { name: 'callers that are known, audited', peers: ['trow'], measure: knownCallers },
  { name: 'token endpoint', peers: ['trow'], measure: tokenEndpoint },
]

const user = { name: 'bench', password: 'correct horse battery staple' }
/** Of the repository that is seeded. */
const tokenPath = '/token?service=trow&scope=repository:bench/image:pull'
const basic = `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`

/** Each against the same requests of nobody, to a server that asks nobody and writes nothing. */
async function knownCallers(peer: Peer, tools: Tools): Promise<Finding[]> {
  const servers: Server[] = []
  try {
    const { open, gated, seeded, callers } = await startBoth(peer, tools)
    const audited = await peer.start({
      ...tools,
      folder: copyOf(open.folder, join(tools.folder, 'audited')),
      args: ['--audit=on'],
    })
    servers.push(open, gated, audited)
    const subjects: { readonly name: string; readonly server: Server; readonly caller?: Caller }[] = [
      { name: 'anonymous', server: open },
      { name: 'anonymous, audited', server: audited },
      ...Object.entries(callers).map(([name, caller]) => ({ name, server: gated, caller })),
    ]
    const findings: Finding[] = []
    for (const [what, method, path] of [
      ['manifest GET', 'GET', seeded.manifestPath],
      ['blob HEAD', 'HEAD', seeded.layerPath],
    ] as const) {
      const values = new Map<string, number[]>()
      for (let round = 0; round <= tools.rounds; round++) {
        for (const { name, server, caller } of subjects) {
          const target = { ...server.target, caller }
          const { seconds } = tools
          const paths = { kind: 'one', path } as const
          const result = await runLoad({ kind: 'requests', method, target, connections: 32, seconds, paths })
          // The first round finds cold code.
          if (round > 0) values.set(name, [...(values.get(name) ?? []), result.done / result.seconds])
        }
      }
      const anonymous = median(values.get('anonymous') as number[])
      findings.push({ name: `${what}, anonymous`, unit: 'req/s', value: anonymous, goal: undefined })
      for (const { name } of subjects.slice(1)) {
        const least = name === 'anonymous, audited' ? 0.9 : 0.8
        const value = median(values.get(name) as number[]) / anonymous
        findings.push({
          name: `${what}, ${name}, as a share of anonymous`,
          unit: '',
          value,
          goal: { text: `≥ ${least}`, met: value >= least },
        })
      }
    }
    return findings
  } finally {
    for (const server of servers) await server.stop()
  }
}

/** Tokens for Basic credentials that have been verified before. */
async function tokenEndpoint(peer: Peer, tools: Tools): Promise<Finding[]> {
  const { open, gated } = await startBoth(peer, tools)
  try {
    const target = { ...gated.target, caller: { authorization: basic } }
    const paths = { kind: 'one', path: tokenPath } as const
    const { seconds } = tools
    const result = await runLoad({ kind: 'requests', method: 'GET', target, connections: 32, seconds, paths })
    const value = result.done / result.seconds
    return [{ name: 'tokens, warm', unit: '/s', value, goal: { text: '≥ 2,000', met: value >= 2000 } }]
  } finally {
    await open.stop()
    await gated.stop()
  }
}

async function startBoth(
  peer: Peer,
  tools: Tools,
): Promise<{
  readonly open: Server
  readonly gated: Server
  readonly seeded: Seeded
  readonly callers: Readonly<Record<string, Caller>>
}> {
  const first = join(tools.folder, 'first')
  const seeding = await peer.start({ ...tools, folder: first })
  const seeded = await seed(seeding, tools.folder)
  await seeding.stop()
  const { config, certificate } = await writeSettings(tools.folder)
  const gated = await peer.start({
    ...tools,
    folder: copyOf(first, join(tools.folder, 'gated')),
    args: [`--config=${config}`],
  })
  const open = await peer.start({ ...tools, folder: first })
  const connection = await HttpConnection.open({ ...gated.target, caller: { authorization: basic } })
  const { body } = await connection.request('GET', tokenPath)
  connection.close()
  const { token } = JSON.parse(body.toString()) as { token: string }
  const callers: Record<string, Caller> = {
    Basic: { authorization: basic },
    Bearer: { authorization: `Bearer ${token}` },
  }
  if (gated.target.tls) callers['client certificate'] = { certificate }
  return { open, gated, seeded, callers }
}

async function writeSettings(folder: string): Promise<{
  readonly config: string
  readonly certificate: { readonly cert: string; readonly key: string }
}> {
  const made = join(folder, 'settings')
  mkdirSync(made)
  const at = (name: string): string => join(made, name)
  writeFileSync(at('htpasswd'), `${user.name}:${await hash(user.password, 10)}\n`)
  const authority = await makeAuthority([], [], webcrypto as Crypto)
  writeFileSync(at('ca.crt'), authority.cert)
  writeFileSync(at('ca.key'), authority.key)
  const openssl = (...args: string[]): void =>
    void execFileSync('openssl', args, { cwd: made, stdio: 'ignore', timeout: 30_000 })
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'client.key',
    '-out',
    'client.csr',
    '-subj',
    `/CN=${user.name}`,
  )
  writeFileSync(at('client.ext'), 'extendedKeyUsage=clientAuth\n')
  openssl(
    'x509',
    '-req',
    '-in',
    'client.csr',
    '-CA',
    'ca.crt',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-days',
    '1',
    '-extfile',
    'client.ext',
    '-out',
    'client.crt',
  )
  writeFileSync(
    at('trow.yaml'),
    stringify({
      htpasswd: at('htpasswd'),
      'client-ca': at('ca.crt'),
      access: [{ who: [user.name], repositories: ['**'], actions: ['pull', 'push', 'list'] }],
    }),
  )
  const read = (name: string): string => readFileSync(at(name), 'utf8')
  return { config: at('trow.yaml'), certificate: { cert: read('client.crt'), key: read('client.key') } }
}

function copyOf(from: string, to: string): string {
  cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith('.sock') })
  return to
}
