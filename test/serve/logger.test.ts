import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'

test('a line of the JSON log names its level by a word', () => {
  const logger = new URL('../../src/serve/logger.ts', import.meta.url).href
  const program = `
    import { createLogger } from ${JSON.stringify(logger)}
    const log = createLogger({ format: 'json', level: 'debug' })
    for (const level of ['debug', 'info', 'warn', 'error']) log[level]('said', { n: 1 })
  `
  // The log is written to descriptor 2, which becomes the output here.
  const text = execFileSync(
    'sh',
    ['-c', 'exec "$0" --input-type=module -e "$1" 2>&1', process.execPath, program],
    {
      encoding: 'utf8',
    },
  )
  const lines = text
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  const levels = lines.map((line) => (line as { level: unknown }).level)
  assert.deepEqual(levels, ['debug', 'info', 'warn', 'error'])
})
