import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Authority } from '../support/certificate-authority.ts'
import type { PrivateMachine } from '../support/private-machine.ts'

const program = fileURLToPath(new URL('openid-provider.ts', import.meta.url))

/**
 * Starts the OpenID provider of a tutorial on a machine, at https://NAME; resolves when it answers. `env` makes curl and
 * Node trust it, as they trust the provider of a reader.
 */
export async function startCompanyLogin(
  machine: PrivateMachine,
  name: string,
): Promise<{ readonly env: Readonly<Record<string, string>>; stop(): Promise<void> }> {
  const folder = join(machine.folder, 'login')
  mkdirSync(folder)
  const authority = await Authority.create(folder)
  const { cert, key } = await authority.issue({ user: name, names: [name] })
  writeFileSync(join(folder, 'tls.crt'), cert)
  writeFileSync(join(folder, 'tls.key'), key)
  const [command, ...rest] = [...machine.within, process.execPath, program, name, machine.address, folder]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const ready = await Promise.race([once(child.stdout, 'data').then(() => true), ended.then(() => false)])
  if (!ready) throw new Error('the OpenID provider did not start')
  return {
    env: { NODE_EXTRA_CA_CERTS: authority.file, CURL_CA_BUNDLE: authority.file },
    async stop() {
      child.kill()
      await ended
    },
  }
}
