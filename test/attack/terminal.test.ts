import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { after, before, suite, test } from 'node:test'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { colorsOf } from '../../src/cli/display.ts'
import { terminalOf } from '../../src/cli/streams.ts'
import { printedText, visibleLine } from '../../src/visible-text.ts'
import { checkResult } from '../support/check-result.ts'
import { runCommand } from '../support/run-trow.ts'

// A foreign registry, archive or node chooses the text. The user's terminal must not execute control sequences in it.

/** Control sequences: window title, hidden text, colour, carriage return, bidirectional override. */
const hostile =
  '\u001b]0;x\u0007\u001b[8m\u001b[31m\tA\rB\u009b2J\u007f\u200e\u202eC\u2066D\u2069\ntrow: all is well'
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

const config = JSON.stringify({ os: hostile, architecture: hostile, variant: hostile, created: hostile })
const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  artifactType: `application/x${hostile}`,
  config: {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: sha256(config),
    size: config.length,
  },
  layers: [],
  annotations: { [hostile]: hostile },
})
const referrers = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [
    {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: sha256('none'),
      size: 4,
      artifactType: hostile,
      annotations: { a: hostile },
    },
  ],
})

const seen = { since: '2026-11-29T08:00:00Z', atLatest: false, pusher: hostile, digest: sha256('none') }

const registry: RequestListener = ({ url = '' }, response) => {
  const send = (type: string, body: string, status = 200): void => {
    response.writeHead(status, { 'content-type': type, 'docker-content-digest': sha256(body) })
    response.end(body)
  }
  if (url.startsWith('/v2/refused/'))
    send(
      'application/json',
      JSON.stringify({ errors: [{ code: 'DENIED', message: hostile, detail: hostile }] }),
      403,
    )
  else if (url.includes('/tags/history')) send('application/json', JSON.stringify({ targets: [seen] }))
  else if (url.includes('/manifests/history')) send('application/json', JSON.stringify(seen))
  else if (url.includes('/tags/list')) send('application/json', JSON.stringify({ name: 'a', tags: ['1'] }))
  else if (url.includes('/blobs/')) send('application/octet-stream', config)
  else if (url.includes('/referrers/'))
    send(
      'application/vnd.oci.image.index.v1+json',
      url.includes(sha256('none')) ? '{"manifests":[]}' : referrers,
    )
  else if (url.includes('/manifests/')) send('application/vnd.oci.image.manifest.v1+json', manifest)
  else send('application/json', '{}')
}

suite('text of others on a terminal', () => {
  const server = createServer(registry)
  let host = ''
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  after(() => server.close())

  const commands: readonly (readonly [name: string, ...args: string[]])[] = [
    ['inspect', 'inspect', 'a:1'],
    ['list', 'list', 'a'],
    ['an error of the registry', 'inspect', 'refused/a:1'],
    ['an error of a removal', 'rm', 'refused/a:1', '--yes'],
  ]
  for (const [name, verb = '', reference = '', ...more] of commands) {
    test(`${name}: every control character is shown`, async () => {
      const { stdout, stderr } = await runCommand([verb, `${host}/${reference}`, ...more])
      const printed = stdout + stderr
      assert.doesNotMatch(printed, controls)
      assert.doesNotMatch(printed, /^trow: all is well/m, 'no line is begun')
      assert.match(printed, /\\u001b/, 'the text is there, and what it tried can be seen')
    })
  }

  test('JSON stays exact', async () => {
    const { stdout } = await runCommand(['inspect', `${host}/a:1`, '-o', 'json'])
    const shown = checkResult('Image', stdout)
    assert.deepEqual(shown.annotations, { [hostile]: hostile })
    assert.ok(stdout.includes('\u202e'))
  })

  test('our own colours are there, around text that has none', () => {
    const stderr = Object.assign(new PassThrough(), { isTTY: true })
    const terminal = terminalOf({
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr,
      env: {},
      cwd: '/',
      onStop: () => () => {},
    })
    const { bad: red } = colorsOf(terminal.stderr, {})
    terminal.stderr.write(`${red('trow:')} ${red(hostile.slice(0, 3))}\n`)
    assert.equal(String(stderr.read()), '\u001b[31mtrow:\u001b[39m \u001b[31m\\u001b]0\u001b[39m\n')
  })

  test('whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(printedText(text), controls)
        assert.doesNotMatch(visibleLine(text), /[\n\r]/)
        assert.equal(printedText(printedText(text)), printedText(text))
      }),
    )
  })
})
