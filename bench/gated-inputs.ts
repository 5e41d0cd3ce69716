import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hash } from '@node-rs/bcrypt'
import { stringify } from 'yaml'
import { accessEvent } from '../src/audit/cloud-event.ts'
import { decodeAuditRecord, encodeAuditRecord } from '../src/audit/audit-record.ts'
import { SegmentFolder } from '../src/audit/stores/folder/segment-folder.ts'
import { SegmentLog } from '../src/audit/stores/folder/segment-log.ts'
import type { Input, InputGroup } from './inputs.ts'
import { putReferrers, putTags, send, subject } from './input-documents.ts'
import { seedRows } from './seed-rows.ts'

const password = 'correct horse battery staple'
const repositories = 100_000
const auditLines = 120_000
/** Beside those that matter: as many as a large organisation may have. */
const otherRules = 200

/** What a registry is sent that asks who everybody is, and writes it down. */
export const gatedInputs: InputGroup = {
  args: writeFolder,
  authorization: basic('admin'),
  async prepare(to) {
    await putTags(to)
    await putReferrers(to)
  },
  inputs: () => [...tokens(), ...lists(), ...audit()],
}

/** A data folder with many repositories and a long audit log, and the settings that go with it. */
async function writeFolder(folder: string, data: string): Promise<string[]> {
  seedRows(data, { repositories, manifests: 1 })
  await writeLog(join(data, 'audit'))
  const lines = ['admin', 'few'].map(async (name) => `${name}:${await hash(password, 4)}`)
  writeFileSync(join(folder, 'htpasswd'), `${(await Promise.all(lines)).join('\n')}\n`)
  const config = join(folder, 'trow.yaml')
  writeFileSync(
    config,
    stringify({
      htpasswd: join(folder, 'htpasswd'),
      'audit-readers': ['admin'],
      access: [
        ...Array.from({ length: otherRules }, (_, each) => ({
          who: [`group:team-${each}`],
          repositories: [`team-${each}/**`, `*/shared-${each}-*/**`],
          actions: ['pull', 'push', 'list'],
        })),
        { who: ['admin'], repositories: ['**'], actions: ['pull', 'push', 'delete', 'list'] },
        { who: ['few'], repositories: ['rows/9999*'], actions: ['pull', 'list'] },
      ],
    }),
  )
  return [`--config=${config}`]
}

/** Lines of the longest names, one for each pull. */
async function writeLog(path: string): Promise<void> {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const log = await SegmentLog.open({
    folder: new SegmentFolder(path),
    log: 'pulls',
    logger: { debug: none, info: none, warn: none, error: none },
  })
  const now = Date.now() - auditLines
  const user = 'a'.repeat(256)
  for (let first = 0; first < auditLines; first += 5000) {
    const events = Array.from({ length: 5000 }, (_, each) => {
      const auditRecord = decodeAuditRecord(
        encodeAuditRecord({
          id: `00000000-0000-4000-8000-${String(first + each).padStart(12, '0')}`,
          time: now + first + each,
          action: 'pull',
          outcome: 'allowed',
          reason: 'rule 1 allows pull',
          actor: {
            name: user,
            groups: [],
            kind: 'password',
            credentialId: undefined,
            serviceAccount: undefined,
            pod: undefined,
            node: undefined,
          },
          repository: 'a'.repeat(255),
          reference: 'latest',
          client: { address: '10.0.0.1', userAgent: 'bench' },
          request: { id: `${first + each}`, method: 'GET', route: '/v2/<name>/manifests/<reference>' },
          status: 200,
        }),
      )
      if (auditRecord === undefined) throw new Error('the bench makes no note')
      return accessEvent(auditRecord, { source: '/trow', facts: undefined, row: undefined })
    })
    await log.append(events, now)
  }
  await log.close()
}

function tokens(): Input[] {
  // 100 scopes of 6 KiB are the most that one token is given for.
  const scopes = Array.from({ length: 100 }, (_, each) => `repository:rows/${each}/${'a'.repeat(30)}:pull`)
  const query = `service=trow&scope=${encodeURIComponent(scopes.join(' '))}`
  const form = (more: string): string =>
    `grant_type=password&username=few&password=${encodeURIComponent(password)}&service=trow&${more}`
  const posted = (input: string, given: string): Input => ({
    route: 'POST token',
    input,
    sent: given,
    request: (to) =>
      send({ url: to.url }, '/token', {
        method: 'POST',
        body: given,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      }),
  })
  const full = (start: string, part: (each: number) => string): string => {
    let text = form(start)
    for (let each = 0; ; each++) {
      const next = text + part(each)
      if (next.length > 64 * 1024) return text
      text = next
    }
  }
  return [
    {
      route: 'GET token',
      input: '100 scopes, 6 KiB',
      sent: query,
      request: (to) => send({ ...to, authorization: basic('few') }, `/token?${query}`),
    },
    {
      route: 'GET token',
      input: '256 at once, 100 scopes each',
      sent: query,
      request: async (to) => {
        const asked = Array.from({ length: 256 }, () =>
          send({ ...to, authorization: basic('few') }, `/token?${query}`),
        )
        return (await Promise.all(asked)).at(-1) as Response
      },
    },
    posted('100 scopes, 6 KiB', form(`scope=${encodeURIComponent(scopes.join(' '))}`)),
    posted(
      '100 scopes, 64 KiB',
      full(`scope=${scopes.join('+')}`, (each) => `,${each}`),
    ),
    posted(
      'one scope of 64 KiB of actions',
      full('scope=repository:a:pull', () => ',pull'),
    ),
    posted(
      '64 KiB of parameters',
      full('scope=', () => '&a'),
    ),
    posted(
      '64 KiB of escapes',
      full('scope=', () => '%20'),
    ),
  ]
}

function lists(): Input[] {
  const few = (input: string, path: string): Input => ({
    route: 'GET catalogue',
    input,
    request: (to) => send({ ...to, authorization: basic('few') }, path),
  })
  return [
    few('10 of 100,000 may be listed', '/v2/_catalog'),
    few('10 of 100,000, again', '/v2/_catalog'),
    few('10 of 100,000, n=5000', '/v2/_catalog?n=5000'),
    got('GET catalogue', 'all of 100,000', '/v2/_catalog'),
    got('GET tags', 'all of 12,000, as a caller', '/v2/tags/tags/list'),
    got('GET tags', 'n=999999999, as a caller', '/v2/tags/tags/list?n=999999999'),
    got('GET referrers', '20 of 2 MiB, as a caller', `/v2/referrers/referrers/${subject}`),
    got('GET referrers', 'of one type, as a caller', `/v2/referrers/referrers/${subject}?artifactType=a/b`),
  ]
}

function audit(): Input[] {
  // Each is tried at every place of a name.
  const hard = encodeURIComponent(`**${'a'.repeat(128)}b`)
  const easy = encodeURIComponent(`**${'a'.repeat(128)}`)
  const filters = `user=${easy}&repository=${hard}`
  const path = '/trow/v1/audit'
  return [
    got('GET audit query', 'the last 100', `${path}/query?limit=100`),
    got('GET audit query', '100,000 of 120,000 lines', `${path}/query?limit=100000`),
    got('GET audit query', 'hard patterns, none fits', `${path}/query?limit=100000&${filters}`),
    got('GET audit query', 'a time before the log', `${path}/query?limit=100000&until=1`),
    got('GET audit verify', '120,000 lines', `${path}/verify`),
  ]
}

function got(route: string, input: string, path: string): Input {
  return { route, input, request: (to) => send(to, path) }
}

function basic(name: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

function none(): void {}
