import { globSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { missing } from '../requirements.ts'
import { noPrivateMachine } from '../support/private-machine.ts'
import { parseTutorial } from './parse-tutorial.ts'
import { runTutorial } from './run-tutorial.ts'
import { openDesk } from './tutorial-desk.ts'

const folder = new URL('../../docs/tutorials/', import.meta.url).pathname

suite('tutorials', () => {
  for (const file of globSync('*.md', { cwd: folder }).sort()) {
    if (file === 'README.md') continue
    const tutorial = parseTutorial(readFileSync(`${folder}${file}`, 'utf8'))
    // Those of a cluster are run on one by test/e2e.
    if (tutorial.needs.includes('cluster')) continue
    const skip = missing('tmux', ...tutorial.needs) || noPrivateMachine()
    test(`${file} goes as it is written`, { skip }, async () => {
      await using desk = await openDesk(tutorial)
      await runTutorial(tutorial, desk)
    })
  }
})
