import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startDockerd, type Daemon } from '../clients/daemon.ts'
import { findProgram } from '../requirements.ts'
import { PersonTerminal } from '../support/person-terminal.ts'
import { openPrivateMachine } from '../support/private-machine.ts'
import { startCompanyLogin } from './company-login.ts'
import type { Tutorial } from './parse-tutorial.ts'
import type { Desk } from './run-tutorial.ts'

const trow = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))
/** The home folder, as those on the machine see it. */
const seenHome = '/home/ada'
/** The name under which the tests' OpenID provider answers. */
const issuerName = 'login.example.com'

/**
 * A machine for one tutorial: its own network, /etc and home folder, `trow` in the PATH, the programs that the tutorial
 * needs, and docker's daemon and the OpenID provider where it speaks of them.
 */
export async function openDesk({
  needs,
  hosts,
}: Pick<Tutorial, 'needs' | 'hosts'>): Promise<Desk & AsyncDisposable> {
  const machine = await openPrivateMachine((address) => hosts.map((name) => `${address} ${name}`))
  const daemons: Daemon[] = []
  const [home, programs] = [join(machine.folder, 'home'), join(machine.folder, 'bin')]
  const folder = join(home, 'work')
  mkdirSync(folder)
  mkdirSync(programs)
  // Screens show a path that is the same in each run.
  const mounted = machine.run('sh', [
    '-ec',
    `mount -t tmpfs tmpfs /home; mkdir ${seenHome}; mount --bind "${home}" ${seenHome}`,
  ])
  if (mounted.code !== 0) throw new Error(mounted.output)
  writeFileSync(join(programs, 'trow'), `#!/bin/sh\nexec ${process.execPath} ${trow} "$@"\n`, { mode: 0o755 })
  if (needs.includes('dockerd')) daemons.push(await startDockerd(machine.folder, { within: machine.within }))
  const login = hosts.includes(issuerName)
    ? await startCompanyLogin(machine, issuerName)
    : { env: {}, stop: async () => {} }
  // Podman and buildah keep their images in the machine's folder, by a driver that needs nothing of the kernel.
  const storage = join(machine.folder, 'storage.conf')
  writeFileSync(
    storage,
    `[storage]\ndriver = "vfs"\nrunroot = "${machine.folder}/run"\ngraphroot = "${machine.folder}/images"\n`,
  )
  const found = needs.map((name) => dirname(findProgram(name) ?? '/usr/bin/nothing'))
  const env = {
    PATH: [programs, ...new Set(found), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(':'),
    HOME: seenHome,
    XDG_RUNTIME_DIR: seenHome,
    CONTAINERS_STORAGE_CONF: storage,
    DOCKER_HOST: `unix://${machine.folder}/docker.sock`,
    DOCKER_BUILDKIT: '0',
    ...login.env,
  }
  const within = [...machine.within, 'env', '-C', `${seenHome}/work`]
  return {
    folder,
    openTerminal: ({ columns = 110, env: more = {} } = {}) =>
      PersonTerminal.open({ env: { ...env, ...more }, cwd: folder, within, columns }),
    async [Symbol.asyncDispose]() {
      await login.stop()
      for (const daemon of daemons) await daemon.stop()
      await machine.close()
    },
  }
}
