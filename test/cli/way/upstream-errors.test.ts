import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { explainAuditFault } from '../../../src/cli/audit/audit-errors.ts'
import { dialFault, explainUpstream } from '../../../src/cli/way/upstream-errors.ts'
import { parseDigest } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { connectPusher } from '../../../src/upstream/http-registry-pusher.ts'
import { UpstreamFault } from '../../../src/upstream/upstream-fault.ts'
import type { CredentialOrigin } from '../../../src/cli/way/registry-way.ts'
import { UserError } from '../../../src/user-error.ts'

type Told = readonly [code: string, exitCode: number, hint: string | undefined]

const address = 'Check the address, and whether the registry runs.'
const told: Readonly<Record<UpstreamFault['kind'], Told>> = {
  unreachable: ['REGISTRY_UNREACHABLE', 69, address],
  'given-up': ['REGISTRY_UNREACHABLE', 69, address],
  untrusted: ['REGISTRY_UNTRUSTED', 69, 'Give the CA of the registry with --ca FILE.'],
  'not-tls': [
    'REGISTRY_SPEAKS_HTTP',
    69,
    '--plain-http is for a registry without TLS: everybody on the way can read the password then.',
  ],
  denied: [
    'REGISTRY_DENIED',
    77,
    'Nobody is logged in there: trow login -u NAME HOST, or --username NAME here.',
  ],
  'token-service': [
    'REGISTRY_FAILED',
    1,
    'The registry names this service for logins: whoever runs the registry knows why it fails.',
  ],
  missing: ['REGISTRY_FAILED', 1, undefined],
  kept: [
    'MANIFEST_KEPT',
    1,
    'What another manifest needs goes after that one: an index first, then its children.',
  ],
  'unexpected-status': ['REGISTRY_FAILED', 1, undefined],
  malformed: ['REGISTRY_FAILED', 1, undefined],
  failed: ['REGISTRY_FAILED', 1, undefined],
}
const toldOfAudits: typeof told = {
  ...told,
  missing: ['AUDIT_MISSING', 1, 'It keeps none (setting audit), or is older than this command.'],
  malformed: ['SERVER_FAILED', 1, undefined],
  failed: ['SERVER_FAILED', 1, undefined],
}

suite('faults of a registry, for the person at the terminal', () => {
  for (const [road, explain, table] of [
    ['of a registry', explainUpstream, told],
    ['of its audit', explainAuditFault, toldOfAudits],
  ] as const) {
    for (const [kind, [code, exitCode, hint]] of Object.entries(table)) {
      test(`${kind}, ${road}`, () => {
        const fault = new UpstreamFault(kind as UpstreamFault['kind'], 'what is the matter')
        const error = explain(fault)
        assert.ok(error instanceof UserError)
        assert.deepEqual([error.code, error.exitCode, error.hint], [code, exitCode, hint])
        assert.equal(error.message, 'what is the matter')
        assert.equal(error.cause, fault)
      })
    }

    test(`whoever is denied hears what is to be done on that road, ${road}`, () => {
      const error = explain(new UpstreamFault('denied', 'no'), {
        origin: 'https://a.test',
        deniedHint: 'Ask Ada.',
      })
      assert.equal((error as UserError).hint, 'Ask Ada.')
    })

    const hints: readonly (readonly [status: number, CredentialOrigin, hint: string])[] = [
      [
        401,
        { kind: 'none', problem: undefined },
        'Nobody is logged in there: trow login -u NAME a.test:5000, or --username NAME here.',
      ],
      [
        401,
        { kind: 'none', problem: 'docker-credential-x cannot be run' },
        'Nobody is logged in there: trow login -u NAME a.test:5000, or --username NAME here.\n  No login was found: docker-credential-x cannot be run.',
      ],
      [401, { kind: 'given', username: 'ada' }, 'Check the name "ada" and its password.'],
      [
        403,
        { kind: 'given', username: 'ada' },
        'It was asked as "ada". Whoever runs the registry gives that right.',
      ],
      [
        401,
        { kind: 'stored', place: '/c.json' },
        'The registry does not take the login in /c.json: trow login -u NAME a.test:5000 replaces it.',
      ],
      [
        403,
        { kind: 'stored', place: '/c.json' },
        'It was asked with the login in /c.json. Whoever runs the registry gives that right.',
      ],
      [403, { kind: 'cluster' }, 'Whoever runs the registry gives that right.'],
    ]
    for (const [status, credentialOrigin, hint] of hints) {
      test(`the hint after ${status} knows who gave the credential (${credentialOrigin.kind}), ${road}`, () => {
        const error = explain(new UpstreamFault('denied', 'no', { status }), {
          origin: 'https://a.test:5000',
          credentialOrigin,
        })
        assert.equal((error as UserError).hint, hint)
      })
    }

    test(`a registry on loopback without TLS needs no flag, ${road}`, () => {
      const error = explain(new UpstreamFault('not-tls', 'no'), { origin: 'https://127.0.0.1:5000' })
      assert.equal((error as UserError).hint, 'Leave out https://, and --ca.')
    })

    test(`other errors stay what they are, ${road}`, () => {
      for (const error of [new Error('a bug'), new UserError('OTHER', 'other'), undefined])
        assert.equal(explain(error), error)
    })
  }
})

suite('what whoever dials says of it', () => {
  const notReady = new UserError('REGISTRY_NOT_READY', 'no pod is ready', { exitCode: 69 })
  const away = new UserError('CLUSTER_UNREACHABLE', 'no answer from https://api.test', { exitCode: 69 })

  /** Each connection ends with the next of `faults`. */
  async function push(
    ...faults: readonly Error[]
  ): Promise<{ readonly error: unknown; readonly interruptions: readonly string[] }> {
    const left = [...faults]
    const interruptions: string[] = []
    const pusher = connectPusher({
      origin: 'http://trow.test',
      ca: undefined,
      credentials: undefined,
      dial: () => Promise.reject(dialFault(left.shift()) as Error),
    })
    const digest = parseDigest(`sha256:${'0'.repeat(64)}`)
    const open = (): never => assert.fail('there is nowhere to send it')
    const interrupted = ({ message }: Error): void => void interruptions.push(message)
    try {
      await pusher.pushBlob(parseRepositoryName('a/b'), { digest, size: 0, open }, { sent() {}, interrupted })
    } catch (fault) {
      assert.deepEqual(left, [])
      return { error: explainUpstream(fault), interruptions }
    } finally {
      await pusher.close()
    }
    return assert.fail('nobody listens')
  }

  test('comes out as it is, without another attempt', async () => {
    assert.deepEqual(await push(notReady), { error: notReady, interruptions: [] })
  })

  test('is tried again where the API server did not answer', async () => {
    const { error, interruptions } = await push(away, notReady)
    assert.equal(error, notReady)
    assert.deepEqual(interruptions, [away.message])
    assert.equal(explainUpstream(dialFault(away)), away)
  })

  test('is a registry that cannot be reached where it is said in no words, and tried again', async () => {
    const { error, interruptions } = await push(new Error('it was cut'), notReady)
    assert.equal(error, notReady)
    assert.deepEqual(interruptions, ['http://trow.test cannot be reached: it was cut'])
  })
})
