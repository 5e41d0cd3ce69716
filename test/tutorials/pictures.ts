import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { installDebianPackages } from '../components.ts'
import { findProgram, missing } from '../requirements.ts'
import { putIndex } from '../support/registry-content.ts'
import { noPrivateMachine } from '../support/private-machine.ts'
import { runTrow, startedServer } from '../support/server-process.ts'
import { statusScreens } from './status-screens.ts'
import { asTyped, drawTerminals } from './terminal-picture.ts'
import { openDesk } from './tutorial-desk.ts'

// `npm run pictures [-- FOLDER]`: draws what a person sees of the commands below, in terminals of 60 and 120 columns, as
// SVG and PNG, to be looked at. `trow status` asks the cluster of KUBECONFIG; where that is not set, it is drawn of a cluster that is
// made up. On Debian, as root.

const folder = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'trow-pictures-'))
mkdirSync(folder, { recursive: true })
const kubeconfig = process.env['KUBECONFIG']
const commands: readonly (readonly [name: string, command: string])[] = [
  ['help', 'trow --help'],
  ['help-serve', 'trow serve --help'],
  ['help-push', 'trow push --help'],
  ['push', 'trow push layout 127.0.0.1:8000/team/app:1'],
  ['push-again', 'trow push layout 127.0.0.1:8000/team/app:2'],
  ['list', 'trow list'],
  ['list-tags', 'trow list team/app'],
  ['inspect', 'trow inspect team/app:1'],
  ['du', 'trow du team/app'],
  ['error', 'trow inspect team/none:1'],
  ['unknown', 'trow lst'],
  ...(kubeconfig === undefined ? [] : [['status', 'trow status'] as const]),
]

installDebianPackages({ tmux: 'tmux', 'rsvg-convert': 'librsvg2-bin' }, (line) => console.error(line))
const problem = missing('tmux', 'rsvg-convert') || noPrivateMachine()
if (problem !== false) throw new Error(problem)

for (const columns of [60, 120]) {
  await using desk = await openDesk({ needs: [], hosts: [] })
  await pullLayout(join(desk.folder, 'layout'))
  const server = await desk.openTerminal({ columns })
  const client = await desk.openTerminal({
    columns,
    env: kubeconfig === undefined ? {} : { KUBECONFIG: kubeconfig },
  })
  try {
    await server.begin('trow serve', (screen) => screen.includes('listening on'), 60_000)
    // The banner comes in one piece; the terminal takes it in several.
    await sleep(500)
    draw(`serve-${columns}`, server.coloured(), columns)
    for (const [name, command] of commands) {
      await client.type(command)
      draw(`${name}-${columns}`, client.coloured(), columns)
    }
    if (kubeconfig === undefined)
      for (const [name, text] of Object.entries(await statusScreens(columns))) {
        // Its name is as long as that of the command, which then stands in its place.
        writeFileSync(join(desk.folder, 'trow-st'), text)
        await client.type('cat trow-st')
        draw(`${name}-${columns}`, client.coloured().replace('cat trow-st', 'trow status'), columns)
      }
    await server.interrupt(60_000)
  } finally {
    server.close()
    client.close()
  }
}
console.log(folder)

/** An image of three platforms with a few layers, as a layout. */
async function pullLayout(to: string): Promise<void> {
  const seed = await startedServer({ data: mkdtempSync(join(tmpdir(), 'trow-seed-')) })
  await putIndex(seed.url, 'app', '1', [40_000_000, 3_000_000, 20_000])
  const { code, output } = await runTrow(['pull', `${new URL(seed.url).host}/app:1`, to])
  await seed.stop()
  if (code !== 0) throw new Error(output)
}

function draw(name: string, screen: string, columns: number): void {
  const [svg, png] = ['svg', 'png'].map((ending) => join(folder, `${name}.${ending}`))
  writeFileSync(svg ?? '', drawTerminals([{ title: name, screen: asTyped(screen) }], columns))
  spawnSync(findProgram('rsvg-convert') ?? '', [svg ?? '', '-o', png ?? ''])
}
