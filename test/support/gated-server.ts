import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash } from '@node-rs/bcrypt'
import { stringify } from 'yaml'
import { startedServer, type ServerProcess } from './server-process.ts'

export interface GatedServer {
  readonly server: ServerProcess
  readonly url: string
  readonly folder: string
  readonly htpasswd: string
  readonly data: string
  close(): Promise<void>
}

export const passwords = { nobody: 'nobody-pw', puller: 'puller-pw', pusher: 'pusher-pw', admin: 'admin-pw' }

/** Rules that give each of `passwords` what its name says, in `team/**`. */
export const roleRules = [
  { who: ['puller'], repositories: ['team/**'], actions: ['pull', 'list'] },
  { who: ['pusher'], repositories: ['team/**'], actions: ['pull', 'list', 'push'] },
  { who: ['admin'], repositories: ['**'], actions: ['pull', 'list', 'push', 'delete'] },
  { who: ['anonymous'], repositories: ['public/**'], actions: ['pull', 'list'] },
]

/** A real server that asks who everybody is. */
export async function startGated(
  settings: Readonly<Record<string, unknown>> = {},
  args: readonly string[] = [],
): Promise<GatedServer> {
  const folder = mkdtempSync(join(tmpdir(), 'trow-gate-'))
  const htpasswd = join(folder, 'htpasswd')
  const lines = Object.entries(passwords).map(async ([name, word]) => `${name}:${await hash(word, 4)}`)
  writeFileSync(htpasswd, `${(await Promise.all(lines)).join('\n')}\n`)
  const config = join(folder, 'trow.yaml')
  writeFileSync(config, stringify({ htpasswd, access: roleRules, ...settings }))
  const data = join(folder, 'data')
  const server = await startedServer({ data, args: ['--config', config, ...args] })
  return {
    server,
    url: server.url,
    folder,
    htpasswd,
    data,
    async close() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
