import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installDebianPackages } from '../components.ts'
import { missing } from '../requirements.ts'
import type { PersonTerminal } from '../support/person-terminal.ts'
import { noPrivateMachine } from '../support/private-machine.ts'
import { asTyped, drawTerminals } from './terminal-picture.ts'
import { openDesk } from './tutorial-desk.ts'

// `npm run record [-- FILE]`: types the first session of the README into real terminals and draws what they show, into
// docs/first-session.svg unless told. On Debian, as root.

const file = process.argv[2] ?? new URL('../../docs/first-session.svg', import.meta.url).pathname
const columns = 96
const image = '127.0.0.1:8000/team/app'
const typed = [
  `docker tag app ${image}:1`,
  `docker push -q ${image}:1`,
  `trow list ${image}`,
  `trow inspect ${image}:1`,
  'trow fsck',
]

installDebianPackages({ tmux: 'tmux', docker: 'docker.io', dockerd: 'docker.io' }, (line) =>
  console.error(line),
)
const problem = missing('tmux', 'docker', 'dockerd') || noPrivateMachine()
if (problem !== false) throw new Error(problem)

await using desk = await openDesk({ needs: ['docker', 'dockerd'], hosts: [] })
mkdirSync(join(desk.folder, 'app'))
writeFileSync(join(desk.folder, 'app/hello.txt'), 'hello\n')
writeFileSync(join(desk.folder, 'app/Dockerfile'), 'FROM scratch\nCOPY hello.txt /\nCMD ["/hello.txt"]\n')

const [server, client] = [await desk.openTerminal({ columns }), await desk.openTerminal({ columns })]
try {
  await server.begin('trow serve', (screen) => screen.includes('listening on'), 60_000)
  await screenOf(client, 'docker build -q -t app app')
  // The banner comes in one piece; the terminal takes it in several.
  await sleep(500)
  const started = asTyped(server.coloured())
  const screens: string[] = []
  for (const command of typed) screens.push(await screenOf(client, command))
  const terminals = [
    { title: 'terminal 1: the registry', screen: started },
    { title: 'terminal 2: a first push, and a look', screen: screens.join('\n') },
  ]
  writeFileSync(file, drawTerminals(terminals, columns))
  await server.interrupt(60_000)
  console.error(`${file} is written`)
} finally {
  server.close()
  client.close()
}

async function screenOf(terminal: PersonTerminal, command: string): Promise<string> {
  const { code, screen } = await terminal.type(command)
  if (code !== 0) throw new Error(`exit code ${code}:\n${screen}`)
  return asTyped(terminal.coloured())
}
