import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pullProblem } from '../../src/agent/pull-problem.ts'

const where = {
  node: 'n1',
  namespace: 'trow',
  host: 'trow.trow.svc',
  folder: '/etc/containerd/certs.d',
  identity: 'kubelet',
  runtime: 'containerd',
} as const
const prefix =
  'failed to pull and unpack image "trow.trow.svc/trow/canary:1": failed to resolve reference: failed to do request: '

/** Error messages of containerd 1.6, 1.7, 2.1 and 2.3. */
const rows: readonly (readonly [string, string])[] = [
  [
    'Head "https://10.96.7.7:443/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
    'PULL_CERTIFICATE_UNTRUSTED',
  ],
  ['Head "https://x": x509: certificate is valid for 127.0.0.1, not 10.96.7.7', 'PULL_CERTIFICATE_NAME'],
  [
    'Head "https://x": x509: cannot validate certificate for 10.96.7.7 because it doesn\'t contain any IP SANs',
    'PULL_CERTIFICATE_NAME',
  ],
  [
    'Head "https://x": x509: certificate has expired or is not yet valid: current time …',
    'PULL_CERTIFICATE_EXPIRED',
  ],
  ['Head "https://trow.trow.svc/v2/": dial tcp: lookup trow.trow.svc: no such host', 'PULL_NOT_MAPPED'],
  [
    'Head "https://trow.trow.svc/v2/": dial tcp: lookup trow.trow.svc on [::1]:53: read udp [::1]:4->[::1]:53: read: connection refused',
    'PULL_NOT_MAPPED',
  ],
  ['Head "https://127.0.0.1:29443/v2/": net/http: TLS handshake timeout', 'PULL_TIMED_OUT'],
  ['Head "https://127.0.0.1:29443/v2/": EOF', 'PULL_REFUSED_CONNECTION'],
  ['unexpected status from HEAD request to https://127.0.0.1:29443/v2/: 403 Forbidden', 'PULL_DENIED'],
  [
    'unexpected status from HEAD request to https://127.0.0.1:29443/v2/: 401 Unauthorized',
    'PULL_UNAUTHENTICATED',
  ],
  [
    'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    'PULL_DENIED',
  ],
  [
    'pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
    'PULL_UNAUTHENTICATED',
  ],
  [
    'Head "https://10.96.7.7:443/v2/": dial tcp 10.96.7.7:443: connect: connection refused',
    'PULL_REFUSED_CONNECTION',
  ],
  ['dial tcp 10.96.7.7:443: i/o timeout', 'PULL_TIMED_OUT'],
  ['trow.trow.svc/trow/canary:1: not found', 'PULL_NOT_FOUND'],
  [
    'unexpected status from HEAD request to https://127.0.0.1:29443/v2/: 503 Service Unavailable',
    'PULL_REGISTRY_FAILED',
  ],
  [
    'unable to read CA cert "/etc/containerd/certs.d/trow.trow.svc/ca.crt": open: no such file or directory',
    'PULL_FILE_UNREADABLE',
  ],
  ['failed to load X509 key pair: tls: private key does not match public key', 'PULL_FILE_UNREADABLE'],
  ['something new', 'PULL_FAILED'],
]

for (const [error, code] of rows) {
  test(`${code}: ${error.slice(0, 60)}`, () => {
    const problem = pullProblem(prefix + error, where)
    assert.equal(problem.code, code)
    assert.ok(problem.hint !== undefined && problem.hint.length > 10)
  })
}

test('whatever a runtime says, there is a problem of bounded length with a hint', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 5000 }), (error) => {
      const { message, hint } = pullProblem(error, where)
      assert.ok(message.length < 600 && hint !== undefined)
    }),
  )
})
