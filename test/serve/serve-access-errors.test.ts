import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { runTrow } from '../support/server-process.ts'

suite('a start that cannot know who may do what, or write it down, ends in one clear line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-access-errors-'))
  after(() => rmSync(folder, { recursive: true }))
  const at = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const rows: readonly [name: string, args: () => string[], code: number, says: RegExp][] = [
    ['no CA', () => ['--client-ca', at('ca.pem', 'no PEM')], 1, /holds no certificate.*CLIENT_CA_INVALID/],
    ['no htpasswd file', () => ['--htpasswd', join(folder, 'none')], 1, /HTPASSWD_UNREADABLE/],
    ['no bcrypt entry', () => ['--htpasswd', at('md5', 'ada:$apr1$x$y\n')], 1, /HTPASSWD_INVALID/],
    ['no kubeconfig', () => ['--kubernetes', '--kubeconfig', join(folder, 'none')], 1, /KUBECONFIG_MISSING/],
    [
      'no audit folder',
      () => ['--audit=on', '--audit-folder', join(at('file', ''), 'x')],
      1,
      /AUDIT_UNUSABLE/,
    ],
    [
      'a webhook without a secret',
      () => ['--audit=on', '--audit-webhook', 'https://example.com'],
      1,
      /go together.*AUDIT_WEBHOOK_INVALID/,
    ],
    [
      'a webhook in the clear',
      () => [
        '--audit=on',
        '--audit-webhook',
        'http://example.com',
        '--audit-webhook-secret',
        at('secret', 'x'),
      ],
      1,
      /not https.*AUDIT_WEBHOOK_INVALID/,
    ],
    [
      'a rule that names nothing',
      () => ['--config', at('t.yaml', 'access: [{who: a, repositories: "A/**", actions: pull}]')],
      2,
      /CONFIG_INVALID/,
    ],
    [
      'a proxy that is no address',
      () => ['--trusted-proxies', 'example.com'],
      2,
      /no address.*CONFIG_INVALID/,
    ],
  ]
  for (const [name, args, code, says] of rows) {
    test(name, async () => {
      const result = await runTrow([
        'serve',
        '--listen=127.0.0.1:0',
        '--data',
        join(folder, 'data'),
        ...args(),
      ])
      assert.equal(result.code, code, result.output)
      assert.match(result.output.replaceAll('\n', ' '), says)
      assert.ok(!result.output.includes('    at '), 'no stack')
    })
  }
})
